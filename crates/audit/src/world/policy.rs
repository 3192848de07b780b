//! NetworkPolicies with what they select, for the rules about how policies are written.

use std::collections::BTreeMap;

use parapet_manifest::{Document, Node};

use super::{Workload, namespace_of};
use crate::options::Options;
use crate::reach::Protocol;

/// Into a pod, or out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The field of its rules.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The field of a rule's peers.
    pub(crate) fn peers(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// A NetworkPolicy.
pub(crate) struct Policy<'a> {
    pub document: &'a Document,
    pub namespace: &'a str,
    /// Numbers of the workloads that it selects.
    pub selects: Vec<usize>,
    pub ingress: bool,
    pub egress: bool,
}

/// A rule of a policy.
pub(crate) struct PolicyRule<'a> {
    pub pointer: String,
    pub node: &'a Node,
    pub direction: Direction,
    pub number: usize,
}

impl<'a> Policy<'a> {
    /// Whether the direction is among the effective policy types.
    pub(crate) fn has(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }

    /// The rules of a direction, effective or not.
    pub(crate) fn rules(&self, direction: Direction) -> Vec<PolicyRule<'a>> {
        let field = direction.field();
        let nodes = self.document.at(&format!("/spec/{field}")).map_or(&[] as &[Node], Node::items);
        nodes
            .iter()
            .enumerate()
            .map(|(index, node)| PolicyRule {
                pointer: format!("/spec/{field}/{index}"),
                node,
                direction,
                number: index + 1,
            })
            .collect()
    }

    /// Whether the policy selects all pods of its namespace.
    pub(crate) fn selects_all(&self) -> bool {
        self.document.at("/spec/podSelector").is_none_or(is_everything)
    }
}

impl<'a> PolicyRule<'a> {
    /// The peers with their pointers; none means anybody.
    pub(crate) fn peers(&self) -> Vec<(String, &'a Node)> {
        let field = self.direction.peers();
        let peers = self.node.get(field).map_or(&[] as &[Node], Node::items);
        peers
            .iter()
            .enumerate()
            .map(|(index, peer)| (format!("{}/{field}/{index}", self.pointer), peer))
            .collect()
    }

    /// The ports with their pointers; none means all.
    pub(crate) fn ports(&self) -> Vec<(String, &'a Node)> {
        let ports = self.node.get("ports").map_or(&[] as &[Node], Node::items);
        ports
            .iter()
            .enumerate()
            .map(|(index, port)| (format!("{}/ports/{index}", self.pointer), port))
            .collect()
    }

    /// Whether the rule lets a numbered port through, whoever the peer is. Names count as no match.
    pub(crate) fn covers(&self, protocol: Protocol, port: u16) -> bool {
        let ports = self.ports();
        ports.is_empty() || ports.iter().any(|(_, entry)| port_covers(entry, protocol, port))
    }

    /// No peers: anybody, inside of the cluster and outside.
    pub(crate) fn is_for_anybody(&self) -> bool {
        self.peers().is_empty()
    }
}

fn port_covers(entry: &Node, protocol: Protocol, port: u16) -> bool {
    if Protocol::parse(entry.get("protocol").and_then(Node::as_str).unwrap_or("TCP")) != protocol {
        return false;
    }
    let Some(first) = entry.get("port") else { return true };
    let Some(first) = first.as_i64() else { return false };
    let last = entry.get("endPort").and_then(Node::as_i64).unwrap_or(first);
    (first..=last).contains(&i64::from(port))
}

pub(super) fn all<'a>(
    documents: &'a [Document],
    workloads: &[Workload<'a>],
    options: &'a Options,
) -> Vec<Policy<'a>> {
    documents
        .iter()
        .filter(|document| &*document.kind == "NetworkPolicy" && document.group() != "crd.projectcalico.org")
        .filter(|document| !document.group().contains("calico") && !document.group().contains("cilium"))
        .map(|document| {
            let namespace = namespace_of(document, options);
            let selector = document.at("/spec/podSelector");
            let selects = workloads
                .iter()
                .filter(|workload| workload.namespace == namespace)
                .filter(|workload| selector.is_none_or(|selector| matches(selector, &workload.labels)))
                .map(|workload| workload.number)
                .collect();
            let types: Vec<&str> = document
                .at("/spec/policyTypes")
                .map_or(&[] as &[Node], Node::items)
                .iter()
                .filter_map(Node::as_str)
                .collect();
            let has_egress = document.at("/spec/egress").is_some_and(|rules| !rules.items().is_empty());
            let (ingress, egress) = if types.is_empty() {
                (true, has_egress)
            } else {
                (types.contains(&"Ingress"), types.contains(&"Egress"))
            };
            Policy { document, namespace, selects, ingress, egress }
        })
        .collect()
}

/// Whether a selector (not null) matches labels.
pub(crate) fn matches(selector: &Node, labels: &BTreeMap<String, String>) -> bool {
    selector_matches(selector, |key| labels.get(key).map(String::as_str))
}

/// Whether a selector matches what `label` gives for each key.
pub(crate) fn selector_matches<'l>(selector: &Node, label: impl Fn(&str) -> Option<&'l str>) -> bool {
    let equal = selector
        .get("matchLabels")
        .map_or(&[] as &[_], Node::entries)
        .iter()
        .all(|entry| entry.value.as_str().is_some_and(|wanted| label(&entry.key.name) == Some(wanted)));
    let expressions = selector.get("matchExpressions").map_or(&[] as &[Node], Node::items);
    equal
        && expressions.iter().all(|expression| {
            let Some(key) = expression.get("key").and_then(Node::as_str) else { return false };
            let values: Vec<&str> = expression
                .get("values")
                .map_or(&[] as &[Node], Node::items)
                .iter()
                .filter_map(Node::as_str)
                .collect();
            match expression.get("operator").and_then(Node::as_str) {
                Some("In") => label(key).is_some_and(|value| values.contains(&value)),
                Some("NotIn") => label(key).is_none_or(|value| !values.contains(&value)),
                Some("Exists") => label(key).is_some(),
                Some("DoesNotExist") => label(key).is_none(),
                _ => false,
            }
        })
}

/// An empty selector matches everything.
pub(crate) fn is_everything(selector: &Node) -> bool {
    let empty = |field: &str| {
        selector.get(field).is_none_or(|node| node.entries().is_empty() && node.items().is_empty())
    };
    empty("matchLabels") && empty("matchExpressions")
}
