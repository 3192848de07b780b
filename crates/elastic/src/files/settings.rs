//! Settings that Elasticsearch watches: `<X>-es-file-settings`.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, Kind, StackVersion, names};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{data, owned_meta};

/// The file, and its key in the Secret.
const FILE: &str = "settings.json";
/// Which settings the file holds.
const HASH: &str = "policy.k8s.elastic.co/settings-hash";

/// The settings of a cluster that no policy applies to: none. Nothing for versions before 8.6.1, which don't watch such a file.
///
/// Elasticsearch reads a file with a new version again, so `now` becomes one only if the settings aren't those of `live`.
pub fn file_settings(
    es: &Elasticsearch,
    version: &StackVersion,
    live: Option<&Secret>,
    now: Timestamp,
) -> Option<Secret> {
    if !version.at_least(8, 6, 1) {
        return None;
    }
    let state = empty_state();
    let mut metadata =
        owned_meta(es, names::generated(Kind::Elasticsearch, es.object_name(), &["file-settings"]));
    metadata
        .labels
        .get_or_insert_default()
        .insert("asset.policy.k8s.elastic.co/on-delete".to_owned(), "reset".to_owned());
    let (text, hash) = live.and_then(|live| kept(live, &state)).unwrap_or_else(|| made(&state, now));
    metadata.annotations.get_or_insert_default().insert(HASH.to_owned(), hash);
    Some(data::secret(metadata, [(FILE.to_owned(), text)]))
}

fn empty_state() -> Value {
    json!({
        "cluster_settings": {},
        "snapshot_repositories": {},
        "slm": {},
        "role_mappings": {},
        "ilm": {},
        "ingest_pipelines": {},
        "index_templates": { "component_templates": {}, "composable_index_templates": {} },
    })
}

/// File and hash of `live`, if it holds these settings: the hash may be of another making.
fn kept(live: &Secret, state: &Value) -> Option<(String, String)> {
    let text = data::text(live, FILE)?;
    let file: Value = serde_json::from_str(&text).ok()?;
    let hash = live.metadata.annotations.as_ref()?.get(HASH).filter(|hash| !hash.is_empty())?;
    (file.get("state") == Some(state)).then(|| (text, hash.clone()))
}

fn made(state: &Value, now: Timestamp) -> (String, String) {
    let digest = Sha256::digest(state.to_string());
    let hash = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let metadata = json!({ "version": now.as_nanosecond().to_string(), "compatibility": "8.6.1" });
    (json!({ "metadata": metadata, "state": state }).to_string(), hash)
}
