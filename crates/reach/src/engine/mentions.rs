//! What policies mention: label keys and values of pods, names of ports, edges of address blocks.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ipnet::IpNet;

use crate::model::mesh::Mesh;
use crate::model::{
    AdminPeer, AdminPolicy, Direction, NetworkPolicy, Node, Operator, Peer, PolicyPort, Selector,
};

/// Everything that can make a difference between two pods or two addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mentions {
    pod_labels: BTreeMap<String, BTreeSet<String>>,
    port_names: BTreeSet<String>,
    /// Blocks that sources are compared with (ingress).
    pub(crate) source_blocks: Vec<IpNet>,
    /// Blocks that destinations are compared with (egress).
    pub(crate) destination_blocks: Vec<IpNet>,
}

impl Mentions {
    pub(crate) fn add_network_policy(&mut self, policy: &NetworkPolicy) {
        self.add_selector(&policy.pod_selector);
        for direction in Direction::BOTH {
            if !policy.isolates(direction) {
                continue;
            }
            for rule in policy.rules(direction) {
                for peer in rule.peers.iter().flatten() {
                    match peer {
                        Peer::Pods { pods, .. } => self.add_selector(pods),
                        Peer::Block(block) => {
                            let nets = std::iter::once(block.cidr).chain(block.except.iter().copied());
                            self.blocks(direction).extend(nets);
                        }
                    }
                }
                self.add_ports(rule.ports.iter().flatten());
            }
        }
    }

    pub(crate) fn add_admin_policy(&mut self, policy: &AdminPolicy, nodes: &[Node]) {
        self.add_selector(&policy.subject.pods);
        for direction in Direction::BOTH {
            for rule in policy.rules(direction) {
                for peer in &rule.peers {
                    match peer {
                        AdminPeer::Pods(subject) => self.add_selector(&subject.pods),
                        AdminPeer::Networks(networks) => self.blocks(direction).extend(networks),
                        AdminPeer::Nodes(selector) => {
                            let addresses = node_addresses(nodes, selector);
                            self.blocks(direction).extend(addresses);
                        }
                        AdminPeer::DomainNames(_) | AdminPeer::Unrecognised => {}
                    }
                }
                self.add_ports(rule.ports.iter().flatten());
            }
        }
    }

    pub(crate) fn add_mesh(&mut self, mesh: &Mesh) {
        for selector in mesh.authorization_policies.iter().filter_map(|policy| policy.selector.as_ref()) {
            self.add_selector(selector);
        }
        for selector in mesh.peer_authentications.iter().filter_map(|one| one.selector.as_ref()) {
            self.add_selector(selector);
        }
        for selector in mesh.sidecars.iter().filter_map(|sidecar| sidecar.selector.as_ref()) {
            self.add_selector(selector);
        }
    }

    /// A selector over pods.
    pub(crate) fn add_selector(&mut self, selector: &Selector) {
        for requirement in &selector.requirements {
            if !self.pod_labels.contains_key(&requirement.key) {
                self.pod_labels.insert(requirement.key.clone(), BTreeSet::new());
            }
            let Some(values) = self.pod_labels.get_mut(&requirement.key) else { continue };
            if let Operator::In(named) | Operator::NotIn(named) = &requirement.operator {
                for value in named.iter().filter(|value| !values.contains(*value)).collect::<Vec<_>>() {
                    values.insert(value.clone());
                }
            }
        }
    }

    fn add_ports<'a>(&mut self, ports: impl Iterator<Item = &'a PolicyPort>) {
        self.port_names.extend(ports.filter_map(|port| match port {
            PolicyPort::Named { name, .. } => Some(name.clone()),
            PolicyPort::Range { .. } => None,
        }));
    }

    fn blocks(&mut self, direction: Direction) -> &mut Vec<IpNet> {
        match direction {
            Direction::Ingress => &mut self.source_blocks,
            Direction::Egress => &mut self.destination_blocks,
        }
    }

    pub(crate) fn pod_labels(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.pod_labels.iter().map(|(key, values)| (key.as_str(), values))
    }

    pub(crate) fn has_value(&self, key: &str, value: &str) -> bool {
        self.pod_labels.get(key).is_some_and(|values| values.contains(value))
    }

    pub(crate) fn has_port_name(&self, name: &str) -> bool {
        self.port_names.contains(name)
    }

    pub(crate) fn port_names_known_to(&self, known: HashSet<&str>) -> bool {
        self.port_names.iter().all(|name| known.contains(name.as_str()))
    }
}

/// The addresses of the nodes that `selector` matches, as blocks of one.
pub(crate) fn node_addresses(nodes: &[Node], selector: &Selector) -> Vec<IpNet> {
    let selected = nodes.iter().filter(|node| selector.matches_labels(&node.labels));
    selected.flat_map(|node| node.addresses.iter().map(|address| IpNet::from(*address))).collect()
}
