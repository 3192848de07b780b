//! Where and how callers are served.

use std::path::PathBuf;
use std::time::Duration;

use parapet_pki::MinVersion;
use rustls::CipherSuite;

use super::arguments::GuardArguments;
use super::{ListenAddress, SettingsError, tls};

/// Shorter polls keep a disk busy.
const RELOAD_LEAST: Duration = Duration::from_secs(1);
/// What is shown to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingSettings {
    /// Certificate and key. None: a self-signed one in memory.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// How often files are read even if no change was noticed.
    pub reload: Duration,
    /// The oldest version spoken.
    pub min_version: MinVersion,
    /// The suites spoken; empty: all.
    pub cipher_suites: Vec<CipherSuite>,
}

pub(super) type Listeners = (Option<ListenAddress>, Option<ListenAddress>, Option<ListenAddress>);

pub(super) fn listeners(
    arguments: &GuardArguments,
    warnings: &mut Vec<String>,
) -> Result<Listeners, SettingsError> {
    let parse = |flag, text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|message: String| SettingsError::flag(flag, message)),
    };
    let secure: Option<ListenAddress> = parse("secure-listen-address", &arguments.secure_listen_address)?;
    let insecure: Option<ListenAddress> =
        parse("insecure-listen-address", &arguments.insecure_listen_address)?;
    if secure.is_none() && insecure.is_none() {
        let message = "expected host:port: without an address nothing is served";
        return Err(SettingsError::flag("secure-listen-address", message));
    }
    if insecure.is_some() {
        let message =
            "--insecure-listen-address: whoever can see the traffic can take tokens out of it and use them";
        warnings.push(message.to_owned());
    }
    let health = match (&secure, arguments.proxy_endpoints_port) {
        (_, 0) => None,
        (Some(secure), port) if secure.port == port => {
            let message = format!("{port} is the port of --secure-listen-address");
            return Err(SettingsError::flag("proxy-endpoints-port", message));
        }
        (Some(secure), port) => Some(ListenAddress { host: secure.host.clone(), port }),
        (None, _) => {
            warnings.push("--proxy-endpoints-port has no effect without --secure-listen-address".to_owned());
            None
        }
    };
    Ok((secure, insecure, health))
}

pub(super) fn serving(
    arguments: &GuardArguments,
    warnings: &mut Vec<String>,
) -> Result<ServingSettings, SettingsError> {
    let pair = pair(
        ("tls-cert-file", &arguments.tls_cert_file),
        ("tls-private-key-file", &arguments.tls_private_key_file),
    )?;
    if pair.is_none() && !arguments.secure_listen_address.is_empty() {
        let message = "no --tls-cert-file: a self-signed certificate is made, which clients can't verify";
        warnings.push(message.to_owned());
    }
    let reload = arguments.tls_reload_interval;
    if reload < RELOAD_LEAST {
        return Err(SettingsError::flag(
            "tls-reload-interval",
            format!("expected 1s or more, got {reload:?}"),
        ));
    }
    let (min_version, older) = tls::min_version(&arguments.tls_min_version)?;
    if older {
        warnings
            .push(format!("--tls-min-version={}: TLS 1.2 is the oldest spoken", arguments.tls_min_version));
    }
    let cipher_suites = tls::cipher_suites(&arguments.tls_cipher_suites)?;
    Ok(ServingSettings { pair, reload, min_version, cipher_suites })
}

/// A certificate and its key: both files or neither.
pub(super) fn pair(
    certificate: (&'static str, &Option<PathBuf>),
    key: (&'static str, &Option<PathBuf>),
) -> Result<Option<(PathBuf, PathBuf)>, SettingsError> {
    match (certificate.1, key.1) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(SettingsError::flag(key.0, format!("is needed beside --{}", certificate.0))),
        (None, Some(_)) => Err(SettingsError::flag(certificate.0, format!("is needed beside --{}", key.0))),
    }
}
