//! The configuration file as the user writes it: YAML, camelCase keys, unknown ones refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parapet_secrets::SecretSource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// Configuration of `parapet up`. Every key is optional; a key is set here or by its flag, not by both.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct File {
    /// Folder of all data. Flag `--data`; default `$XDG_DATA_HOME/parapet` or `~/.local/share/parapet`.
    pub(crate) data: Option<PathBuf>,
    /// Whether to add a small live system to look at. Flag `--demo`; default false.
    pub(crate) demo: Option<bool>,
    /// Where it listens.
    pub(crate) listen: Listen,
    /// Who may come in.
    pub(crate) access: Access,
    /// What it observes.
    pub(crate) collect: Collect,
    /// Whose posture it shows.
    pub(crate) posture: Posture,
    /// How it keeps what it observed.
    pub(crate) store: Store,
    /// What it says of itself.
    pub(crate) log: Log,
    /// Where secrets come from; no secret is written into this file.
    pub(crate) secrets: parapet_secrets::Configuration,
}

/// Where it listens; TLS and authentication are always on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// Console and API. Flag `--console-listen`; default 127.0.0.1:8443.
    #[schemars(with = "Option<String>")]
    pub(crate) console: Option<SocketAddr>,
    /// OTLP over gRPC. Flag `--otlp-grpc-listen`; default 127.0.0.1:4317.
    #[schemars(with = "Option<String>")]
    pub(crate) otlp_grpc: Option<SocketAddr>,
    /// OTLP over HTTP. Flag `--otlp-http-listen`; default 127.0.0.1:4318.
    #[schemars(with = "Option<String>")]
    pub(crate) otlp_http: Option<SocketAddr>,
    /// Names and addresses in the certificate besides localhost. Flag `--tls-name`.
    pub(crate) names: Option<Vec<String>>,
    /// Accept addresses that other machines can reach. Flag `--allow-remote`; default false.
    pub(crate) allow_remote: Option<bool>,
    /// A certificate that somebody else issues, by reference. Default: one of Parapet's own authority.
    pub(crate) tls: Option<Tls>,
}

/// Who may come in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Access {
    /// The password of the user `admin`, by reference; a final line end is no part of it. Default: one that is made at the
    /// first start, and printed once.
    pub(crate) admin_password: Option<SecretSource>,
    /// How long a password that was replaced there still opens beside the new one. Default 1h, at most 7d.
    pub(crate) password_overlap: Option<Span>,
}

/// A certificate that somebody else issues. Certificate and key are keys of one secret, so that they change together.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tls {
    /// The certificate, then its intermediates, PEM.
    pub(crate) certificate: SecretSource,
    /// Its private key, PEM.
    pub(crate) private_key: SecretSource,
    /// The authorities that commands on this machine are to trust, PEM. Default: the certificates in `certificate`.
    #[serde(default)]
    pub(crate) authority: Option<SecretSource>,
}

/// What it observes besides what arrives by OTLP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Collect {
    /// Read /var/log/pods. Flag `--no-pod-logs`; default true.
    pub(crate) pod_logs: Option<bool>,
    /// More log files, as globs. Flag `--logs`.
    pub(crate) logs: Option<Vec<String>>,
    /// API-gateway open-traffic event logs, as globs. Flag `--open-traffic`.
    pub(crate) open_traffic: Option<Vec<String>>,
    /// Name of the gateway whose event logs are read. Default `API-Gateway`.
    pub(crate) gateway_name: Option<String>,
    /// Region of that gateway. Default none.
    pub(crate) gateway_region: Option<String>,
    /// Regular expression of a record's first line: lines that don't match are joined to the one before. Default off.
    pub(crate) multiline_first_line: Option<String>,
    /// Measure this host. Flag `--no-host`; default true.
    pub(crate) host: Option<bool>,
    /// Keep this process's own logs, traces and metrics. Flag `--no-self`; default true.
    #[serde(rename = "self")]
    pub(crate) own: Option<bool>,
    /// How often the host and the process are measured. Default 10s.
    pub(crate) measure_every: Option<Span>,
}

/// Whose posture it shows: who can reach whom, and what is wrong.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Posture {
    /// Manifests: files, or folders with all in them; read again when one changes. Flag `--manifests`.
    pub(crate) manifests: Option<Vec<PathBuf>>,
}

/// How it keeps what it observed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Store {
    /// Whole days that each table keeps its rows, by table: logs 30d, spans 14d, metrics 30d, traffic 30d, trafficHourly 400d.
    pub(crate) retention: BTreeMap<String, Span>,
    /// Rows in memory become files at this age (they are durable before). Default 5m.
    pub(crate) flush_age: Option<Span>,
}

/// What it says of itself on standard error.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Log {
    /// error, warn, info, debug, trace, or per target. Flag `--log-level`; default info.
    pub(crate) level: Option<String>,
}

/// A duration with its unit: `90s`, `5m`, `12h`, `30days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|error| {
            serde::de::Error::custom(format!("expected a duration such as 5m, got {text:?}: {error}"))
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "a duration with its unit, such as 90s, 5m, 12h, 30d" })
    }
}

impl File {
    /// Reads and parses the file at `path`.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        crate::yaml::read(path, "configuration")
    }
}
