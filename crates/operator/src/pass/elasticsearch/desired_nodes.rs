//! Tells Elasticsearch which nodes there will be and what they have, once for each change of that.

use std::collections::BTreeMap;

use kube::Resource as _;
use parapet_api::{Application as _, Elasticsearch, StackVersion, annotations, labels};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::nodes::Existing;
use super::observe::Known;
use crate::cluster::Custom;
use crate::pass::{Context, PassError};

/// The hint that says what Elasticsearch was told last.
const HINT: &str = "desired_nodes";

/// What the status says of it: whether Elasticsearch knows, and why not.
pub(super) type Aware = Result<(), String>;

/// Since when all versions take what is said.
pub(super) fn is_possible(version: &StackVersion) -> bool {
    version.at_least(8, 3, 0)
}

/// `nodes`: what there will be, or why that isn't known; then Elasticsearch forgets what it was told.
///
/// # Errors
/// Elasticsearch doesn't take it. The next pass tries again.
pub(super) async fn reconcile(
    cx: &Context,
    es: &Elasticsearch,
    nodes: Result<Vec<Value>, String>,
    existing: &Existing,
    known: &Known,
) -> Result<Aware, PassError> {
    let mut hints = hints(cx, es);
    let told = hints.get(HINT).cloned();
    let hash = nodes.as_ref().ok().map(|nodes| hash(nodes));
    let is_told = match (&told, &hash) {
        (Some(told), Some(hash)) => told["hash"] == *hash,
        (None, None) => true,
        _ => false,
    };
    if is_told {
        return Ok(nodes.map(drop));
    }
    let all_take_it = existing.pods.iter().all(|pod| {
        let label = pod.metadata.labels.as_ref().and_then(|all| all.get(labels::ELASTICSEARCH_VERSION));
        label.and_then(|label| label.parse().ok()).is_some_and(|version| is_possible(&version))
    });
    let client = known.client_if_reachable().filter(|_| all_take_it);
    let Some(client) = client else {
        return Ok(nodes.and(Err("Elasticsearch can't be told the resources of its nodes yet".to_owned())));
    };
    let history = es.metadata.uid.as_deref().unwrap_or_default();
    match (&nodes, &hash) {
        (Ok(nodes), Some(hash)) => {
            // Versions only grow: an operator that died may have told more than it wrote down.
            let latest = client.desired_nodes().await?.filter(|latest| latest["history_id"] == *history);
            let version = |of: Option<&Value>| of.and_then(|of| of["version"].as_i64()).unwrap_or_default();
            let version = version(latest.as_ref()).max(version(told.as_ref())) + 1;
            client.put_desired_nodes(history, version, &json!(nodes)).await?;
            hints.insert(HINT.to_owned(), json!({ "version": version, "hash": hash }));
        }
        _ => {
            client.delete_desired_nodes().await?;
            hints.remove(HINT);
        }
    }
    let hints = BTreeMap::from([(
        annotations::ORCHESTRATION_HINTS.to_owned(),
        Some(Value::Object(hints).to_string()),
    )]);
    cx.cluster.annotate::<Elasticsearch>(es.meta(), &hints).await?;
    Ok(nodes.map(drop))
}

/// As they are after what this pass wrote of them.
fn hints(cx: &Context, es: &Elasticsearch) -> Map<String, Value> {
    let now = cx.cluster.application::<Elasticsearch>(es.object_namespace(), es.object_name());
    let now = match now.as_deref() {
        Some(Custom::Valid(now)) => now.annotation(annotations::ORCHESTRATION_HINTS),
        _ => es.annotation(annotations::ORCHESTRATION_HINTS),
    };
    now.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn hash(nodes: &[Value]) -> String {
    hex::encode(&Sha256::digest(json!(nodes).to_string())[..8])
}
