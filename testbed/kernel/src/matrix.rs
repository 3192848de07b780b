//! The matrix of cases that `reach` is tested with, as objects.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What the file holds, as far as it matters here: the engine's own test compares the tables.
#[derive(Deserialize)]
struct Matrix {
    ports: Vec<Port>,
    fixture: Fixture,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Port {
    port: u16,
    protocol: String,
}

#[derive(Deserialize)]
struct Fixture {
    namespaces: Map<String, Value>,
    pods: Vec<Pod>,
}

#[derive(Deserialize)]
struct Pod {
    namespace: String,
    name: String,
    labels: Value,
    ip: String,
}

#[derive(Deserialize)]
struct Case {
    generator: String,
    name: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    policies: Vec<Value>,
    namespaces: Option<Map<String, Value>>,
    pods: Option<Vec<Pod>>,
}

/// The objects of each step of each case, by name.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, Vec<Value>)>> {
    let text = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let Matrix { ports, fixture, cases } =
        serde_json::from_slice(&text).with_context(|| format!("{} is no matrix", path.display()))?;
    let ports: Vec<Value> = ports
        .iter()
        .map(|Port { port, protocol }| {
            let name = format!("serve-{port}-{}", protocol.to_lowercase());
            json!({"containerPort": port, "protocol": protocol, "name": name})
        })
        .collect();
    let mut read = Vec::new();
    for Case { generator, name, steps } in cases {
        for (number, Step { policies, namespaces, pods }) in steps.into_iter().enumerate() {
            let mut objects = policies;
            for (name, labels) in namespaces.as_ref().unwrap_or(&fixture.namespaces) {
                let metadata = json!({"name": name, "labels": labels});
                objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
            }
            for Pod { namespace, name, labels, ip } in pods.as_ref().unwrap_or(&fixture.pods) {
                objects.push(json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": name, "namespace": namespace, "labels": labels},
                    "spec": {"containers": [{"name": "all", "ports": ports}]},
                    "status": {"podIP": ip},
                }));
            }
            read.push((format!("matrix, {generator}: {name}, step {number}"), objects));
        }
    }
    Ok(read)
}
