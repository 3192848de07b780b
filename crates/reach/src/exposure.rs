//! Exposure: what pods that don't exist yet could reach, or be reached by. Each pair of selectors that a policy names and
//! no pod of the cluster satisfies stands for one such pod.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::engine::{Endpoint, PodId, Reachability};
use crate::entry::{Stranger, half_for, stranger};
use crate::listing::PeerKind;
use crate::model::{
    Direction, Labels, NAMESPACE_NAME_LABEL, Namespace, Operator, Peer, Pod, Requirement, Selector,
};
use crate::options::Options;
use crate::portset::PortSet;

/// One workload's exposure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Exposed {
    /// `namespace/name[Kind]`.
    pub workload: String,
    /// `entire-cluster`, a range of addresses, or a description such as `ns/[pod with {app=x}]`.
    pub peer: String,
    /// What that peer is.
    #[serde(skip)]
    pub kind: PeerKind,
    /// To or from which ports.
    pub ports: PortSet,
}

/// Everybody's exposure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exposure {
    /// What workloads may reach.
    pub egress: Vec<Exposed>,
    /// What may reach workloads.
    pub ingress: Vec<Exposed>,
    /// Workloads that no NetworkPolicy isolates, and in which direction.
    pub unprotected: Vec<(String, Direction)>,
}

impl Exposure {
    /// Computes the exposure of every workload for which `shows` says yes.
    pub fn of(reachability: &Reachability<'_>, shows: impl Fn(&Pod) -> bool) -> Self {
        let cluster = reachability.cluster();
        let mut exposure = Self::default();
        let mut seen = BTreeSet::new();
        let nobody = stranger();
        for (index, pod) in cluster.pods.iter().enumerate() {
            let pod_id = PodId(index);
            if !shows(pod) || !seen.insert((pod.workload_string(), reachability.class_of(pod_id))) {
                continue;
            }
            for direction in Direction::BOTH {
                let workload = pod.workload_string();
                if !reachability.is_isolated(pod_id, direction) {
                    exposure.unprotected.push((workload.clone(), direction));
                }
                let list = match direction {
                    Direction::Egress => &mut exposure.egress,
                    Direction::Ingress => &mut exposure.ingress,
                };
                let mut add = |peer: String, kind: PeerKind, ports: PortSet| {
                    list.push(Exposed { workload: workload.clone(), peer, kind, ports });
                };
                for range in reachability.external_ranges(direction) {
                    let ports =
                        reachability.half(direction, Endpoint::Pod(pod_id), Endpoint::Address(range.first));
                    if !ports.is_empty() && !range.is_v6() {
                        add(range.to_string(), PeerKind::External, ports.clone());
                    }
                }
                let whole = half_for(reachability, direction, pod_id, &nobody);
                for (name, representative) in representatives(reachability, pod_id, direction) {
                    let ports = half_for(reachability, direction, pod_id, &representative);
                    if !ports.is_empty() && ports != whole {
                        add(name, PeerKind::Workload, ports);
                    }
                }
                if !whole.is_empty() {
                    add("entire-cluster".to_owned(), PeerKind::IngressController, whole);
                }
            }
        }
        exposure.egress.sort();
        exposure.egress.dedup();
        exposure.ingress.sort();
        exposure.ingress.dedup();
        exposure.unprotected.sort_by(|a, b| (&a.0, a.1.name()).cmp(&(&b.0, b.1.name())));
        exposure.unprotected.dedup();
        exposure
    }
}

impl Exposure {
    /// Only one direction, if one is asked for.
    pub fn towards(mut self, direction: Option<Direction>) -> Self {
        if direction == Some(Direction::Ingress) {
            self.egress.clear();
        }
        if direction == Some(Direction::Egress) {
            self.ingress.clear();
        }
        self.unprotected.retain(|(_, one)| direction.is_none_or(|direction| direction == *one));
        self
    }
}

/// Pods that the policies about `subject` name, and that don't exist.
fn representatives(
    reachability: &Reachability<'_>,
    subject: PodId,
    direction: Direction,
) -> BTreeMap<String, Stranger> {
    let cluster = reachability.cluster();
    let options = Options::default();
    let view = crate::matching::View { cluster, options: &options };
    let mut found = BTreeMap::new();
    for policy in reachability.isolating(subject, direction) {
        for peer in policy.rules(direction).iter().flat_map(|rule| rule.peers.iter().flatten()) {
            let Peer::Pods { namespaces, pods } = peer else { continue };
            let real = cluster
                .pods
                .iter()
                .any(|pod| view.is_peer(peer, &policy.namespace, crate::matching::End::Pod(pod)));
            if real || namespaces.as_ref().is_some_and(Selector::is_everything) && pods.is_everything() {
                continue;
            }
            let (place, namespace) = match namespaces {
                None => (policy.namespace.to_string(), cluster.namespace(&policy.namespace).cloned()),
                Some(selector) => match only_name(selector) {
                    Some(name) => {
                        let known = cluster.namespace(name).cloned();
                        (name.to_owned(), known.or_else(|| Some(Namespace::new(name, &Labels::default()))))
                    }
                    None if selector.is_everything() => ("[all namespaces]".to_owned(), None),
                    None => (format!("[namespace with {{{selector}}}]"), None),
                },
            };
            let namespace = namespace.unwrap_or_else(|| Namespace {
                name: format!("{place}*").into(),
                labels: namespaces.as_ref().map(satisfying).unwrap_or_default(),
                declared: false,
            });
            let who =
                if pods.is_everything() { "[all pods]".to_owned() } else { format!("[pod with {{{pods}}}]") };
            let pod = Pod::new(&namespace.name, "", satisfying(pods));
            found.insert(format!("{place}/{who}"), Stranger { namespace, pod });
        }
    }
    found
}

/// The name, if a selector asks for a namespace by name and for nothing else.
fn only_name(selector: &Selector) -> Option<&str> {
    match selector.requirements.as_slice() {
        [Requirement { key, operator: Operator::In(values) }] if key == NAMESPACE_NAME_LABEL => {
            values.first().filter(|_| values.len() == 1).map(String::as_str)
        }
        _ => None,
    }
}

/// Labels that satisfy a selector, as few as possible.
fn satisfying(selector: &Selector) -> Labels {
    let pairs = selector.requirements.iter().filter_map(|requirement| match &requirement.operator {
        Operator::In(values) => Some((requirement.key.as_str(), values.first()?.as_str())),
        Operator::Exists => Some((requirement.key.as_str(), "")),
        Operator::NotIn(_) | Operator::DoesNotExist => None,
    });
    pairs.collect()
}
