//! From flags as typed to settings that make sense together.

use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use parapet_pki::MinVersion;
use rustls::CipherSuite;

use super::arguments::GuardArguments;
use super::file::{Authorization, parse_authorization};
use super::{Http2Settings, IdentityHeaderNames, ListenAddress, SettingsError, UpstreamAddress, tls};
use crate::authn::{CertificateRules, ClaimRules, OidcRules, TokenRules};
use crate::authz::{AccessRules, AttributeSource, GateRules, GlobStyle, PathGlobs};
use crate::review::ReviewLimits;

/// How long answers hold unless told otherwise: Kubernetes' own default.
const CACHED: Duration = Duration::from_secs(10);
/// The reference's times: of tokens, of a yes, of a no.
const KRP_CACHED: [Duration; 3] =
    [Duration::from_secs(120), Duration::from_secs(300), Duration::from_secs(30)];
/// The longest time that anything is remembered: the reference's longest.
const CACHED_LIMIT: Duration = KRP_CACHED[1];
/// Answers kept, of each kind; the reference's bound of the one that it bounds.
const ENTRIES: u64 = 8_192;
/// Bad tokens per second and at once that one address may cause reviews by: far more than a client that has a wrong
/// token by mistake, far less than what disturbs an API server.
const BAD_TOKENS: (f64, u32) = (10.0, 50);
/// A configuration is a few kilobytes.
const FILE_LIMIT: u64 = 1 << 20;
/// client-go's burst if none is given.
const BURST: u32 = 10;
/// Shorter polls keep a disk busy.
const RELOAD_LEAST: Duration = Duration::from_secs(1);
/// Longer ones keep callers waiting for nothing.
const REVIEW_LIMIT: Duration = Duration::from_secs(60);

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

/// Whose tokens are believed.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcSettings {
    /// What tokens must be.
    pub rules: OidcRules,
    /// Authorities to know the issuer by. None: the machine's.
    pub authorities: Option<PathBuf>,
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
            verb_mapping: _,
            krp_compat: _,
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

fn globs(flag: &'static str, patterns: &[String], style: GlobStyle) -> Result<PathGlobs, SettingsError> {
    let given = patterns.iter().map(|pattern| pattern.trim()).filter(|pattern| !pattern.is_empty());
    PathGlobs::parse(given, style).map_err(|error| SettingsError::flag(flag, error.to_string()))
}

