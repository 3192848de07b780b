//! Whether one object matches one pod, directly: for explanations and queries, which look at single pairs.

use std::net::IpAddr;

use crate::engine::resolve_name;
use crate::model::{
    Action, AdminKind, AdminPeer, AdminRule, Block, Cluster, NetworkPolicy, Peer, Pod, PolicyPort, Selector,
    Subject,
};
use crate::options::{HostNetwork, IpBlockPods, Options};
use crate::portset::{PortSet, Protocol};

/// One end of a connection, looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End<'a> {
    Pod(&'a Pod),
    Address(IpAddr),
}

/// A cluster under declared modes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) options: &'a Options,
}

impl View<'_> {
    /// True for a host-network pod where those count as their node.
    pub(crate) fn is_node_like(&self, pod: &Pod) -> bool {
        pod.host_network && self.options.host_network == HostNetwork::NodeAddress
    }

    pub(crate) fn selects(&self, policy: &NetworkPolicy, pod: &Pod) -> bool {
        policy.namespace == pod.namespace && pod.matches(&policy.pod_selector) && !self.is_node_like(pod)
    }

    pub(crate) fn in_subject(&self, subject: &Subject, kind: AdminKind, pod: &Pod) -> bool {
        let left_out = self.is_node_like(pod) || kind == AdminKind::ClusterNetworkPolicy && pod.host_network;
        !left_out && self.namespace_matches(&subject.namespaces, &pod.namespace) && pod.matches(&subject.pods)
    }

    pub(crate) fn is_peer(&self, peer: &Peer, policy_namespace: &str, end: End<'_>) -> bool {
        match (peer, end) {
            (Peer::Block(block), end) => {
                self.in_block(block, end, self.options.ip_block_pods == IpBlockPods::Always)
            }
            (Peer::Pods { namespaces, pods }, End::Pod(pod)) => {
                let there = match namespaces {
                    None => *pod.namespace == *policy_namespace,
                    Some(selector) => self.namespace_matches(selector, &pod.namespace),
                };
                there && pod.matches(pods) && !self.is_node_like(pod)
            }
            (Peer::Pods { .. }, End::Address(_)) => false,
        }
    }

    pub(crate) fn is_admin_peer(&self, rule: &AdminRule, kind: AdminKind, end: End<'_>) -> bool {
        rule.peers.iter().any(|peer| match (peer, end) {
            (AdminPeer::Pods(subject), End::Pod(pod)) => self.in_subject(subject, kind, pod),
            (AdminPeer::Networks(networks), end) => {
                let pods_too = kind == AdminKind::ClusterNetworkPolicy
                    || self.options.ip_block_pods == IpBlockPods::Always;
                networks
                    .iter()
                    .any(|net| self.in_block(&Block { cidr: *net, except: Vec::new() }, end, pods_too))
            }
            (AdminPeer::Nodes(selector), end) => self.is_node(selector, end),
            (AdminPeer::Unrecognised, _) => rule.action != Action::Allow,
            (AdminPeer::DomainNames(_), _) | (AdminPeer::Pods(_), End::Address(_)) => false,
        })
    }

    pub(crate) fn namespace_matches(&self, selector: &Selector, name: &str) -> bool {
        let namespace = self.cluster.namespace(name);
        namespace.is_some_and(|namespace| selector.matches_labels(&namespace.labels))
    }

    fn is_node(&self, selector: &Selector, end: End<'_>) -> bool {
        let nodes = self.cluster.nodes.iter().filter(|node| selector.matches_labels(&node.labels));
        let mut addresses = nodes.flat_map(|node| &node.addresses);
        addresses.any(|address| match end {
            End::Address(end) => end == *address,
            End::Pod(pod) => {
                pod.host_network
                    && (pod.addresses.contains(address)
                        || self.is_node_like(pod) && pod.node_addresses.contains(address))
            }
        })
    }

    fn in_block(&self, block: &Block, end: End<'_>, pods_too: bool) -> bool {
        let covers = |address: &IpAddr| {
            block.cidr.contains(address) && !block.except.iter().any(|hole| hole.contains(address))
        };
        match end {
            End::Address(address) => covers(&address),
            End::Pod(pod) if self.is_node_like(pod) => {
                pod.addresses.iter().chain(&pod.node_addresses).any(covers)
            }
            End::Pod(pod) => pods_too && pod.addresses.iter().any(covers),
        }
    }
}

/// The ports that a rule names, at this destination.
pub(crate) fn rule_ports(ports: Option<&[PolicyPort]>, destination: End<'_>) -> PortSet {
    let Some(ports) = ports else { return PortSet::all() };
    ports.iter().fold(PortSet::none(), |set, port| {
        set.union(&match port {
            PolicyPort::Range { protocol, first, last } => PortSet::range(*protocol, *first, *last),
            PolicyPort::Named { protocol, name } => match destination {
                End::Pod(pod) => resolve_name(*protocol, name, &pod.ports),
                End::Address(_) => PortSet::none(),
            },
        })
    })
}

/// Whether a rule names this port at this destination.
pub(crate) fn names_port(
    ports: Option<&[PolicyPort]>,
    destination: End<'_>,
    (protocol, port): (Protocol, u16),
) -> bool {
    rule_ports(ports, destination).contains(protocol, port)
}
