//! The demo, given what any other system beside us would have: a folder for its logs, a certificate, an OTLP endpoint and a token.
//!
//! It takes certificates when it starts and not again, like many a small system: when its own is due, or another authority is
//! to be trusted, it is started anew.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use parapet_access::Secret;
use parapet_demo::{Demo, Options};
use parapet_pki::Names;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::certificates::Certificates;
use super::turned;
use super::welcome::Welcome;
use crate::exit::Failure;

/// Enough to move every chart, too little to warm a laptop.
const REQUESTS_PER_SECOND: f64 = 8.0;
/// The same demo each time; its data still differs by when it runs.
const SEED: u64 = 1;

/// The folder of the demo's logs, below the data folder.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("demo")
}

/// The running demo.
pub(crate) struct Demonstration {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Demonstration {
    pub(crate) async fn start(
        data: &Path,
        certificates: &Certificates,
        welcome: &Welcome,
        otlp_token: Secret,
    ) -> Result<Self, Failure> {
        let surroundings = Surroundings {
            folder: folder(data),
            certificates: certificates.clone(),
            otlp_endpoint: Welcome::url(welcome.otlp_grpc),
            otlp_token,
        };
        let (options, taken) = surroundings.options()?;
        let demo = Demo::start(options).await.context("can't start the demo")?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(surroundings.keep(demo, taken, stopped));
        Ok(Self { stop, task })
    }

    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the demo failed");
        }
    }
}

/// What the demo is started with, each time.
struct Surroundings {
    folder: PathBuf,
    certificates: Certificates,
    otlp_endpoint: String,
    otlp_token: Secret,
}

/// What one start of the demo took.
struct Taken {
    /// Who is trusted, PEM.
    trust: String,
    /// When its own certificate is to be replaced.
    until: Timestamp,
}

impl Surroundings {
    fn options(&self) -> anyhow::Result<(Options, Taken)> {
        let authority = self.certificates.authority();
        // A key of its own: what the demo holds opens nothing of the server's.
        let names = Names::new([]).context("can't name the demo's certificate")?;
        let leaf = authority.issue(&names, Timestamp::now()).context("can't make the demo's certificate")?;
        let trust = self.certificates.bundle_pem().context("can't read the CA")?;
        let options = Options {
            dir: self.folder.clone(),
            certificate_pem: leaf.to_pem().to_string(),
            key_pem: leaf.to_pem().to_string(),
            ca_pem: trust.clone(),
            otlp_endpoint: self.otlp_endpoint.clone(),
            otlp_token: self.otlp_token.expose().to_owned(),
            requests_per_second: REQUESTS_PER_SECOND,
            max_requests: None,
            seed: SEED,
        };
        Ok((options, Taken { trust, until: leaf.renew_at() }))
    }

    /// Starts the demo anew when what it took is no longer right.
    async fn keep(self, demo: Demo, mut taken: Taken, stopped: watch::Receiver<bool>) {
        let mut demo = Some(demo);
        let mut looked = self.certificates.looked();
        loop {
            tokio::select! {
                () = turned(stopped.clone()) => break,
                changed = looked.changed() => if changed.is_err() { break },
            }
            if demo.is_some() && self.is_right(&taken) {
                continue;
            }
            match self.anew(&mut demo).await {
                Ok(new) => {
                    taken = new;
                    tracing::info!("the demo has been started anew with other certificates");
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "the demo can't be started anew; it is tried again");
                }
            }
        }
        if let Some(demo) = demo {
            demo.shutdown().await;
        }
    }

    fn is_right(&self, taken: &Taken) -> bool {
        let trusts = self.certificates.bundle_pem().is_ok_and(|trust| trust == taken.trust);
        trusts && Timestamp::now() < taken.until
    }

    /// If there is nothing to start it with, the one that runs goes on.
    async fn anew(&self, demo: &mut Option<Demo>) -> anyhow::Result<Taken> {
        let (options, taken) = self.options()?;
        // Its logs are written by one at a time.
        if let Some(before) = demo.take() {
            before.shutdown().await;
        }
        *demo = Some(Demo::start(options).await?);
        Ok(taken)
    }
}
