//! The optimised computation of who can talk to whom.
//!
//! 1. [`classes`](self::classes) groups pods that no policy can tell apart, and address atoms do the same for addresses.
//! 2. `compile` turns each policy's subject and peers into sets of classes (posting lists of labels, each selector once).
//! 3. Classes that the same policies select share a *profile*; `partition` splits its peers by what they may connect to:
//!    administrators' tier, NetworkPolicies, baseline tier, mesh, in this order.
//! 4. A verdict is one intersection of an egress and an ingress half; `rows` streams all of them, equal rows once.
//! 5. An edit of one policy recomputes the profiles of the classes that it selects, and nothing else.

mod address;
mod classes;
mod compile;
mod edit;
mod hairpin;
mod labels;
mod mentions;
mod partition;
mod ports;
mod questions;
mod rows;
mod sets;
mod side;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use roaring::RoaringBitmap;

pub(crate) use compile::resolve_name;

pub use address::AddressRange;
pub use edit::{Change, Edited};
pub use rows::{Row, RowGroup};

use crate::matching::End;
use crate::mesh::{Layer, TraitTable};
use crate::model::{AdminKind, AdminPeer, Cluster, Direction, NetworkPolicy, Pod, Tier};
use crate::options::{HostNetwork, IpBlockPods, Options};
use crate::portset::PortSet;
use address::Atoms;
use classes::{Classes, Inputs};
use compile::{CompiledAdmin, CompiledPolicy, Compiler, Memo, PortSpec};
use mentions::Mentions;
use partition::{Decided, Partition};
use ports::PortTable;
use sets::SetTable;
use side::{Part, ProfileKey, Side};

/// A pod of the cluster: an index into [`Cluster::pods`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub usize);

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A pod of the cluster.
    Pod(PodId),
    /// An address outside it.
    Address(IpAddr),
}

impl From<PodId> for Endpoint {
    fn from(pod: PodId) -> Self {
        Self::Pod(pod)
    }
}

impl From<IpAddr> for Endpoint {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

/// Who can talk to whom in one cluster.
#[derive(Clone, Debug)]
pub struct Reachability<'c> {
    cluster: &'c Cluster,
    options: Options,
    classes: Classes,
    sources: Atoms,
    destinations: Atoms,
    /// By slot; an edit may empty a slot and add others, so that slots keep their numbers.
    policies: Vec<Option<Slot<'c>>>,
    admin: Vec<CompiledAdmin>,
    sets: SetTable,
    ports: PortTable,
    memo: Memo,
    ingress: Side,
    egress: Side,
}

#[derive(Clone, Debug)]
struct Slot<'c> {
    policy: Cow<'c, NetworkPolicy>,
    compiled: CompiledPolicy,
}

impl<'c> Reachability<'c> {
    /// Computes every half of every verdict. The cluster must be normalised, as [`Cluster::from_objects`] leaves it.
    pub fn compute(cluster: &'c Cluster, options: &Options) -> Self {
        let policies = cluster.network_policies.iter().map(Cow::Borrowed).collect();
        Self::of_policies(cluster, policies, options, None)
    }