fn upgrades(paths: Vec<String>) -> Result<Vec<String>, SettingsError> {
    let paths: Vec<String> = paths.into_iter().filter(|path| !path.is_empty()).collect();
    globs("upgrade-paths", &paths, GlobStyle::LastSegment)?;
    Ok(paths)
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, SettingsError> {
    let network = |text: &String| {
        let text = text.trim();
        let one = |_| text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(one).map_err(|_| {
            SettingsError::flag("trusted-forwarders", format!("expected networks such as 10.0.0.0/8, got {text:?}"))
        })
    };
    texts.iter().map(network).collect()
}

fn gate(
    arguments: &GuardArguments,
    authorization: Authorization,
    warnings: &mut Vec<String>,
) -> Result<GateRules, SettingsError> {
    let krp = arguments.krp_compat;
    let style = |strict| if krp { GlobStyle::Krp } else { strict };
    let allow = globs("allow-paths", &arguments.allow_paths, style(GlobStyle::Segments))?;
    let ignore = globs("ignore-paths", &arguments.ignore_paths, style(GlobStyle::LastSegment))?;
    if !allow.is_empty() && !ignore.is_empty() {
        let message = "can't be used together with --allow-paths: all that isn't allowed is closed to all";
        return Err(SettingsError::flag("ignore-paths", message));
    }
    if allow.is_empty() && authorization.attributes == AttributeSource::Path {
        // Kubernetes' own system:discovery.
        let message = "every service account may get /api, /apis, /healthz, /livez, /readyz, /openapi and /version by a \
            default role of Kubernetes: if the upstream serves anything there, name its paths by --allow-paths";
        warnings.push(message.to_owned());
    }
    Ok(GateRules {
        allow: (!allow.is_empty()).then_some(allow),
        ignore,
        attributes: authorization.attributes,
        rules: authorization.rules,
        verbs: arguments.verb_mapping,
        krp,
    })
}

type Listeners = (Option<ListenAddress>, Option<ListenAddress>, Option<ListenAddress>);

fn listeners(arguments: &GuardArguments, warnings: &mut Vec<String>) -> Result<Listeners, SettingsError> {
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

fn serving(arguments: &GuardArguments, warnings: &mut Vec<String>) -> Result<ServingSettings, SettingsError> {
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

fn pair(
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

fn upstream(
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

fn identity_headers(arguments: &GuardArguments) -> Result<Option<IdentityHeaderNames>, SettingsError> {
    let names = IdentityHeaderNames::new(
        &arguments.auth_header_user_field_name,
        &arguments.auth_header_groups_field_name,
        &arguments.auth_header_groups_field_separator,
    );
    arguments.auth_header_fields_enabled.then_some(names).transpose()
}

fn client_authorities(
    arguments: &GuardArguments,
    oidc: bool,
    warnings: &mut Vec<String>,
) -> Option<(PathBuf, CertificateRules)> {
    let path = arguments.client_ca_file.clone()?;
    if oidc && arguments.krp_compat {
        warnings
            .push("--client-ca-file has no effect beside --oidc-issuer, as in kube-rbac-proxy".to_owned());
        return None;
    }
    let rules = CertificateRules {
        system_names: arguments.allow_system_names || arguments.krp_compat,
        any_usage: arguments.krp_compat,
    };
    Some((path, rules))
}

fn oidc(
    arguments: &GuardArguments,
    warnings: &mut Vec<String>,
) -> Result<Option<OidcSettings>, SettingsError> {
    let issuer = arguments.oidc_issuer.clone();
    if issuer.is_empty() {
        if !arguments.oidc_client_id.is_empty() || arguments.oidc_ca_file.is_some() {
            return Err(SettingsError::flag("oidc-issuer", "is needed for the other --oidc flags"));
        }
        return Ok(None);
    }
    if !issuer.starts_with("https://") || issuer.parse::<http::Uri>().is_err() || issuer.contains(['?', '#'])
    {
        let message = format!("expected an https address without a query, got {issuer:?}");
        return Err(SettingsError::flag("oidc-issuer", message));
    }
    if arguments.oidc_client_id.is_empty() {
        let message = "is needed: without it any token of the issuer would do";
        return Err(SettingsError::flag("oidc-clientID", message));
    }
    if arguments.oidc_username_claim.is_empty() {
        return Err(SettingsError::flag("oidc-username-claim", "is empty"));
    }
    if !arguments.auth_token_audiences.is_empty() {
        warnings.push("--auth-token-audiences has no effect beside --oidc-issuer".to_owned());
    }
    let algorithms = arguments.oidc_sign_alg.iter().map(|name| algorithm(name.trim()));
    let claims = ClaimRules {
        issuer,
        audience: arguments.oidc_client_id.clone(),
        username: arguments.oidc_username_claim.clone(),
        username_prefix: arguments.oidc_username_prefix.clone(),
        groups: arguments.oidc_groups_claim.clone(),
        groups_prefix: arguments.oidc_groups_prefix.clone(),
        system_names: arguments.allow_system_names || arguments.krp_compat,
    };
    let algorithms = algorithms.collect::<Result<_, _>>()?;
    let rules = OidcRules { claims, algorithms, good_for: CACHED };
    Ok(Some(OidcSettings { rules, authorities: arguments.oidc_ca_file.clone() }))
}

fn algorithm(name: &str) -> Result<Algorithm, SettingsError> {
    let known: Option<Algorithm> = name.parse().ok();
    known
        .filter(|algorithm| matches!(algorithm.family(), AlgorithmFamily::Rsa | AlgorithmFamily::Ec))
        .ok_or_else(|| {
            let message =
                format!("expected RS256, RS384, RS512, PS256, PS384, PS512, ES256 or ES384, got {name:?}");
            SettingsError::flag("oidc-sign-alg", message)
        })
}

fn caches(arguments: &GuardArguments) -> Result<(TokenRules, AccessRules), SettingsError> {
    let [tokens, allowed, denied] = if arguments.krp_compat { KRP_CACHED } else { [CACHED; 3] };
    for (flag, given) in
        [("cache-allowed", arguments.cache_allowed), ("cache-denied", arguments.cache_denied)]
    {
        if let Some(given) = given.filter(|&given| given > CACHED_LIMIT) {
            return Err(SettingsError::flag(flag, format!("expected 5m or less, got {given:?}")));
        }
    }
    let token_rules = TokenRules {
        audiences: arguments.auth_token_audiences.iter().filter(|name| !name.is_empty()).cloned().collect(),
        accept_unchecked_audience: arguments.krp_compat,
        good_for: arguments.cache_allowed.unwrap_or(tokens),
        bad_for: arguments.cache_denied.unwrap_or(tokens),
        entries: ENTRIES,
        bad_per_source: Some(BAD_TOKENS),
    };
    let access_rules = AccessRules {
        allowed_for: arguments.cache_allowed.unwrap_or(allowed),
        denied_for: arguments.cache_denied.unwrap_or(denied),
        entries: ENTRIES,
    };
    Ok((token_rules, access_rules))
}

fn reviews(rate: f64, burst: u32, deadline: Duration) -> Result<ReviewLimits, SettingsError> {
    if !rate.is_finite() || rate < 0.0 {
        return Err(SettingsError::flag("kube-api-qps", format!("expected a number from 0, got {rate}")));
    }
    if deadline.is_zero() || deadline > REVIEW_LIMIT {
        let message = format!("expected more than 0s and at most 60s, got {deadline:?}");
        return Err(SettingsError::flag("review-timeout", message));
    }
    let burst = if burst == 0 { BURST } else { burst };
    let default = ReviewLimits::default();
    Ok(ReviewLimits {
        deadline,
        attempt: default.attempt.min(deadline),
        rate: (rate > 0.0).then_some((rate, burst)),
        ..default
    })
}
