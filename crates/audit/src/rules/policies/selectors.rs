//! Selectors that match nobody, or that no API server takes: OBS-NP-05 to 09.

use parapet_manifest::{Document, Node};
use serde_json::json;

use super::{Matches, each_rule, peers};
use crate::finding::Findings;
use crate::world::{Direction, Policy, PolicyRule, Workload, World, selector_matches};

pub(super) fn selects_nothing<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.policies.iter().filter(|policy| policy.selects.is_empty() && !policy.selects_all()) {
        found.add(
            policy.document,
            "/spec/podSelector",
            format!(
                "the policy {} selects none of the pods of {}: it protects nothing",
                policy.document.name, policy.namespace
            ),
        );
    }
}

pub(super) fn peer_matches_nothing<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        for (pointer, peer) in rule.peers() {
            let Matches::Workloads(matched) = peers(world, policy.namespace, peer) else { continue };
            if matched.is_empty() && elsewhere(world, policy, peer).is_none() {
                let message = format!(
                    "{} rule {} admits nobody: no pod has these labels",
                    rule.direction.field(),
                    rule.number
                );
                found.add(policy.document, pointer, message);
            }
        }
    }
}

/// The namespace of pods that a podSelector-only peer names but doesn't reach.
pub(super) fn elsewhere<'w>(
    world: &'w World<'w>,
    policy: &Policy<'_>,
    peer: &Node,
) -> Option<&'w Workload<'w>> {
    let selector = peer.get("podSelector").filter(|selector| !selector.is_null())?;
    if peer.get("namespaceSelector").is_some_and(|selector| !selector.is_null()) {
        return None;
    }
    let matches = |workload: &&Workload<'_>| {
        selector_matches(selector, |key| workload.labels.get(key).map(String::as_str))
    };
    let mut own = world.workloads.iter().filter(|workload| workload.namespace == policy.namespace);
    if own.any(|workload| matches(&workload)) {
        return None;
    }
    world.workloads.iter().find(matches)
}

/// Why a label's value can't be one.
pub(super) fn label_fault(value: &str) -> Option<&'static str> {
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    if value.is_empty() {
        None
    } else if value.contains("{{") || value.contains('<') || value.contains("RELEASE-NAME") {
        Some("is what a template leaves behind")
    } else if value.len() > 63 {
        Some("has more than 63 characters")
    } else if !edge(value.chars().next()) || !edge(value.chars().last()) {
        Some("doesn't begin and end with a letter or digit")
    } else if !value.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character)) {
        Some("has characters that labels can't have")
    } else {
        None
    }
}

/// Every label value of every selector below `node`.
pub(super) fn selector_values<'n>(
    node: &'n Node,
    pointer: &str,
    values: &mut Vec<(String, &'n str, &'n str)>,
) {
    for entry in node.get("matchLabels").map_or(&[] as &[_], Node::entries) {
        let at = format!("{pointer}/matchLabels/{}", parapet_manifest::escape_pointer(&entry.key.name));
        values.push((at, &*entry.key.name, entry.value.as_str().unwrap_or("")));
    }
    for (index, expression) in
        node.get("matchExpressions").map_or(&[] as &[Node], Node::items).iter().enumerate()
    {
        let key = expression.get("key").and_then(Node::as_str).unwrap_or("");
        for (value, node) in expression.get("values").map_or(&[] as &[Node], Node::items).iter().enumerate() {
            let at = format!("{pointer}/matchExpressions/{index}/values/{value}");
            values.push((at, key, node.as_str().unwrap_or("")));
        }
    }
}

pub(super) fn invalid_selector<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in &world.policies {
        let mut values = Vec::new();
        if let Some(selector) = policy.document.at("/spec/podSelector") {
            selector_values(selector, "/spec/podSelector", &mut values);
        }
        for direction in Direction::BOTH {
            for (pointer, peer) in policy.rules(direction).iter().flat_map(PolicyRule::peers) {
                for field in ["podSelector", "namespaceSelector"] {
                    if let Some(selector) = peer.get(field) {
                        selector_values(selector, &format!("{pointer}/{field}"), &mut values);
                    }
                }
            }
        }
        for (pointer, key, value) in values {
            if let Some(fault) = label_fault(value) {
                let draft = found.add(
                    policy.document,
                    pointer,
                    format!(
                        "the API server rejects the policy {}: the value {value:?} of {key} {fault}",
                        policy.document.name
                    ),
                );
                if let Some(meant) = meant(world, key, value) {
                    draft.becomes(json!(meant));
                }
            }
        }
    }
}

/// The one value of a label that a template's missing prefix would have made of this one.
fn meant<'w>(world: &'w World<'w>, key: &str, value: &str) -> Option<&'w str> {
    let rest = value.rsplit(['}', '>']).next().unwrap_or(value);
    let rest = rest.strip_prefix("RELEASE-NAME").unwrap_or(rest).trim_start_matches(['-', '_', '.']);
    let values = world.workloads.iter().filter_map(|workload| workload.labels.get(key));
    let mut meant: Vec<&str> =
        values.map(String::as_str).filter(|whole| !rest.is_empty() && whole.ends_with(rest)).collect();
    meant.sort_unstable();
    meant.dedup();
    match meant.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

pub(super) fn no_namespace<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for policy in world.policies.iter().filter(|policy| policy.document.namespace.is_none()) {
        let Some(other) = where_it_belongs(world, policy.document) else { continue };
        let message =
            format!("the policy {} names no namespace; other objects are in {other}", policy.document.name);
        found.add(policy.document, "/metadata", message).set("/metadata/namespace", json!(other));
    }
}

/// The namespace of the pods that a policy would select; else one that its file names, else any.
fn where_it_belongs<'w>(world: &'w World<'w>, policy: &'w Document) -> Option<&'w str> {
    let selector = policy.at("/spec/podSelector").filter(|selector| !selector.entries().is_empty());
    let mut places: Vec<&str> = world
        .workloads
        .iter()
        .filter(|workload| {
            let label = |key: &str| workload.labels.get(key).map(String::as_str);
            selector.is_some_and(|selector| selector_matches(selector, label))
        })
        .map(|workload| workload.namespace)
        .collect();
    places.sort_unstable();
    places.dedup();
    let named = |same_file: bool| {
        let mut near = world.documents.iter().filter(|one| !same_file || one.file == policy.file);
        near.find_map(|document| document.namespace.as_deref())
    };
    match places.as_slice() {
        [one] => Some(one),
        _ => named(true).or_else(|| named(false)),
    }
}

pub(super) fn other_namespace<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (policy, rule) in each_rule(world) {
        for (pointer, peer) in rule.peers() {
            let Some(workload) = elsewhere(world, policy, peer) else { continue };
            let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": workload.namespace}});
            found
                .add(
                    policy.document,
                    pointer.clone(),
                    format!(
                        "{} rule {} names pods that live in {}, not in {}: the flow is blocked",
                        rule.direction.field(),
                        rule.number,
                        workload.namespace,
                        policy.namespace
                    ),
                )
                .related(workload.document, "/metadata/name", "the pods with these labels")
                .set(format!("{pointer}/namespaceSelector"), selector);
        }
    }
}