    /// Both, in classes that tell apart what either of them does: pods that are the same in both have the same classes, so
    /// that a [`Diff`](crate::Diff) compares them one by one.
    pub fn compute_both(before: &'c Cluster, after: &'c Cluster, options: &Options) -> (Self, Self) {
        let one = |cluster: &'c Cluster, other| {
            let policies = cluster.network_policies.iter().map(Cow::Borrowed).collect();
            Self::of_policies(cluster, policies, options, Some(other))
        };
        (one(before, after), one(after, before))
    }

    /// `beside`: a cluster whose policies tell pods and addresses apart here, too, and do nothing else.
    fn of_policies(
        cluster: &'c Cluster,
        policies: Vec<Cow<'c, NetworkPolicy>>,
        options: &Options,
        beside: Option<&Cluster>,
    ) -> Self {
        let mut mentions = Mentions::default();
        add_mentions(&mut mentions, cluster, policies.iter().map(|policy| &**policy));
        if let Some(beside) = beside {
            add_mentions(&mut mentions, beside, beside.network_policies.iter());
        }
        let mesh = Layer::new(cluster);
        let mut traits = TraitTable::default();
        let addresses_matter =
            [Some(cluster), beside].into_iter().flatten().any(|cluster| addresses_matter(cluster, options));
        let sources = Atoms::new(mentions.source_blocks.iter().copied());
        let destinations = Atoms::new(mentions.destination_blocks.iter().copied());
        let classes = Classes::new(
            cluster,
            Inputs {
                mentions: &mentions,
                sources: &sources,
                destinations: &destinations,
                addresses: &|pod| matched_addresses(addresses_matter, options, pod),
                mesh: &mut |pod| mesh.map_or(0, |mesh| traits.id(mesh.traits(pod))),
            },
        );
        let mut reachability = Self {
            cluster,
            options: options.clone(),
            classes,
            sources,
            destinations,
            policies: Vec::new(),
            admin: Vec::new(),
            sets: SetTable::default(),
            ports: PortTable::new(),
            memo: Memo::default(),
            ingress: Side::default(),
            egress: Side::default(),
        };
        reachability.compile(policies);
        reachability.file_all();
        reachability
    }

    fn compile(&mut self, policies: Vec<Cow<'c, NetworkPolicy>>) {
        let mut compiled = Vec::with_capacity(policies.len());
        let mut compiler = self.compiler();
        for policy in policies {
            let rules = compiler.network_policy(&policy);
            compiled.push(Some(Slot { policy, compiled: rules }));
        }
        let admin =
            compiler.cluster.admin_policies.iter().map(|policy| compiler.admin_policy(policy)).collect();
        self.memo = compiler.memo;
        self.policies = compiled;
        self.admin = admin;
    }

    fn compiler(&mut self) -> Compiler<'_> {
        Compiler {
            cluster: self.cluster,
            options: &self.options,
            classes: &self.classes,
            sources: &self.sources,
            destinations: &self.destinations,
            sets: &mut self.sets,
            ports: &mut self.ports,
            memo: std::mem::take(&mut self.memo),
        }
    }

    /// Files every class under its profiles.
    fn file_all(&mut self) {
        for direction in Direction::BOTH {
            let mut keys = vec![ProfileKey::default(); self.classes.len() as usize];
            for (slot, policy) in self.policies.iter().enumerate() {
                let Some(Slot { compiled, .. }) = policy else { continue };
                if compiled.rules(direction).is_some() {
                    for class in &compiled.subject {
                        keys[class as usize].policies.push(slot as u32);
                    }
                }
            }
            for (index, admin) in self.admin.iter().enumerate() {
                if !admin.rules(direction).is_empty() {
                    for class in &admin.subject {
                        keys[class as usize].admin.push(index as u32);
                    }
                }
            }
            for (class, key) in keys.into_iter().enumerate() {
                self.file(class as u32, key, direction);
            }
        }
    }

    /// Files one class under the profile of `key`, and computes it if it is new.
    fn file(&mut self, class: u32, mut key: ProfileKey, direction: Direction) {
        key.mesh = self.mesh_key(class, direction);
        if direction == Direction::Ingress && self.asks_for_names(&key) {
            key.ports = Some(self.classes.all[class as usize].ports);
        }
        let (id, new) = self.side_mut(direction).file(class, key);
        if new {
            let parts = self.parts(id, direction);
            self.side_mut(direction).profiles[id as usize].parts = parts;
        }
    }

    /// Classes behind a proxy have profiles of their own: 0 is no proxy in the way.
    fn mesh_key(&self, class: u32, direction: Direction) -> u32 {
        let Some(mesh) = Layer::new(self.cluster) else { return 0 };
        let pod = &self.cluster.pods[self.classes.all[class as usize].example as usize];
        let in_the_way = match direction {
            Direction::Ingress => mesh.guards(pod),
            Direction::Egress => mesh.confines(pod),
        };
        if in_the_way { class + 1 } else { 0 }
    }

    fn asks_for_names(&self, key: &ProfileKey) -> bool {
        let by_policies = key.policies.iter().any(|slot| {
            let slot = self.policies[*slot as usize].as_ref();
            slot.and_then(|slot| slot.compiled.ingress.as_deref()).is_some_and(PortSpec::has_names)
        });
        by_policies || key.admin.iter().any(|index| PortSpec::has_names(&self.admin[*index as usize].ingress))
    }

    /// Which peers may connect to which ports, for the classes of one profile.
    fn parts(&mut self, profile: u32, direction: Direction) -> Vec<Part> {
        let key = self.side(direction).profiles[profile as usize].key.clone();
        let container_ports = match key.ports {
            Some(map) => self.classes.port_maps[map as usize].clone(),
            None => [].into(),
        };
        let mut everybody = RoaringBitmap::new();
        everybody.insert_range(0..self.classes.len() + self.atoms(direction).len() as u32);
        let mut partition = Partition::new(everybody);
        let (admin, table) = (&self.admin, &mut self.ports);
        let tier = |tier: Tier, partition: &mut Partition, table: &mut PortTable| {
            for index in &key.admin {
                if self.cluster.admin_policies[*index as usize].tier != tier {
                    continue;
                }
                for rule in admin[*index as usize].rules(direction) {
                    for piece in &rule.pieces {
                        let ports = piece.ports.resolve(&container_ports, table);
                        partition.apply(&piece.peers, |decided| decided.by_rule(rule.action, ports, table));
                    }
                }
            }
        };
        tier(Tier::Admin, &mut partition, table);
        partition.apply_to_all(|decided| decided.next_tier(table));
        if key.policies.is_empty() {
            tier(Tier::Baseline, &mut partition, table);
            partition.apply_to_all(|decided| Decided::next_tier(decided, table).default_allow(table));
        } else {
            let compiled = key.policies.iter().filter_map(|slot| self.policies[*slot as usize].as_ref());
            for rule in compiled.filter_map(|slot| slot.compiled.rules(direction)).flatten() {
                for piece in &rule.pieces {
                    let ports = piece.ports.resolve(&container_ports, table);
                    partition.apply(&piece.peers, |decided| decided.allow(ports, table));
                }
            }
        }
        if key.mesh != 0 {
            for (ports, peers) in self.mesh_parts(key.mesh - 1, direction) {
                let (ports, table) = (self.ports.intern(ports), &mut self.ports);
                partition.apply(&peers, |decided| decided.narrow(ports, table));
            }
        }
        let allowed = partition.into_allowed().into_iter();
        allowed.map(|(ports, peers)| Part { peers: self.sets.intern(peers), ports }).collect()
    }

    /// Peers by what the mesh lets through between them and a class.
    fn mesh_parts(&self, class: u32, direction: Direction) -> BTreeMap<PortSet, RoaringBitmap> {
        let mut parts: BTreeMap<PortSet, RoaringBitmap> = BTreeMap::new();
        let Some(mesh) = Layer::new(self.cluster) else { return parts };
        let pod = |class: usize| &self.cluster.pods[self.classes.all[class].example as usize];
        let own = pod(class as usize);
        let (classes, atoms) = (self.classes.len() as usize, self.atoms(direction));
        for peer in 0..classes + atoms.len() {
            let end = if peer < classes {
                End::Pod(pod(peer))
            } else {
                End::Address(atoms.range(peer - classes).first)
            };
            let ports = match direction {
                Direction::Ingress => mesh.inbound(end, own),
                Direction::Egress => mesh.outbound(own, end),
            };
            parts.entry(ports).or_default().insert(peer as u32);
        }
        parts
    }

    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }

    fn atoms(&self, direction: Direction) -> &Atoms {
        match direction {
            Direction::Ingress => &self.sources,
            Direction::Egress => &self.destinations,
        }
    }
}

