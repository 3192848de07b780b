//! Spreading nodes over zones.

use k8s_openapi::api::core::v1::{
    Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, PodAntiAffinity,
    TopologySpreadConstraint, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use parapet_api::{Elasticsearch, NodeSet, ZoneAwareness, labels};

/// The label that names the zone, if a node set doesn't say another.
const TOPOLOGY_KEY: &str = "topology.kubernetes.io/zone";
/// The label that names the Kubernetes node.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// The label that a node set's zones are named by.
pub fn topology_key(zones: &ZoneAwareness) -> &str {
    zones.topology_key.as_deref().filter(|key| !key.is_empty()).unwrap_or(TOPOLOGY_KEY)
}

/// The label that the cluster's zones are named by, if any of its node sets is spread over zones: then all its nodes say
/// in which zone they are. A node set's own key goes before that of others.
pub fn zone_awareness<'a>(es: &'a Elasticsearch, node_set: &'a NodeSet) -> Option<&'a str> {
    let own = node_set.zone_awareness.as_ref();
    own.or_else(|| es.spec.node_sets.iter().find_map(|other| other.zone_awareness.as_ref())).map(topology_key)
}

/// As even as can be over the zones of the node set's own label.
pub(super) fn spread(
    node_set: &NodeSet,
    cluster: &str,
    stateful_set: &str,
) -> Option<TopologySpreadConstraint> {
    let zones = node_set.zone_awareness.as_ref()?;
    Some(TopologySpreadConstraint {
        label_selector: Some(LabelSelector {
            match_labels: Some(super::texts([
                (labels::CLUSTER_NAME, cluster),
                (labels::STATEFULSET_NAME, stateful_set),
            ])),
            match_expressions: None,
        }),
        max_skew: 1,
        topology_key: topology_key(zones).to_owned(),
        when_unsatisfiable: "DoNotSchedule".to_owned(),
        ..TopologySpreadConstraint::default()
    })
}

/// Rather not two nodes of a cluster on one machine.
pub(super) fn apart(cluster: &str) -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: PodAffinityTerm {
                    label_selector: Some(LabelSelector {
                        match_labels: Some(super::texts([(labels::CLUSTER_NAME, cluster)])),
                        match_expressions: None,
                    }),
                    topology_key: HOSTNAME.to_owned(),
                    ..PodAffinityTerm::default()
                },
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// Only machines that have the label, or those of the named zones: added to each alternative that the user allows.
pub(super) fn require(affinity: &mut Affinity, key: &str, zones: Option<&[String]>) {
    let requirement = match zones.filter(|zones| !zones.is_empty()) {
        Some(zones) => NodeSelectorRequirement {
            key: key.to_owned(),
            operator: "In".to_owned(),
            values: Some(zones.to_vec()),
        },
        None => NodeSelectorRequirement { key: key.to_owned(), operator: "Exists".to_owned(), values: None },
    };
    let terms = &mut affinity
        .node_affinity
        .get_or_insert_default()
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_with(|| NodeSelector { node_selector_terms: Vec::new() })
        .node_selector_terms;
    if terms.is_empty() {
        terms.push(NodeSelectorTerm::default());
    }
    for term in terms {
        let expressions = term.match_expressions.get_or_insert_default();
        if !expressions.contains(&requirement) {
            expressions.push(requirement.clone());
        }
    }
}
