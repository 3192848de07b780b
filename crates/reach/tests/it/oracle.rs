//! The naive oracle: one tuple at a time, straight from the rules of the API, without classes, sets or atoms. It shares the
//! model with the engine and nothing else.

use std::net::IpAddr;

use parapet_reach::model::{
    Action, AdminKind, AdminPeer, AdminPolicy, AdminRule, Block, Cluster, Direction, NetworkPolicy, Operator,
    Peer, Pod, PolicyPort, Rule, Selector, Subject, Tier,
};
use parapet_reach::{Endpoint, Hairpin, HostNetwork, IpBlockPods, Options, PodId, Protocol};

pub(crate) struct Oracle<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) options: &'a Options,
}

/// A destination port.
type Port = (Protocol, u16);

/// The other end, the pod whose named ports count, and the port.
type Asked<'a> = (Other<'a>, Option<&'a Pod>, Port);

impl Oracle<'_> {
    pub(crate) fn allowed(
        &self,
        source: Endpoint,
        destination: Endpoint,
        protocol: Protocol,
        port: u16,
    ) -> bool {
        if let (Endpoint::Pod(a), Endpoint::Pod(b)) = (source, destination)
            && a == b
            && self.cluster.pods[a.0].replicas == 1
        {
            return true; // own address: never leaves the pod
        }
        let port = (protocol, port);
        self.side(Direction::Egress, source, destination, port)
            && self.side(Direction::Ingress, destination, source, port)
    }

    /// A pod that asks for itself by a Service's name. In the mode that leaves it alone, only what ClusterNetworkPolicy says
    /// counts: as if the pod's NetworkPolicies allowed everything, and the other kinds weren't there.
    pub(crate) fn through_service(&self, pod: PodId, protocol: Protocol, port: u16) -> bool {
        let mut cluster = self.cluster.clone();
        if self.options.hairpin == Hairpin::Allowed {
            cluster.admin_policies.retain(|policy| policy.kind == AdminKind::ClusterNetworkPolicy);
            for policy in &mut cluster.network_policies {
                policy.ingress = vec![Rule::default()];
                policy.egress = vec![Rule::default()];
            }
        }
        let oracle = Oracle { cluster: &cluster, options: self.options };
        let end = Endpoint::Pod(pod);
        oracle.side(Direction::Egress, end, end, (protocol, port))
            && oracle.side(Direction::Ingress, end, end, (protocol, port))
    }

    fn side(&self, direction: Direction, subject: Endpoint, peer: Endpoint, port: Port) -> bool {
        let Endpoint::Pod(subject) = subject else { return true };
        let subject = &self.cluster.pods[subject.0];
        let peer = match peer {
            Endpoint::Pod(pod) => Other::Pod(&self.cluster.pods[pod.0]),
            Endpoint::Address(address) => Other::Address(address),
        };
        // Ports by name are those of the pod that is connected to.
        let target = match (direction, peer) {
            (Direction::Ingress, _) => Some(subject),
            (Direction::Egress, Other::Pod(pod)) => Some(pod),
            (Direction::Egress, Other::Address(_)) => None,
        };
        let asked = (peer, target, port);
        match self.tier(Tier::Admin, direction, subject, asked) {
            Some(Action::Allow) => return true,
            Some(Action::Deny) => return false,
            Some(Action::Pass) | None => {}
        }
        let isolating: Vec<&NetworkPolicy> = self
            .cluster
            .network_policies
            .iter()
            .filter(|policy| policy.isolates(direction) && policy.namespace == subject.namespace)
            .filter(|policy| matches(&policy.pod_selector, subject) && !self.is_node_like(subject))
            .collect();
        if !isolating.is_empty() {
            return isolating.iter().any(|policy| {
                let mut rules = policy.rules(direction).iter();
                rules.any(|rule| self.rule_matches(rule, policy, direction, peer, target, port))
            });
        }
        !matches!(self.tier(Tier::Baseline, direction, subject, asked), Some(Action::Deny))
    }

    /// What the first matching rule of the tier says.
    fn tier(&self, tier: Tier, direction: Direction, subject: &Pod, asked: Asked<'_>) -> Option<Action> {
        let (peer, target, port) = asked;
        let mut policies: Vec<&AdminPolicy> =
            self.cluster.admin_policies.iter().filter(|policy| policy.tier == tier).collect();
        policies.sort_by_key(|policy| (policy.priority, policy.kind, policy.name.clone()));
        for policy in policies {
            if !self.in_subject(&policy.subject, subject, policy.kind) {
                continue;
            }
            for rule in policy.rules(direction) {
                let ports = rule.ports.as_ref();
                let port_matches =
                    ports.is_none_or(|ports| ports.iter().any(|p| port_matches(p, target, port)));
                if port_matches && rule.peers.iter().any(|p| self.admin_peer(p, rule, policy.kind, peer)) {
                    return Some(rule.action);
                }
            }
        }
        None
    }

    fn admin_peer(&self, peer: &AdminPeer, rule: &AdminRule, kind: AdminKind, other: Other<'_>) -> bool {
        match (peer, other) {
            (AdminPeer::Pods(subject), Other::Pod(pod)) => self.in_subject(subject, pod, kind),
            (AdminPeer::Networks(networks), other) => networks.iter().any(|net| {
                let block = Block { cidr: *net, except: Vec::new() };
                self.in_block(&block, other, kind == AdminKind::ClusterNetworkPolicy)
            }),
            (AdminPeer::Nodes(selector), other) => {
                let nodes = self.cluster.nodes.iter();
                let selected =
                    nodes.filter(|node| labels_match(selector, |key| node.labels.get(key).map(Some)));
                selected.flat_map(|node| &node.addresses).any(|address| match other {
                    Other::Address(other) => other == *address,
                    Other::Pod(pod) => pod.host_network && self.addresses(pod).contains(address),
                })
            }
            (AdminPeer::Unrecognised, _) => rule.action != Action::Allow,
            _ => false,
        }
    }

    fn rule_matches(
        &self,
        rule: &Rule,
        policy: &NetworkPolicy,
        direction: Direction,
        other: Other<'_>,
        target: Option<&Pod>,
        port: Port,
    ) -> bool {
        let ports = |target| {
            rule.ports.as_ref().is_none_or(|ports| ports.iter().any(|p| port_matches(p, target, port)))
        };
        let Some(peers) = &rule.peers else { return ports(target) };
        peers.iter().any(|peer| match (peer, other) {
            // A port's name means nothing at an address to go to, even where a pod has it.
            (Peer::Block(block), other) => {
                let named_at = if direction == Direction::Egress { None } else { target };
                self.in_block(block, other, false) && ports(named_at)
            }
            (Peer::Pods { namespaces, pods }, Other::Pod(pod)) => {
                let namespace = match namespaces {
                    None => pod.namespace == policy.namespace,
                    Some(selector) => self.namespace_matches(selector, pod),
                };
                namespace && matches(pods, pod) && !self.is_node_like(pod) && ports(target)
            }
            (Peer::Pods { .. }, Other::Address(_)) => false,
        })
    }

    fn in_subject(&self, subject: &Subject, pod: &Pod, kind: AdminKind) -> bool {
        let outside = self.is_node_like(pod) || pod.host_network && kind == AdminKind::ClusterNetworkPolicy;
        !outside && self.namespace_matches(&subject.namespaces, pod) && matches(&subject.pods, pod)
    }

    fn in_block(&self, block: &Block, other: Other<'_>, pods_too: bool) -> bool {
        let covered =
            |a: &IpAddr| block.cidr.contains(a) && !block.except.iter().any(|hole| hole.contains(a));
        match other {
            Other::Address(address) => covered(&address),
            Other::Pod(pod) => {
                let counts =
                    pods_too || self.options.ip_block_pods == IpBlockPods::Always || self.is_node_like(pod);
                counts && self.addresses(pod).iter().any(covered)
            }
        }
    }

    fn addresses(&self, pod: &Pod) -> Vec<IpAddr> {
        let mut addresses = pod.addresses.clone();
        if self.is_node_like(pod) {
            addresses.extend(&pod.node_addresses);
        }
        addresses
    }

    fn is_node_like(&self, pod: &Pod) -> bool {
        pod.host_network && self.options.host_network == HostNetwork::NodeAddress
    }

    fn namespace_matches(&self, selector: &Selector, pod: &Pod) -> bool {
        let namespace =
            self.cluster.namespaces.iter().find(|namespace| namespace.name == pod.namespace).unwrap();
        labels_match(selector, |key| namespace.labels.get(key).map(Some))
    }
}

