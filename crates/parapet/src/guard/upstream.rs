//! What is guarded, as the engine takes it.

use anyhow::Context as _;
use parapet_guard::settings::{Settings, UpstreamAddress};
use parapet_guard::upstream::{Address, Protocol, Upstream, UpstreamSettings};
use parapet_guard::{CanonicalPath, Metrics, PathRules};
use parapet_pki::{ClientProfile, Reloader};
use rustls_pki_types::ServerName;

use super::certificates::{self, UpstreamSource};

/// The ports of `http` and `https`.
const PORTS: [u16; 2] = [80, 443];

/// The upstream, and what keeps TLS towards it up to date, if it is spoken to by TLS.
pub(super) fn upstream(
    settings: &Settings,
    workers: usize,
    metrics: Metrics,
    certificate_metrics: parapet_pki::Metrics,
) -> anyhow::Result<(Upstream, Option<Reloader<UpstreamSource, ClientProfile>>)> {
    let asked = &settings.upstream;
    let plain = if asked.h2c { Protocol::H2c } else { Protocol::Http1 };
    let (engine, reloader) = match &asked.address {
        UpstreamAddress::Unix { path } => (
            UpstreamSettings {
                workers,
                ..UpstreamSettings::new(Address::Unix { path: path.clone(), uid: None }, plain)
            },
            None,
        ),
        UpstreamAddress::Tcp { tls, authority, base } => {
            let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
            let port = authority.port_u16().unwrap_or(PORTS[usize::from(*tls)]);
            let (protocol, reloader) = if *tls {
                let name = ServerName::try_from(host.clone())
                    .with_context(|| format!("--upstream: no certificate can be for {host:?}"))?;
                let (tls, reloader) =
                    certificates::upstream(asked, settings.serving.reload, certificate_metrics)?;
                (Protocol::Tls { tls, name }, Some(reloader))
            } else {
                (plain, None)
            };
            let base_path = match base.as_str() {
                "" => None,
                base => Some(CanonicalPath::parse(base, PathRules::Strict).context("--upstream: its path")?),
            };
            let address = Address::Tcp { host, port };
            (UpstreamSettings { base_path, workers, ..UpstreamSettings::new(address, protocol) }, reloader)
        }
    };
    Ok((Upstream::new(engine, metrics), reloader))
}
