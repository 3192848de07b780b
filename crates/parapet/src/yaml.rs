//! YAML files that people write, read so that an error names the file, the line and the key.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::de::DeserializeOwned;

/// Reads and parses the file at `path`; `what` says what it is for.
pub(crate) fn read<T: DeserializeOwned + Default>(path: &Path, what: &str) -> anyhow::Result<T> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("can't read the {what} {}", path.display()))?;
    parse(&text, path)
}

/// Parses `text`; an error names `path`, the line and the key. Nothing but comments is the default.
pub(crate) fn parse<T: DeserializeOwned + Default>(text: &str, path: &Path) -> anyhow::Result<T> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(T::default());
    }
    // Twice on purpose: the first pass knows the line, the second the key that the value belongs to.
    serde_saphyr::from_str::<T>(text).map_err(|error| {
        let line = error.location().map_or(String::new(), |at| format!(":{}:{}", at.line(), at.column()));
        let key = key_of::<T>(text).map_or(String::new(), |key| format!(" {key}:"));
        anyhow!("{}{line}:{key} {}", path.display(), error.without_snippet())
    })
}

/// The path of the key at which parsing fails, if it gets that far.
fn key_of<T: DeserializeOwned>(text: &str) -> Option<String> {
    let mut key = None;
    // Its own result says less than the first pass's error does; only the path is wanted.
    let _ = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize::<_, T>(deserializer).map(drop).map_err(|error| {
            key = Some(error.path().to_string());
            error.into_inner()
        })
    });
    key.filter(|path| path != ".")
}