#[derive(Clone, Copy)]
enum Other<'a> {
    Pod(&'a Pod),
    Address(IpAddr),
}

fn port_matches(rule: &PolicyPort, target: Option<&Pod>, (protocol, port): Port) -> bool {
    match rule {
        PolicyPort::Range { protocol: p, first, last } => *p == protocol && (*first..=*last).contains(&port),
        PolicyPort::Named { protocol: p, name } => target.is_some_and(|pod| {
            pod.ports.iter().any(|declared| {
                declared.name.as_deref() == Some(name)
                    && declared.protocol == protocol
                    && declared.port == port
                    && p.is_none_or(|p| p == protocol)
            })
        }),
    }
}

fn matches(selector: &Selector, pod: &Pod) -> bool {
    labels_match(selector, |key| match pod.labels.get(key) {
        Some(value) => Some(Some(value)),
        None => pod.unknown_labels.iter().any(|unknown| **unknown == *key).then_some(None),
    })
}

/// `look_up`: None is absent, Some(None) present with an unknown value.
fn labels_match<'a>(selector: &Selector, look_up: impl Fn(&str) -> Option<Option<&'a str>>) -> bool {
    selector.requirements.iter().all(|requirement| {
        let value = look_up(&requirement.key);
        let among =
            |values: &Vec<String>| value.flatten().is_some_and(|value| values.iter().any(|v| v == value));
        match &requirement.operator {
            Operator::In(values) => among(values),
            Operator::NotIn(values) => !among(values),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    })
}
