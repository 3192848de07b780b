//! From flags as typed to settings that make sense together.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::arguments::GuardArguments;
use super::credentials::{OidcSettings, caches, client_authorities, oidc, reviews};
use super::file::{Authorization, parse_authorization};
use super::guarded::{UpstreamSettings, identity_headers, networks, upstream};
use super::paths::{gate, upgrades};
use super::serving::{ServingSettings, listeners, serving};
use super::{Http2Settings, IdentityHeaderNames, ListenAddress, SettingsError};
use crate::authn::{CertificateRules, TokenRules};
use crate::authz::{AccessRules, GateRules};
use crate::review::ReviewLimits;

/// A configuration is a few kilobytes.
const FILE_LIMIT: u64 = 1 << 20;
/// Everything that the guard needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where HTTPS is served.
    pub secure: Option<ListenAddress>,
    /// Where plain HTTP is served.
    pub insecure: Option<ListenAddress>,
    /// Where health is served by HTTPS.
    pub health: Option<ListenAddress>,
    /// HTTP/2 towards callers, if it is spoken.
    pub http2: Option<Http2Settings>,
    /// Where addresses are written when listening.
    pub ready_file: Option<PathBuf>,
    /// How long open requests may take to end.
    pub drain: Duration,
    /// What is shown to callers.
    pub serving: ServingSettings,
    /// What is guarded.
    pub upstream: UpstreamSettings,
    /// Paths, rules and verbs.
    pub gate: GateRules,
    /// Paths on which WebSocket upgrades are let through: whole, or everything below one that ends in `/*`.
    pub upgrades: Vec<String>,
    /// What a token must be.
    pub tokens: TokenRules,
    /// How long answers about rights hold.
    pub access: AccessRules,
    /// Whose client certificates are believed. None: nobody's.
    pub client_authorities: Option<(PathBuf, CertificateRules)>,
    /// Whose tokens are believed instead of the API server's.
    pub oidc: Option<OidcSettings>,
    /// How the API server is reached. None: as a pod does.
    pub kubeconfig: Option<PathBuf>,
    /// How patient reviews are.
    pub reviews: ReviewLimits,
    /// Which headers tell the upstream who is calling.
    pub identity_headers: Option<IdentityHeaderNames>,
    /// Whether `Authorization` is passed on.
    pub pass_authorization: bool,
    /// Whether cookies are passed on.
    pub pass_cookies: bool,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_forwarders: Vec<IpNet>,
    /// Whether each decision is a line of the log.
    pub audit: bool,
    /// klog's level.
    pub verbosity: u32,
    /// Whether the reference's behaviour is wanted where it is less safe.
    pub krp: bool,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Checks `arguments` and reads the configuration file that they name.
    pub fn resolve(arguments: GuardArguments) -> Result<Self, SettingsError> {
        let mut warnings = Vec::new();
        let authorization = match &arguments.config_file {
            Some(path) => read_authorization(path)?,
            None => Authorization::default(),
        };
        let krp = arguments.krp_compat;
        if krp {
            warnings.push(KRP_WARNING.to_owned());
        }
        for flag in arguments.ignored.given() {
            warnings.push(format!("--{flag} is accepted and has no effect"));
        }
        if let Some(word) = arguments.positional.iter().find(|word| !word.is_empty()) {
            return Err(SettingsError::flag("help", format!("{word:?} belongs to no flag")));
        }
        let gate = gate(&arguments, authorization, &mut warnings)?;
        let identity_headers = identity_headers(&arguments)?;
        let upstream = upstream(&arguments, identity_headers.is_some(), &mut warnings)?;
        let serving = serving(&arguments, &mut warnings)?;
        let oidc = oidc(&arguments, &mut warnings)?;
        let client_authorities = client_authorities(&arguments, oidc.is_some(), &mut warnings);
        let (tokens, access) = caches(&arguments)?;
        let listeners = listeners(&arguments, &mut warnings)?;
        // Exhaustive, so that a new flag cannot be forgotten here; what isn't named was used above.
        let GuardArguments {
            secure_listen_address: _,
            insecure_listen_address: _,
            proxy_endpoints_port: _,
            http2_disable,
            http2_max_concurrent_streams,
            http2_max_size,
            ready_file,
            drain_timeout: drain,
            tls_cert_file: _,
            tls_private_key_file: _,
            tls_reload_interval: _,
            tls_min_version: _,
            tls_cipher_suites: _,
            upstream: _,
            upstream_force_h2c: _,
            upstream_ca_file: _,
            upstream_client_cert_file: _,
            upstream_client_key_file: _,
            config_file: _,
            allow_paths: _,
            ignore_paths: _,
            upgrade_paths,
            path_wildcard: _,
            verb_mapping: _,
            krp_compat: _,
            path_prefix: _,
            forbidden_body: _,
            client_ca_file: _,
            auth_token_audiences: _,
            allow_system_names: _,
            oidc_issuer: _,
            oidc_client_id: _,
            oidc_username_claim: _,
            oidc_username_prefix: _,
            oidc_groups_claim: _,
            oidc_groups_prefix: _,
            oidc_sign_alg: _,
            oidc_ca_file: _,
            kubeconfig,
            kube_api_qps,
            kube_api_burst,
            review_timeout,
            cache_allowed: _,
            cache_denied: _,
            stale_allow: _,
            auth_header_fields_enabled: _,
            auth_header_user_field_name: _,
            auth_header_groups_field_name: _,
            auth_header_groups_field_separator: _,
            pass_authorization,
            pass_cookies,
            trusted_forwarders,
            audit_log: audit,
            verbosity,
            ignored: _,
            positional: _,
        } = arguments;
        let http2 = Http2Settings::new(http2_max_concurrent_streams, http2_max_size)?;
        Ok(Self {
            secure: listeners.0,
            insecure: listeners.1,
            health: listeners.2,
            http2: (!http2_disable).then_some(http2),
            ready_file,
            drain,
            serving,
            upstream,
            gate,
            upgrades: upgrades(upgrade_paths)?,
            tokens,
            access,
            client_authorities,
            oidc,
            kubeconfig,
            reviews: reviews(kube_api_qps, kube_api_burst, review_timeout)?,
            identity_headers,
            pass_authorization,
            // The reference passes them always.
            pass_cookies: pass_cookies || krp,
            trusted_forwarders: networks(&trusted_forwarders)?,
            audit,
            verbosity,
            krp,
            warnings,
        })
    }
}

/// What `--krp-compat` reopens, by the names that docs/guard.md explains.
const KRP_WARNING: &str = "--krp-compat: tokens are remembered for 2m and permissions for 5m (revoked ones go on working \
    that long), globs are matched within segments, paths may be spelled in more than one way and are forwarded as they \
    came, tokens that the API server did not check for an audience are accepted, form bodies may hold parameters that \
    decide, certificates and OpenID tokens may name system: users, identity headers may leave this machine unencrypted, \
    and an API server that does not answer is told to callers as 401 or 500";

fn read_authorization(path: &Path) -> Result<Authorization, SettingsError> {
    let unreadable = |source| SettingsError::File { flag: "config-file", path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let read = file.take(FILE_LIMIT + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read as u64 > FILE_LIMIT {
        return Err(SettingsError::flag("config-file", format!("{path:?} is longer than 1 MiB")));
    }
    parse_authorization(&text, path)
}
