//! What is guarded, and what it is told.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::arguments::GuardArguments;
use super::serving::pair;
use super::{IdentityHeaderNames, SettingsError, UpstreamAddress};

/// What is guarded, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Where it is.
    pub address: UpstreamAddress,
    /// HTTP/2 without TLS.
    pub h2c: bool,
    /// Authorities to know it by. None: the machine's.
    pub authorities: Option<PathBuf>,
    /// Certificate and key to show it.
    pub pair: Option<(PathBuf, PathBuf)>,
}

pub(super) fn upstream(
    arguments: &GuardArguments,
    identity: bool,
    warnings: &mut Vec<String>,
) -> Result<UpstreamSettings, SettingsError> {
    let address: UpstreamAddress =
        arguments.upstream.parse().map_err(|message: String| SettingsError::flag("upstream", message))?;
    let pair = pair(
        ("upstream-client-cert-file", &arguments.upstream_client_cert_file),
        ("upstream-client-key-file", &arguments.upstream_client_key_file),
    )?;
    let h2c = arguments.upstream_force_h2c;
    if h2c && address.is_tls() {
        let message = "is HTTP/2 without TLS, but --upstream is https: which of both?";
        return Err(SettingsError::flag("upstream-force-h2c", message));
    }
    if !address.is_tls() {
        for (flag, given) in [
            ("upstream-ca-file", arguments.upstream_ca_file.is_some()),
            ("upstream-client-cert-file", pair.is_some()),
        ] {
            if given {
                return Err(SettingsError::flag(flag, "has no effect unless --upstream is https"));
            }
        }
    }
    let exposed = [
        ("auth-header-fields-enabled", identity && !(address.is_tls() && pair.is_some())),
        ("upstream-force-h2c", h2c),
        ("pass-authorization", arguments.pass_authorization && !address.is_tls()),
    ];
    for (flag, _) in exposed.into_iter().filter(|&(_, exposed)| exposed && !address.is_local()) {
        let message = "the upstream is not on this machine, so others could read or forge what is sent there; use https \
            with --upstream-client-cert-file, or a loopback address";
        if !arguments.krp_compat || flag == "pass-authorization" {
            return Err(SettingsError::flag(flag, message));
        }
        warnings.push(format!("--{flag}: {message}"));
    }
    Ok(UpstreamSettings { address, h2c, authorities: arguments.upstream_ca_file.clone(), pair })
}

pub(super) fn identity_headers(
    arguments: &GuardArguments,
) -> Result<Option<IdentityHeaderNames>, SettingsError> {
    let names = IdentityHeaderNames::new(
        &arguments.auth_header_user_field_name,
        &arguments.auth_header_groups_field_name,
        &arguments.auth_header_groups_field_separator,
    );
    arguments.auth_header_fields_enabled.then_some(names).transpose()
}

pub(super) fn networks(texts: &[String]) -> Result<Vec<IpNet>, SettingsError> {
    let network = |text: &String| {
        let text = text.trim();
        let one = |_| text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(one).map_err(|_| {
            SettingsError::flag(
                "trusted-forwarders",
                format!("expected networks such as 10.0.0.0/8, got {text:?}"),
            )
        })
    };
    texts.iter().map(network).collect()
}
