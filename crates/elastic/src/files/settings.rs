//! Settings that Elasticsearch watches: `<X>-es-file-settings`.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, Kind, StackVersion, annotations, labels, names};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{data, owned_meta};

/// The file, and its key in the Secret.
const FILE: &str = "settings.json";

/// The settings of a cluster: none, as no policies are looked after here. Nothing for versions before 8.6.1, which don't watch
/// such a file.
///
/// Elasticsearch reads a file with a new version again and takes away what it doesn't name any more, so what a policy set
/// stays as it is ([`has_settings_of_a_policy`]), and `now` becomes a version only if there is no file yet.
pub fn file_settings(
    es: &Elasticsearch,
    version: &StackVersion,
    live: Option<&Secret>,
    now: Timestamp,
) -> Option<Secret> {
    if !version.at_least(8, 6, 1) {
        return None;
    }
    let mut metadata =
        owned_meta(es, names::generated(Kind::Elasticsearch, es.object_name(), &["file-settings"]));
    if let Some(live) = live.filter(|live| has_settings_of_a_policy(live)) {
        // Beside the file there may be others that it refers to.
        return Some(Secret { data: live.data.clone(), ..data::secret::<Vec<u8>>(metadata, []) });
    }
    metadata.labels.get_or_insert_default().insert(labels::ON_DELETE.to_owned(), "reset".to_owned());
    let (text, hash) = live.and_then(kept).unwrap_or_else(|| made(now));
    metadata.annotations.get_or_insert_default().insert(annotations::SETTINGS_HASH.to_owned(), hash);
    Some(data::secret(metadata, [(FILE.to_owned(), text)]))
}

/// Whether the file sets anything, or can't be read: only another operator writes such.
pub fn has_settings_of_a_policy(live: &Secret) -> bool {
    let Some(bytes) = live.data.as_ref().and_then(|data| data.get(FILE)) else { return false };
    let file: Option<Value> = serde_json::from_slice(&bytes.0).ok();
    file.as_ref().and_then(|file| file.get("state")).is_none_or(|state| !sets_nothing(state))
}

/// Sections of settings without any; which there are depends on the release. Templates of indices have two of their own.
fn sets_nothing(state: &Value) -> bool {
    let is_empty = |section: &Value| section.as_object().is_some_and(Map::is_empty);
    state.as_object().is_some_and(|sections| {
        sections.iter().all(|(name, section)| match (name.as_str(), section) {
            ("index_templates", Value::Object(parts)) => parts.values().all(is_empty),
            _ => is_empty(section),
        })
    })
}

/// File and hash of `live`, whose settings are none: the hash may be of another making.
fn kept(live: &Secret) -> Option<(String, String)> {
    let text = data::text(live, FILE)?;
    let hash = live.metadata.annotations.as_ref()?.get(annotations::SETTINGS_HASH)?;
    (!hash.is_empty()).then(|| (text, hash.clone()))
}

fn made(now: Timestamp) -> (String, String) {
    let state = json!({
        "cluster_settings": {},
        "snapshot_repositories": {},
        "slm": {},
        "role_mappings": {},
        "ilm": {},
        "ingest_pipelines": {},
        "index_templates": { "component_templates": {}, "composable_index_templates": {} },
    });
    let digest = Sha256::digest(state.to_string());
    let hash = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let metadata = json!({ "version": now.as_nanosecond().to_string(), "compatibility": "8.6.1" });
    (json!({ "metadata": metadata, "state": state }).to_string(), hash)
}
