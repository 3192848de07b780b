//! The flags, as typed. Those of kube-rbac-proxy keep their names and defaults.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::flags::{duration, switch};
use crate::authz::VerbMapping;

const LISTEN: &str = "Listeners";
const TLS: &str = "Serving certificate";
const UPSTREAM: &str = "Upstream";
const PATHS: &str = "Paths and rules";
const AUTHN: &str = "Who is calling";
const OIDC: &str = "OpenID Connect";
const REVIEWS: &str = "API server";
const HEADERS: &str = "Headers for the upstream";

/// Arguments of the guard, as typed.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub struct GuardArguments {
    /// Serve HTTPS here: host:port, :port for all addresses. Port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "", hide_default_value = true, help_heading = LISTEN)]
    pub secure_listen_address: String,
    /// Serve plain HTTP here too. Credentials travel unencrypted: for a loopback address behind something that encrypts.
    #[arg(long, value_name = "HOST:PORT", default_value = "", hide_default_value = true, help_heading = LISTEN)]
    pub insecure_listen_address: String,
    /// Serve /healthz by HTTPS on this port of the secure address, to anybody.
    #[arg(long, value_name = "PORT", default_value_t = 0, help_heading = LISTEN)]
    pub proxy_endpoints_port: u16,
    /// Speak HTTP/1.1 alone.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = switch, action = ArgAction::Set, hide_default_value = true, help_heading = LISTEN)]
    pub http2_disable: bool,
    /// Streams that one HTTP/2 connection may have open.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = LISTEN)]
    pub http2_max_concurrent_streams: u32,
    /// Bytes of an HTTP/2 frame and of a stream's window.
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, help_heading = LISTEN)]
    pub http2_max_size: u32,
    /// When listening, write the addresses to this file as JSON (for scripts).
    #[arg(long, value_name = "FILE", help_heading = LISTEN)]
    pub ready_file: Option<PathBuf>,
    /// How long open requests may take to end after SIGTERM.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, help_heading = LISTEN)]
    pub drain_timeout: Duration,

    /// Certificate chain, PEM. Without it a self-signed one is made and kept in memory.
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub tls_cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub tls_private_key_file: Option<PathBuf>,
    /// How often the files are read even if no change was noticed.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration, help_heading = TLS)]
    pub tls_reload_interval: Duration,
    /// VersionTLS12 or VersionTLS13; older versions are not spoken.
    #[arg(long, value_name = "NAME", default_value = "VersionTLS12", help_heading = TLS)]
    pub tls_min_version: String,
    /// Cipher suites of TLS 1.2, by Go's names; those of TLS 1.3 are always spoken.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = TLS)]
    pub tls_cipher_suites: Vec<String>,

    /// What is guarded: http://host:port, https://host:port or unix:///path; a path is put before each request's.
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true, help_heading = UPSTREAM)]
    pub upstream: String,
    /// Speak HTTP/2 without TLS to it.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = switch, action = ArgAction::Set, hide_default_value = true, help_heading = UPSTREAM)]
    pub upstream_force_h2c: bool,
    /// Certificate authorities to know it by, PEM [default: the machine's].
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM)]
    pub upstream_ca_file: Option<PathBuf>,
    /// Client certificate to show it, PEM.
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM)]
    pub upstream_client_cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", help_heading = UPSTREAM)]
    pub upstream_client_key_file: Option<PathBuf>,

    /// What to ask the API server about, and what to allow without asking (YAML).
    #[arg(long, value_name = "FILE", help_heading = PATHS)]
    pub config_file: Option<PathBuf>,
    /// Only these paths exist; all others are 404. * is one segment.
    #[arg(long, value_name = "PATHS", value_delimiter = ',', help_heading = PATHS)]
    pub allow_paths: Vec<String>,
    /// These paths are open to anybody. A path, or one that ends in /*.
    #[arg(long, value_name = "PATHS", value_delimiter = ',', help_heading = PATHS)]
    pub ignore_paths: Vec<String>,
    /// What a final /* means: segment (one segment, as in kube-rbac-proxy) or below (everything below).
    #[arg(long, value_name = "segment|below", default_value = "segment", value_parser = below, help_heading = PATHS)]
    pub path_wildcard: Wildcard,
    /// WebSocket upgrades are let through on these paths; /* is everything below.
    #[arg(long, value_name = "PATHS", value_delimiter = ',', help_heading = PATHS)]
    pub upgrade_paths: Vec<String>,
    /// What methods are called in rules: krp (GET get, POST create, PUT update, others *) or http (in lower case).
    #[arg(long, value_name = "krp|http", default_value = "krp", value_parser = verb_mapping, help_heading = PATHS)]
    pub verb_mapping: VerbMapping,
    /// Put before the path that the API server is asked about; roles then name /PREFIX/PATH, and none fits by chance.
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true, help_heading = PATHS)]
    pub path_prefix: String,
    /// What 403 says: detailed (user, verb and resource, as kube-rbac-proxy does) or brief ("Forbidden").
    #[arg(long, value_name = "detailed|brief", default_value = "detailed", value_parser = forbidden_body, help_heading = PATHS)]
    pub forbidden_body: ForbiddenBody,
    /// Behave as kube-rbac-proxy does where that is less safe: longer caches, its globs, its status codes.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = switch, action = ArgAction::Set, hide_default_value = true, help_heading = PATHS)]
    pub krp_compat: bool,

    /// Client certificates of these authorities are believed: CN is the user, O are the groups.
    #[arg(long, value_name = "FILE", help_heading = AUTHN)]
    pub client_ca_file: Option<PathBuf>,
    /// Tokens must be meant for one of these audiences [default: the API server's own].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = AUTHN)]
    pub auth_token_audiences: Vec<String>,
    /// Believe names that begin with "system:" from client certificates and OpenID tokens.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = switch, action = ArgAction::Set, hide_default_value = true, help_heading = AUTHN)]
    pub allow_system_names: bool,

    /// Tokens are checked by this issuer's keys instead of the API server.
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true, help_heading = OIDC)]
    pub oidc_issuer: String,
    /// The audience that tokens must have.
    #[arg(long = "oidc-clientID", value_name = "NAME", default_value = "", hide_default_value = true, help_heading = OIDC)]
    pub oidc_client_id: String,
    /// The claim that names the user.
    #[arg(long, value_name = "CLAIM", default_value = "email", help_heading = OIDC)]
    pub oidc_username_claim: String,
    /// Put before users' names.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, help_heading = OIDC)]
    pub oidc_username_prefix: String,
    /// The claim that lists the groups.
    #[arg(long, value_name = "CLAIM", default_value = "groups", help_heading = OIDC)]
    pub oidc_groups_claim: String,
    /// Put before groups' names.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, help_heading = OIDC)]
    pub oidc_groups_prefix: String,
    /// Signature algorithms: RS, PS, ES 256/384/512.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "RS256", help_heading = OIDC)]
    pub oidc_sign_alg: Vec<String>,
    /// Certificate authorities to know the issuer by, PEM [default: the machine's].
    #[arg(long, value_name = "FILE", help_heading = OIDC)]
    pub oidc_ca_file: Option<PathBuf>,

    /// How to reach the API server [default: as a pod does].
    #[arg(long, value_name = "FILE", help_heading = REVIEWS)]
    pub kubeconfig: Option<PathBuf>,
    /// Reviews a second at most; 0 for as many as callers cause.
    #[arg(long, value_name = "N", default_value_t = 0.0, help_heading = REVIEWS)]
    pub kube_api_qps: f64,
    /// Reviews at once beyond that rate.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = REVIEWS)]
    pub kube_api_burst: u32,
    /// How long a request waits for the API server, attempts included, before it is refused.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration, help_heading = REVIEWS)]
    pub review_timeout: Duration,
    /// How long a good token and a yes are remembered [default: 10s; --krp-compat: 2m and 5m].
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = REVIEWS)]
    pub cache_allowed: Option<Duration>,
    /// How long a bad token and a no are remembered [default: 10s; --krp-compat: 2m and 30s].
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = REVIEWS)]
    pub cache_denied: Option<Duration>,

    /// How much longer a yes is a yes while the API server gives no answer, at most 10m; 0s: not at all. Revoked rights go
    /// on working that long during an outage.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = REVIEWS)]
    pub stale_allow: Duration,

    /// Tell the upstream who is calling.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = switch, action = ArgAction::Set, hide_default_value = true, help_heading = HEADERS)]
    pub auth_header_fields_enabled: bool,
    /// The header of the user's name.
    #[arg(long, value_name = "NAME", default_value = "x-remote-user", help_heading = HEADERS)]
    pub auth_header_user_field_name: String,
    /// The header of the groups.
    #[arg(long, value_name = "NAME", default_value = "x-remote-groups", help_heading = HEADERS)]
    pub auth_header_groups_field_name: String,
    /// Stands between groups; a group that contains it is left out.
    #[arg(long, value_name = "TEXT", default_value = "|", allow_hyphen_values = true, help_heading = HEADERS)]
    pub auth_header_groups_field_separator: String,
    /// Pass the caller's Authorization header on. The upstream can then act as the caller.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = switch, action = ArgAction::Set, hide_default_value = true, help_heading = HEADERS)]
    pub pass_authorization: bool,

    /// Pass the caller's cookies on, for upstreams with a login of their own.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = switch, action = ArgAction::Set, hide_default_value = true, help_heading = HEADERS)]
    pub pass_cookies: bool,
    /// Believe X-Forwarded-For of these networks and append to it; from all others it begins anew.
    #[arg(long, value_name = "CIDRS", value_delimiter = ',', help_heading = HEADERS)]
    pub trusted_forwarders: Vec<String>,

    /// Say one line per decision, without tokens.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = switch, action = ArgAction::Set, hide_default_value = true)]
    pub audit_log: bool,
    /// How much to log: 0 to 3 info, 4 and 5 debug, 6 and more everything. Tokens are masked at every level.
    #[arg(short = 'v', long = "v", value_name = "LEVEL", default_value_t = 0)]
    pub verbosity: u32,

    #[command(flatten)]
    #[doc(hidden)]
    pub ignored: IgnoredArguments,
    #[arg(hide = true, value_name = "NOTHING")]
    #[doc(hidden)]
    pub positional: Vec<String>,
}

