//! Objects for tests: a small one that is right, and what a case changes of it.

use std::sync::LazyLock;

use parapet_api::validate::{Rules, Schemas};
use parapet_api::{ApmServer, Elasticsearch, Kibana};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Made once: without optimisation it takes half a second.
static SCHEMAS: LazyLock<Schemas> = LazyLock::new(Schemas::default);

/// Rules with nothing switched on.
pub(crate) fn rules() -> Rules {
    Rules { exposed_node_labels: Vec::new(), ubi_only: false, enterprise: false, schemas: SCHEMAS.clone() }
}

/// An Elasticsearch that nothing is wrong with, merged with `patch` (RFC 7386).
pub(crate) fn elasticsearch(patch: Value) -> Elasticsearch {
    merged(
        json!({
            "metadata": { "name": "shop", "namespace": "default" },
            "spec": { "version": "8.15.3", "nodeSets": [{ "name": "default", "count": 3 }] },
        }),
        patch,
    )
}

/// A Kibana that nothing is wrong with.
pub(crate) fn kibana(patch: Value) -> Kibana {
    merged(
        json!({
            "metadata": { "name": "shop", "namespace": "default" },
            "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": "shop" } },
        }),
        patch,
    )
}

/// An APM Server that nothing is wrong with.
pub(crate) fn apm_server(patch: Value) -> ApmServer {
    merged(
        json!({
            "metadata": { "name": "shop", "namespace": "default" },
            "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": "shop" } },
        }),
        patch,
    )
}

fn merged<T: DeserializeOwned>(mut object: Value, patch: Value) -> T {
    merge(&mut object, patch);
    serde_json::from_value(object).unwrap()
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}
