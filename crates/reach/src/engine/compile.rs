//! From policies to sets of classes and port sets.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use roaring::RoaringBitmap;

use super::address::Atoms;
use super::classes::Classes;
use super::mentions::node_addresses;
use super::ports::{PortTable, PortsId};
use super::sets::SetTable;
use crate::model::{
    Action, AdminKind, AdminPeer, AdminPolicy, AdminRule, Block, Cluster, ContainerPort, Direction,
    NetworkPolicy, Peer, PolicyPort, Rule, Selector, Subject,
};
use crate::options::{HostNetwork, IpBlockPods, Options};
use crate::portset::{PortSet, Protocol};

/// A NetworkPolicy over classes.
#[derive(Clone, Debug)]
pub(crate) struct CompiledPolicy {
    /// The classes that it selects.
    pub(crate) subject: RoaringBitmap,
    pub(crate) ingress: Option<Vec<CompiledRule>>,
    pub(crate) egress: Option<Vec<CompiledRule>>,
}

/// An administrator's policy over classes.
#[derive(Clone, Debug)]
pub(crate) struct CompiledAdmin {
    pub(crate) subject: RoaringBitmap,
    pub(crate) ingress: Vec<CompiledRule>,
    pub(crate) egress: Vec<CompiledRule>,
}

/// A rule; its pieces are disjoint.
#[derive(Clone, Debug)]
pub(crate) struct CompiledRule {
    pub(crate) action: Action,
    pub(crate) pieces: Vec<Piece>,
}

/// Peers for which a rule has one port specification.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) peers: Arc<RoaringBitmap>,
    pub(crate) ports: PortSpec,
}

/// Ports of a rule.
#[derive(Clone, Debug)]
pub(crate) struct PortSpec {
    pub(crate) fixed: PortsId,
    /// Names that each destination resolves for itself. Egress rules have none left: their pieces are split by them.
    pub(crate) named: Vec<(Option<Protocol>, String)>,
}

impl CompiledPolicy {
    pub(crate) fn rules(&self, direction: Direction) -> Option<&[CompiledRule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

impl CompiledAdmin {
    pub(crate) fn rules(&self, direction: Direction) -> &[CompiledRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

impl PortSpec {
    pub(crate) fn has_names(rules: &[CompiledRule]) -> bool {
        rules.iter().any(|rule| rule.pieces.iter().any(|piece| !piece.ports.named.is_empty()))
    }

    /// The ports at a destination with these container ports.
    pub(crate) fn resolve(&self, container_ports: &[ContainerPort], table: &mut PortTable) -> PortsId {
        let mut ports = self.fixed;
        for (protocol, name) in &self.named {
            let resolved = table.intern(resolve_name(*protocol, name, container_ports));
            ports = table.union(ports, resolved);
        }
        ports
    }
}

/// What a port's name means at a pod: its container ports of this name and protocol.
pub(crate) fn resolve_name(
    protocol: Option<Protocol>,
    name: &str,
    container_ports: &[ContainerPort],
) -> PortSet {
    container_ports
        .iter()
        .filter(|port| port.name.as_deref() == Some(name))
        .filter(|port| protocol.is_none_or(|protocol| protocol == port.protocol))
        .fold(PortSet::none(), |set, port| set.union(&PortSet::one(port.protocol, port.port)))
}

/// Which pods a block of addresses covers, besides what is outside the cluster.
#[derive(Clone, Copy)]
enum Covers {
    /// None.
    Outside,
    /// Those that share their node's network.
    Nodes,
    /// All whose addresses are known.
    Pods,
}

/// Compiles policies against fixed classes and atoms.
pub(crate) struct Compiler<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) options: &'a Options,
    pub(crate) classes: &'a Classes,
    pub(crate) sources: &'a Atoms,
    pub(crate) destinations: &'a Atoms,
    pub(crate) sets: &'a mut SetTable,
    pub(crate) ports: &'a mut PortTable,
    pub(crate) memo: Memo,
}

/// Selectors that were met before, and what they select.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo {
    pods: HashMap<Selector, Arc<RoaringBitmap>>,
    namespaces: HashMap<Selector, Arc<RoaringBitmap>>,
    /// By direction: the classes with an address in each atom.
    classes_at: [Option<Vec<RoaringBitmap>>; 2],
}

impl Compiler<'_> {
    pub(crate) fn network_policy(&mut self, policy: &NetworkPolicy) -> CompiledPolicy {
        let mut subject = (*self.pods(&policy.pod_selector)).clone() & self.namespace(&policy.namespace);
        if self.options.host_network == HostNetwork::NodeAddress {
            subject -= &self.classes.host_network;
        }
        let mut rules = |direction: Direction| {
            policy.isolates(direction).then(|| {
                policy
                    .rules(direction)
                    .iter()
                    .map(|rule| self.rule(rule, &policy.namespace, direction))
                    .collect()
            })
        };
        let (ingress, egress) = (rules(Direction::Ingress), rules(Direction::Egress));
        CompiledPolicy { subject, ingress, egress }
    }