/// Flags of klog that the reference takes and does nothing with.
#[derive(Args, Clone, Debug, Default)]
pub struct IgnoredArguments {
    #[arg(long, hide = true)]
    pub(super) vmodule: Option<String>,
    #[arg(long, hide = true, value_parser = duration)]
    pub(super) log_flush_frequency: Option<Duration>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch)]
    pub(super) logtostderr: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch)]
    pub(super) alsologtostderr: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch)]
    pub(super) add_dir_header: Option<bool>,
    #[arg(long, hide = true)]
    pub(super) log_backtrace_at: Option<String>,
    #[arg(long, hide = true)]
    pub(super) log_dir: Option<String>,
    #[arg(long, hide = true)]
    pub(super) log_file: Option<String>,
    #[arg(long, hide = true)]
    pub(super) log_file_max_size: Option<u64>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch)]
    pub(super) one_output: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch)]
    pub(super) skip_headers: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch)]
    pub(super) skip_log_headers: Option<bool>,
    #[arg(long, hide = true)]
    pub(super) stderrthreshold: Option<String>,
}

impl IgnoredArguments {
    /// The names of those that were given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        // Exhaustive, so that a new one cannot be forgotten here.
        let Self {
            vmodule,
            log_flush_frequency,
            logtostderr,
            alsologtostderr,
            add_dir_header,
            log_backtrace_at,
            log_dir,
            log_file,
            log_file_max_size,
            one_output,
            skip_headers,
            skip_log_headers,
            stderrthreshold,
        } = self;
        [
            ("vmodule", vmodule.is_some()),
            ("log-flush-frequency", log_flush_frequency.is_some()),
            ("logtostderr", logtostderr.is_some()),
            ("alsologtostderr", alsologtostderr.is_some()),
            ("add-dir-header", add_dir_header.is_some()),
            ("log-backtrace-at", log_backtrace_at.is_some()),
            ("log-dir", log_dir.is_some()),
            ("log-file", log_file.is_some()),
            ("log-file-max-size", log_file_max_size.is_some()),
            ("one-output", one_output.is_some()),
            ("skip-headers", skip_headers.is_some()),
            ("skip-log-headers", skip_log_headers.is_some()),
            ("stderrthreshold", stderrthreshold.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}

/// What a final `/*` means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wildcard {
    /// One segment.
    #[default]
    Segment,
    /// Everything below.
    Below,
}

impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Segment => "segment",
            Self::Below => "below",
        })
    }
}

fn below(text: &str) -> Result<Wildcard, String> {
    match text {
        "segment" => Ok(Wildcard::Segment),
        "below" => Ok(Wildcard::Below),
        _ => Err("expected segment or below".to_owned()),
    }
}

/// What a refusal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForbiddenBody {
    /// Who asked for what, in the reference's words.
    Detailed,
    /// Nothing.
    Brief,
}

impl fmt::Display for ForbiddenBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Detailed => "detailed",
            Self::Brief => "brief",
        })
    }
}

fn forbidden_body(text: &str) -> Result<ForbiddenBody, String> {
    match text {
        "detailed" => Ok(ForbiddenBody::Detailed),
        "brief" => Ok(ForbiddenBody::Brief),
        _ => Err("expected detailed or brief".to_owned()),
    }
}

fn verb_mapping(text: &str) -> Result<VerbMapping, String> {
    match text {
        "krp" => Ok(VerbMapping::Krp),
        "http" => Ok(VerbMapping::Http),
        _ => Err("expected krp or http".to_owned()),
    }
}
