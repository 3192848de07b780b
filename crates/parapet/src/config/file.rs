//! The configuration file as the user writes it: YAML, camelCase keys, unknown ones refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

/// The whole file; every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) data: Option<PathBuf>,
    pub(crate) demo: Option<bool>,
    pub(crate) listen: Listen,
    pub(crate) collect: Collect,
    pub(crate) store: Store,
    pub(crate) log: Log,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Listen {
    pub(crate) console: Option<SocketAddr>,
    pub(crate) otlp_grpc: Option<SocketAddr>,
    pub(crate) otlp_http: Option<SocketAddr>,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) allow_remote: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Collect {
    pub(crate) pod_logs: Option<bool>,
    pub(crate) logs: Option<Vec<String>>,
    pub(crate) open_traffic: Option<Vec<String>>,
    pub(crate) gateway_name: Option<String>,
    pub(crate) gateway_region: Option<String>,
    pub(crate) multiline_first_line: Option<String>,
    pub(crate) host: Option<bool>,
    #[serde(rename = "self")]
    pub(crate) own: Option<bool>,
    pub(crate) measure_every: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Store {
    pub(crate) retention: BTreeMap<String, Span>,
    pub(crate) flush_age: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) level: Option<String>,
}

/// A duration with its unit: `90s`, `5m`, `12h`, `30days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map(Self)
            .map_err(|error| serde::de::Error::custom(format!("expected a duration such as 5m, got {text:?}: {error}")))
    }
}

impl File {
    /// Reads and parses the file at `path`.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("can't read the configuration {}", path.display()))?;
        Self::parse(&text, path)
    }

    /// Parses `text`; an error names `path`, the line and the key.
    pub(crate) fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        // Twice on purpose: the first pass knows the line, the second the key that the value belongs to.
        serde_saphyr::from_str::<Self>(text).map_err(|error| {
            let line = error.location().map_or(String::new(), |at| format!(":{}:{}", at.line(), at.column()));
            let key = key_of(text).map_or(String::new(), |key| format!(" {key}:"));
            anyhow!("{}{line}:{key} {}", path.display(), error.without_snippet())
        })
    }
}

/// The path of the key at which parsing fails, if it gets that far.
fn key_of(text: &str) -> Option<String> {
    let mut key = None;
    // Its own result says less than the first pass's error does; only the path is wanted.
    let _ = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize::<_, File>(deserializer).map(drop).map_err(|error| {
            key = Some(error.path().to_string());
            error.into_inner()
        })
    });
    key.filter(|path| path != ".")
}
