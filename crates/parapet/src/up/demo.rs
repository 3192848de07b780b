//! The demo, given what any other system beside us would have: a folder for its logs, a certificate, an OTLP endpoint and a token.

use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use parapet_access::Secret;
use parapet_demo::{Demo, Options};
use parapet_pki::Names;

use super::certificates::Certificates;
use super::welcome::Welcome;
use crate::exit::Failure;

/// Enough to move every chart, too little to warm a laptop.
const REQUESTS_PER_SECOND: f64 = 8.0;
/// The same demo each time; its data still differs by when it runs.
const SEED: u64 = 1;

/// The folder of the demo's logs, below the data folder.
pub(crate) fn folder(data: &Path) -> std::path::PathBuf {
    data.join("demo")
}

pub(crate) struct Demonstration(Demo);

impl Demonstration {
    pub(crate) async fn start(
        data: &Path,
        certificates: &Certificates,
        welcome: &Welcome,
        otlp_token: Secret,
    ) -> Result<Self, Failure> {
        let authority = certificates.authority();
        // A key of its own: what the demo holds opens nothing of the server's.
        let names = Names::new([]).context("can't name the demo's certificate")?;
        let leaf = authority.issue(&names, Timestamp::now()).context("can't make the demo's certificate")?;
        let options = Options {
            dir: folder(data),
            certificate_pem: leaf.to_pem().to_string(),
            key_pem: leaf.to_pem().to_string(),
            ca_pem: certificates.bundle_pem().context("can't read the CA")?,
            otlp_endpoint: Welcome::url(welcome.otlp_grpc),
            otlp_token: otlp_token.expose().to_owned(),
            requests_per_second: REQUESTS_PER_SECOND,
            max_requests: None,
            seed: SEED,
        };
        Ok(Self(Demo::start(options).await.context("can't start the demo")?))
    }

    pub(crate) async fn stop(self) {
        self.0.shutdown().await;
    }
}