    pub(crate) fn admin_policy(&mut self, policy: &AdminPolicy) -> CompiledAdmin {
        let subject = self.subject(&policy.subject, policy.kind);
        let mut rules = |direction: Direction| {
            policy.rules(direction).iter().map(|rule| self.admin_rule(rule, policy.kind, direction)).collect()
        };
        let (ingress, egress) = (rules(Direction::Ingress), rules(Direction::Egress));
        CompiledAdmin { subject, ingress, egress }
    }

    /// Classes and address atoms that can be a peer: everybody.
    pub(crate) fn everybody(&self, direction: Direction) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.classes.len() + self.atoms(direction).len() as u32);
        all
    }

    fn rule(&mut self, rule: &Rule, namespace: &str, direction: Direction) -> CompiledRule {
        let ports = rule.ports.as_deref();
        let Some(peers) = &rule.peers else {
            let everybody = self.everybody(direction);
            return CompiledRule { action: Action::Allow, pieces: self.pieces(everybody, ports, direction) };
        };
        let (mut pods, mut blocks) = (RoaringBitmap::new(), RoaringBitmap::new());
        for peer in peers {
            let found = self.peer(peer, namespace, direction);
            match peer {
                Peer::Pods { .. } => pods |= found,
                Peer::Block(_) => blocks |= found,
            }
        }
        let spec = self.port_spec(ports);
        if direction == Direction::Ingress || spec.named.is_empty() {
            return CompiledRule {
                action: Action::Allow,
                pieces: self.pieces(pods | blocks, ports, direction),
            };
        }
        // A port's name means nothing at an address, even where a pod has the address.
        let mut pieces = self.pieces(pods, ports, direction);
        let ports = PortSpec { fixed: spec.fixed, named: Vec::new() };
        pieces.push(Piece { peers: self.sets.intern(blocks), ports });
        CompiledRule { action: Action::Allow, pieces }
    }

    fn admin_rule(&mut self, rule: &AdminRule, kind: AdminKind, direction: Direction) -> CompiledRule {
        let mut peers = RoaringBitmap::new();
        for peer in &rule.peers {
            peers |= match peer {
                AdminPeer::Pods(subject) => self.subject(subject, kind),
                AdminPeer::Networks(networks) => {
                    // v1alpha2 says that networks cover pods too; for v1alpha1 it is the declared mode.
                    let covers = match kind {
                        AdminKind::ClusterNetworkPolicy => Covers::Pods,
                        _ => self.covered_by_blocks(),
                    };
                    let blocks = networks.iter().map(|net| self.block(*net, &[], covers, direction));
                    let blocks: Vec<_> = blocks.collect();
                    blocks.into_iter().fold(RoaringBitmap::new(), |union, block| union | block)
                }
                AdminPeer::Nodes(selector) => {
                    let mut nodes = RoaringBitmap::new();
                    for address in node_addresses(&self.cluster.nodes, selector) {
                        nodes |= self.block(address, &[], Covers::Nodes, direction);
                    }
                    nodes
                }
                AdminPeer::Unrecognised if rule.action != Action::Allow => self.everybody(direction),
                AdminPeer::Unrecognised | AdminPeer::DomainNames(_) => RoaringBitmap::new(),
            };
        }
        CompiledRule { action: rule.action, pieces: self.pieces(peers, rule.ports.as_deref(), direction) }
    }

    fn peer(&mut self, peer: &Peer, namespace: &str, direction: Direction) -> RoaringBitmap {
        match peer {
            Peer::Pods { namespaces, pods } => {
                let pods = self.pods(pods);
                let mut selected = match namespaces {
                    None => &*pods & self.namespace(namespace),
                    Some(selector) => &*pods & &*self.namespaces(selector),
                };
                if self.options.host_network == HostNetwork::NodeAddress {
                    selected -= &self.classes.host_network;
                }
                selected
            }
            Peer::Block(Block { cidr, except }) => {
                self.block(*cidr, except, self.covered_by_blocks(), direction)
            }
        }
    }

    /// Pods of an administrator's policy, as subject or as peer.
    fn subject(&mut self, subject: &Subject, kind: AdminKind) -> RoaringBitmap {
        let mut selected = &*self.pods(&subject.pods) & &*self.namespaces(&subject.namespaces);
        let node_like = self.options.host_network == HostNetwork::NodeAddress;
        if node_like || kind == AdminKind::ClusterNetworkPolicy {
            selected -= &self.classes.host_network;
        }
        selected
    }

    /// What an `ipBlock` covers in the declared modes.
    fn covered_by_blocks(&self) -> Covers {
        match (self.options.ip_block_pods, self.options.host_network) {
            (IpBlockPods::Always, _) => Covers::Pods,
            (_, HostNetwork::NodeAddress) => Covers::Nodes,
            (_, HostNetwork::AsPods) => Covers::Outside,
        }
    }

    /// Addresses of a block: those outside the cluster, and what else it covers.
    fn block(
        &mut self,
        cidr: IpNet,
        except: &[IpNet],
        covers: Covers,
        direction: Direction,
    ) -> RoaringBitmap {
        let atoms = self.atoms(direction);
        let mut inside = RoaringBitmap::new();
        let range = atoms.inside(cidr);
        inside.insert_range(range.start as u32..range.end as u32);
        for hole in except {
            let range = atoms.inside(*hole);
            inside.remove_range(range.start as u32..range.end as u32);
        }
        let mut block: RoaringBitmap = inside.iter().map(|atom| atom + self.classes.len()).collect();
        let classes = self.classes;
        let count = atoms.len();
        let at = self.memo.classes_at[direction as usize]
            .get_or_insert_with(|| classes_at(classes, count, direction));
        for atom in &inside {
            let there = &at[atom as usize];
            match covers {
                Covers::Pods => block |= there,
                Covers::Nodes => block |= there & &classes.host_network,
                Covers::Outside => {}
            }
        }
        block
    }

    fn pieces(
        &mut self,
        peers: RoaringBitmap,
        ports: Option<&[PolicyPort]>,
        direction: Direction,
    ) -> Vec<Piece> {
        let spec = self.port_spec(ports);
        if direction == Direction::Ingress || spec.named.is_empty() {
            return vec![Piece { peers: self.sets.intern(peers), ports: spec }];
        }
        // An egress rule's names mean something else at each kind of destination, and nothing outside the cluster.
        let mut pieces = Vec::new();
        let mut rest = peers;
        for (map, classes) in self.classes.port_maps.iter().zip(&self.classes.of_port_map) {
            let ports = spec.resolve(map, self.ports);
            let here = &rest & classes;
            if ports != spec.fixed && !here.is_empty() {
                rest -= &here;
                let ports = PortSpec { fixed: ports, named: Vec::new() };
                pieces.push(Piece { peers: self.sets.intern(here), ports });
            }
        }
        pieces.push(Piece {
            peers: self.sets.intern(rest),
            ports: PortSpec { fixed: spec.fixed, named: Vec::new() },
        });
        pieces
    }

    fn port_spec(&mut self, ports: Option<&[PolicyPort]>) -> PortSpec {
        let Some(ports) = ports else { return PortSpec { fixed: PortsId::ALL, named: Vec::new() } };
        let mut fixed = PortSet::none();
        let mut named = Vec::new();
        for port in ports {
            match port {
                PolicyPort::Range { protocol, first, last } => {
                    fixed = fixed.union(&PortSet::range(*protocol, *first, *last));
                }
                PolicyPort::Named { protocol, name } => named.push((*protocol, name.clone())),
            }
        }
        PortSpec { fixed: self.ports.intern(fixed), named }
    }

    pub(crate) fn pods(&mut self, selector: &Selector) -> Arc<RoaringBitmap> {
        if let Some(known) = self.memo.pods.get(selector) {
            return Arc::clone(known);
        }
        let selected = Arc::new(self.classes.labels.select(selector));
        self.memo.pods.insert(selector.clone(), Arc::clone(&selected));
        selected
    }

    pub(crate) fn namespaces(&mut self, selector: &Selector) -> Arc<RoaringBitmap> {
        if let Some(known) = self.memo.namespaces.get(selector) {
            return Arc::clone(known);
        }
        let mut selected = RoaringBitmap::new();
        if selector.is_everything() {
            selected.insert_range(0..self.classes.len());
        } else {
            for namespace in self.classes.namespaces.select(selector) {
                selected |= &self.classes.of_namespace[namespace as usize];
            }
        }
        let selected = Arc::new(selected);
        self.memo.namespaces.insert(selector.clone(), Arc::clone(&selected));
        selected
    }

    pub(crate) fn namespace(&self, name: &str) -> &RoaringBitmap {
        let namespaces = &self.cluster.namespaces;
        let at = namespaces
            .binary_search_by(|namespace| (*namespace.name).cmp(name))
            .expect("a normalised cluster has the namespace of each policy");
        &self.classes.of_namespace[at]
    }

    fn atoms(&self, direction: Direction) -> &Atoms {
        match direction {
            Direction::Ingress => self.sources,
            Direction::Egress => self.destinations,
        }
    }
}

fn classes_at(classes: &Classes, atoms: usize, direction: Direction) -> Vec<RoaringBitmap> {
    let mut at = vec![RoaringBitmap::new(); atoms];
    for (id, class) in classes.all.iter().enumerate() {
        for (source, destination) in &class.atoms {
            let atom = match direction {
                Direction::Ingress => source,
                Direction::Egress => destination,
            };
            at[*atom as usize].insert(id as u32);
        }
    }
    at
}