fn add_mentions<'a>(
    mentions: &mut Mentions,
    cluster: &Cluster,
    policies: impl Iterator<Item = &'a NetworkPolicy>,
) {
    for policy in policies {
        mentions.add_network_policy(policy);
    }
    for policy in &cluster.admin_policies {
        mentions.add_admin_policy(policy, &cluster.nodes);
    }
    mentions.add_mesh(&cluster.mesh);
    mentions.source_blocks.extend(Layer::new(cluster).into_iter().flat_map(|mesh| mesh.source_blocks()));
}

/// True if blocks of addresses can match pods that aren't their node.
fn addresses_matter(cluster: &Cluster, options: &Options) -> bool {
    let networks_cover_pods = cluster.admin_policies.iter().any(|policy| {
        let peers = policy.egress.iter().flat_map(|rule| &rule.peers);
        policy.kind == AdminKind::ClusterNetworkPolicy && { peers }
            .any(|peer| matches!(peer, AdminPeer::Networks(_)))
    });
    let mesh_looks = || Layer::new(cluster).is_some_and(|mesh| !mesh.source_blocks().is_empty());
    options.ip_block_pods == IpBlockPods::Always || networks_cover_pods || mesh_looks()
}

/// The addresses by which blocks, or peers that select nodes, can match a pod.
fn matched_addresses(addresses_matter: bool, options: &Options, pod: &Pod) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    if pod.host_network && options.host_network == HostNetwork::NodeAddress {
        addresses.extend(&pod.node_addresses);
    }
    if addresses_matter || pod.host_network {
        addresses.extend(&pod.addresses);
    }
    addresses
}
