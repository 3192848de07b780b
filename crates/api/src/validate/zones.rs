//! Zones: one label for the whole cluster, and none that the user's own affinity rules out.

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm};

use super::{Rules, is_exposed};
use crate::{Elasticsearch, FieldError, NodeSet};

/// The label of a node that names its zone, if a group doesn't say another.
pub(super) const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// What is wrong with the zones.
pub(super) fn check(es: &Elasticsearch, rules: &Rules) -> Vec<FieldError> {
    let mut found = Vec::new();
    let mut first: Option<&str> = None;
    for (index, node_set) in es.spec.node_sets.iter().enumerate() {
        let Some(key) = topology_key(node_set) else { continue };
        let path = format!("spec.nodeSets[{index}].zoneAwareness");
        let before = *first.get_or_insert(key);
        if before != key {
            let reason = format!("all groups of nodes must use one label; {before} is used above");
            found.push(FieldError::invalid(format!("{path}.topologyKey"), key, reason));
        }
        // Without any expression the list says nothing, and the operator may read what it likes.
        if !rules.exposed_node_labels.is_empty() && !is_exposed(key, rules) {
            let reason = "no expression of exposed-node-labels matches this label";
            found.push(FieldError::invalid(format!("{path}.topologyKey"), key, reason));
        }
        let zones =
            node_set.zone_awareness.as_ref().and_then(|zones| zones.zones.as_deref()).unwrap_or_default();
        let terms = required_terms(node_set);
        if !zones.is_empty() && !terms.is_empty() && terms.iter().all(|term| rules_out(term, key, zones)) {
            let reason = "the pod template's node affinity allows none of these zones";
            found.push(FieldError::invalid(format!("{path}.zones"), zones.to_vec(), reason));
        }
    }
    found
}

/// The label by which a group is spread, if it is.
pub(super) fn topology_key(node_set: &NodeSet) -> Option<&str> {
    let zones = node_set.zone_awareness.as_ref()?;
    Some(zones.topology_key.as_deref().filter(|key| !key.is_empty()).unwrap_or(ZONE_LABEL))
}

/// What a node must be like, by the user: any one of these.
pub(super) fn required_terms(node_set: &NodeSet) -> &[NodeSelectorTerm] {
    let spec = node_set.pod_template.spec.as_ref();
    let affinity =
        spec.and_then(|spec| spec.affinity.as_ref()).and_then(|affinity| affinity.node_affinity.as_ref());
    affinity
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref())
        .map(|selector| &*selector.node_selector_terms)
        .unwrap_or_default()
}

/// What a term asks of one label.
pub(super) fn about<'a>(
    term: &'a NodeSelectorTerm,
    key: &'a str,
) -> impl Iterator<Item = &'a NodeSelectorRequirement> {
    term.match_expressions.iter().flatten().filter(move |expression| expression.key == key)
}

fn rules_out(term: &NodeSelectorTerm, key: &str, zones: &[String]) -> bool {
    about(term, key).any(|expression| {
        expression.operator == "In"
            && !expression.values.iter().flatten().any(|allowed| zones.contains(allowed))
    })
}
