//! TLS towards callers and towards the upstream, each following its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parapet_guard::settings::{ListenAddress, ServingSettings, UpstreamSettings};
use parapet_pki::{
    Bundle, ClientCertificates, ClientProfile, ClientTls, Clock, Material, Metrics, Names, Options,
    PairPaths, PkiError, Reloader, Reloading, SelfSigned, ServerProfile, ServerTls, Source, WatchedPair,
    reloading,
};

/// Where Linux says what the machine (or the pod) is called.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// TLS towards callers.
pub(super) fn serving(
    settings: &ServingSettings,
    http2: bool,
    address: &ListenAddress,
    client_authorities: Option<&Path>,
    metrics: Metrics,
) -> anyhow::Result<(Reloading<ServerTls>, Reloader<ServingSource, ServerProfile>)> {
    let options = options("serving", settings.reload, metrics);
    let shown = match &settings.pair {
        Some((certificate, key)) => {
            Shown::Files(files(Some((certificate.clone(), key.clone())), None, "--tls-cert-file")?)
        }
        None => Shown::SelfSigned(self_signed(address, Arc::clone(&options.clock))?),
    };
    let trusted = match client_authorities {
        Some(path) => Some(files(None, Some(path.to_owned()), "--client-ca-file")?),
        None => None,
    };
    let asked = if trusted.is_some() { ClientCertificates::Asked } else { ClientCertificates::NotAsked };
    let profile = ServerProfile {
        alpn: alpn(http2),
        min_version: settings.min_version,
        cipher_suites: settings.cipher_suites.clone(),
        client_certificates: asked,
    };
    reloading(ServingSource { shown, trusted }, profile, options).context("can't set up TLS for callers")
}

/// TLS towards the upstream.
pub(super) fn upstream(
    settings: &UpstreamSettings,
    reload: Duration,
    metrics: Metrics,
) -> anyhow::Result<(Reloading<ClientTls>, Reloader<UpstreamSource, ClientProfile>)> {
    let source = UpstreamSource {
        files: files(settings.pair.clone(), settings.authorities.clone(), "--upstream-ca-file")?,
        machine: match settings.authorities {
            Some(_) => None,
            None => Some(machine_authorities()?),
        },
    };
    let profile = ClientProfile { alpn: alpn(true), ..ClientProfile::default() };
    reloading(source, profile, options("upstream", reload, metrics))
        .context("can't set up TLS for the upstream")
}

fn options(name: &'static str, poll: Duration, metrics: Metrics) -> Options {
    Options { poll, ..Options::new(name, metrics) }
}

fn alpn(http2: bool) -> Vec<Vec<u8>> {
    let both: [&[u8]; 2] = [b"h2", b"http/1.1"];
    both.iter().skip(usize::from(!http2)).map(|name| name.to_vec()).collect()
}

/// Watches files that could be read just now.
fn files(
    pair: Option<(PathBuf, PathBuf)>,
    trust: Option<PathBuf>,
    flag: &'static str,
) -> anyhow::Result<WatchedPair> {
    let paths = PairPaths { pair, trust };
    paths.load().with_context(|| format!("{flag}: can't use the files"))?;
    Ok(WatchedPair::new(paths))
}

fn self_signed(address: &ListenAddress, clock: Clock) -> anyhow::Result<SelfSigned> {
    let host = std::fs::read_to_string(HOSTNAME).unwrap_or_default();
    let names = [host.trim(), address.host.as_str()];
    // A machine may be called what no certificate can say; then it says one name less.
    let names = names.into_iter().filter(|name| !name.is_empty() && Names::new([*name]).is_ok());
    Ok(SelfSigned::generate(Names::new(names)?, clock)?)
}

fn machine_authorities() -> anyhow::Result<Vec<u8>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the machine's certificate authorities can't be read");
    }
    // What this program can't parse, it couldn't verify by either.
    let usable = found.certs.into_iter().filter(|one| Bundle::new([one.clone()]).is_ok());
    let bundle = Bundle::new(usable)
        .context("--upstream is https and this machine has no certificate authorities; name them by --upstream-ca-file")?;
    Ok(bundle.to_pem().into_bytes())
}

/// What is shown to callers, and whose certificates of theirs are believed.
pub(super) struct ServingSource {
    shown: Shown,
    trusted: Option<WatchedPair>,
}

enum Shown {
    Files(WatchedPair),
    SelfSigned(SelfSigned),
}

impl Source for ServingSource {
    fn read(&self) -> Result<Material, PkiError> {
        let shown = match &self.shown {
            Shown::Files(files) => files.read()?,
            Shown::SelfSigned(made) => made.read()?,
        };
        let trust = match &self.trusted {
            Some(files) => files.read()?.trust,
            None => None,
        };
        Ok(Material { trust, ..shown })
    }

    async fn changed(&self) {
        let shown = async {
            match &self.shown {
                Shown::Files(files) => files.changed().await,
                Shown::SelfSigned(made) => made.changed().await,
            }
        };
        let trusted = async {
            match &self.trusted {
                Some(files) => files.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shown => {}
            () = trusted => {}
        }
    }
}

/// What is shown to the upstream, and whom it must be signed by.
pub(super) struct UpstreamSource {
    files: WatchedPair,
    machine: Option<Vec<u8>>,
}

impl Source for UpstreamSource {
    fn read(&self) -> Result<Material, PkiError> {
        let files = self.files.read()?;
        Ok(Material { trust: files.trust.or_else(|| self.machine.clone()), ..files })
    }

    async fn changed(&self) {
        self.files.changed().await;
    }
}
