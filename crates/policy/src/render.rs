//! Policies as documents: JSON values, which YAML can hold too.

mod admin;
mod istio;
mod network_policy;

pub use admin::cluster_network_policies;
pub(crate) use istio::MOST_PORTS;
pub use istio::authorization_policies;
pub use network_policy::network_policies;

use std::collections::{BTreeMap, BTreeSet};

use parapet_reach::model::{Operator, Selector};
use serde_json::{Map, Value, json};

use crate::flows::Flow;

/// Which flows a generated object is for, one line each.
pub const FLOWS_ANNOTATION: &str = "parapet.dev/flows";
/// Marks what was generated, so that it can be found and replaced.
pub const GENERATED_LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "parapet");

fn metadata(name: &str, namespace: Option<&str>, flows: &[Flow], of: Option<&BTreeSet<usize>>) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".into(), name.into());
    if let Some(namespace) = namespace {
        metadata.insert("namespace".into(), namespace.into());
    }
    metadata.insert("labels".into(), json!({ GENERATED_LABEL.0: GENERATED_LABEL.1 }));
    let lines: BTreeSet<String> =
        of.into_iter().flatten().filter_map(|flow| flows.get(*flow)).map(line).collect();
    if !lines.is_empty() {
        let lines: Vec<String> = lines.into_iter().collect();
        metadata.insert("annotations".into(), json!({ FLOWS_ANNOTATION: lines.join("\n") }));
    }
    Value::Object(metadata)
}

fn line(flow: &Flow) -> String {
    let Flow { from, to, reason, .. } = flow;
    // The flow that stands for name resolution is everybody's.
    let ends = match (from, to) {
        (crate::flows::Party::World, crate::flows::Party::Dns) => "to dns".to_owned(),
        _ => format!("{from} to {to}"),
    };
    if reason.is_empty() { ends } else { format!("{ends}: {reason}") }
}

/// As Kubernetes writes a selector: `matchLabels` where one value is asked for, `matchExpressions` for the rest.
fn selector(selector: &Selector) -> Value {
    let mut labels = BTreeMap::new();
    let mut expressions = Vec::new();
    for requirement in &selector.requirements {
        let key = &requirement.key;
        match &requirement.operator {
            Operator::In(values) if values.len() == 1 && !labels.contains_key(key) => {
                labels.insert(key.clone(), values[0].clone());
            }
            Operator::In(values) => expressions.push(json!({"key": key, "operator": "In", "values": values})),
            Operator::NotIn(values) => {
                expressions.push(json!({"key": key, "operator": "NotIn", "values": values}));
            }
            Operator::Exists => expressions.push(json!({"key": key, "operator": "Exists"})),
            Operator::DoesNotExist => expressions.push(json!({"key": key, "operator": "DoesNotExist"})),
        }
    }
    let mut object = Map::new();
    if !labels.is_empty() {
        object.insert("matchLabels".into(), json!(labels));
    }
    if !expressions.is_empty() {
        object.insert("matchExpressions".into(), Value::Array(expressions));
    }
    Value::Object(object)
}
