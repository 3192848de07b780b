//! Roles of nodes: there must be a master, and roles must be written in one way.

use serde_json::Value;

use crate::settings::Settings;
use crate::{Application as _, Elasticsearch, FieldError, NodeSet, StackVersion};

/// The version that `node.roles` came with.
const ROLES_SINCE: (u64, u64, u64) = (7, 9, 0);
/// The settings of roles before there was a list.
const FLAGS: [&str; 8] = [
    "node.master",
    "node.data",
    "node.ingest",
    "node.ml",
    "node.transform",
    "node.voting_only",
    "node.remote_cluster_client",
    "node.data_content",
];

/// What is wrong with the roles.
pub(super) fn check(es: &Elasticsearch) -> Vec<FieldError> {
    let version: Option<StackVersion> = es.version().parse().ok();
    let mut found = Vec::new();
    let mut masters = false;
    for (index, node_set) in es.spec.node_sets.iter().enumerate() {
        match is_master(node_set, version.as_ref(), &format!("spec.nodeSets[{index}].config")) {
            Ok(master) => masters |= master && node_set.count > 0,
            Err(error) => found.push(error),
        }
    }
    // Whoever can't write roles hears of that first.
    if found.is_empty() && !masters {
        let reason = "no group with at least one node is master-eligible; one must be, and not voting-only";
        found.push(FieldError::invalid("spec.nodeSets", "", reason));
    }
    found
}

/// Whether nodes of a group may become master, and hold data as one.
fn is_master(node_set: &NodeSet, version: Option<&StackVersion>, path: &str) -> Result<bool, FieldError> {
    let settings = Settings::read(node_set.config.as_ref())
        .map_err(|error| FieldError::invalid(path, error.path.clone(), error.to_string()))?;
    let Some(roles) = settings.get("node.roles").filter(|roles| !roles.is_null()) else {
        return Ok(settings.flag("node.master").unwrap_or(true)
            && !settings.flag("node.voting_only").unwrap_or(false));
    };
    let path = format!("{path}.node.roles");
    if version.is_some_and(|version| !version.at_least(ROLES_SINCE.0, ROLES_SINCE.1, ROLES_SINCE.2)) {
        return Err(FieldError::invalid(path, roles.clone(), "needs version 7.9.0 or later"));
    }
    if let Some(flag) = FLAGS.iter().find(|flag| settings.has(flag)) {
        return Err(FieldError::invalid(path, roles.clone(), format!("can't be used together with {flag}")));
    }
    let Some(roles) = role_names(roles) else {
        return Err(FieldError::invalid(path, roles.clone(), "must be a list of names"));
    };
    Ok(roles.contains(&"master") && !roles.contains(&"voting_only"))
}

/// A list, or a text with commas, which Elasticsearch takes for one.
fn role_names(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::Array(roles) => roles.iter().map(Value::as_str).collect(),
        Value::String(text) => Some(text.split(',').map(str::trim).collect()),
        _ => None,
    }
}
