//! Elasticsearch: who votes, where shards are, who is to be shut down.

use std::collections::{BTreeMap, BTreeSet};

use parapet_api::{Health, StackVersion};
use parapet_orchestrate::{
    Allocation, Node, Observed, Role, Shard, ShardState, Shutdown, ShutdownKind, ShutdownStatus, shutdown_api,
};

use super::world::SimPod;

#[derive(Clone, Debug)]
struct Copy {
    index: String,
    number: u32,
    primary: bool,
    state: ShardState,
    /// Where it is, or was.
    node: Option<String>,
    target: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Cluster {
    pub(super) voters: BTreeSet<String>,
    exclusions: BTreeSet<String>,
    /// Nodes that are in the cluster.
    nodes: BTreeMap<String, (StackVersion, bool, bool)>,
    copies: Vec<Copy>,
    /// Whose disk has the newest data of each shard.
    in_sync: BTreeMap<(String, u32), BTreeSet<String>>,
    replicas: BTreeMap<String, u32>,
    volumes: BTreeSet<String>,
    shutdowns: BTreeMap<String, ShutdownKind>,
    excluded: BTreeSet<String>,
    only_primaries: bool,
}

impl Cluster {
    pub(super) fn form<'a>(&mut self, pods: impl Iterator<Item = &'a SimPod>) {
        let masters =
            pods.filter(|pod| pod.roles().is_master_eligible() && pod.runs()).map(|pod| pod.name.clone());
        self.voters = masters.collect();
        let all: BTreeSet<String> = self.voters.clone();
        self.voters = self.target(&all);
    }

    pub(super) fn create(&mut self, index: &str, shards: u32, replicas: u32) {
        self.replicas.insert(index.to_owned(), replicas);
        for number in 0..shards {
            for copy in 0..=replicas {
                let index = index.to_owned();
                let state = ShardState::Unassigned;
                self.copies.push(Copy { index, number, primary: copy == 0, state, node: None, target: None });
            }
            self.in_sync.insert((index.to_owned(), number), BTreeSet::new());
        }
    }

    fn live_masters(&self) -> BTreeSet<String> {
        self.nodes.iter().filter(|(_, (_, master, _))| *master).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a majority votes.
    pub(super) fn has_master(&self) -> bool {
        majority(&self.voters, &self.live_masters())
    }

    /// Whether a majority will vote once these are back.
    pub(super) fn may_have_master(&self, returns: impl Fn(&String) -> bool) -> bool {
        majority(&self.voters, &self.voters.iter().filter(|name| returns(name)).cloned().collect())
    }

    fn target(&self, live: &BTreeSet<String>) -> BTreeSet<String> {
        let usable: BTreeSet<&String> = live.difference(&self.exclusions).collect();
        let odd = usable.len().saturating_sub(usize::from(usable.len().is_multiple_of(2)));
        let kept = || self.voters.iter().filter(|name| !self.exclusions.contains(*name));
        let size = odd.max(if kept().count() < 3 { 1 } else { 3 });
        let here = kept().filter(|name| usable.contains(name));
        let new = usable.iter().copied().filter(|name| !self.voters.contains(*name));
        let gone = kept().filter(|name| !usable.contains(name));
        here.chain(new).chain(gone).take(size).cloned().collect()
    }

    fn reconfigure(&mut self) {
        let live = self.live_masters();
        let target = self.target(&live);
        if self.has_master() && majority(&target, &live) {
            self.voters = target;
        }
    }

    /// Takes names out of the vote; whether they are.
    pub(super) fn exclude(&mut self, names: &[String]) -> bool {
        if !self.has_master() {
            return false;
        }
        self.exclusions.extend(names.iter().cloned());
        self.reconfigure();
        !self.voters.iter().any(|voter| names.contains(voter))
    }

    pub(super) fn clear_exclusions(&mut self) {
        self.exclusions.clear();
        self.reconfigure();
    }

    pub(super) fn shut_down(&mut self, node: &str, kind: ShutdownKind) {
        self.shutdowns.insert(node.to_owned(), kind);
    }

    pub(super) fn end_shutdown(&mut self, node: &str) {
        self.shutdowns.remove(node);
    }

    pub(super) fn exclude_allocation(&mut self, names: BTreeSet<String>) {
        self.excluded = names;
    }

    pub(super) fn allocate_replicas(&mut self, enabled: bool) {
        self.only_primaries = !enabled;
    }

    /// Pods have come, gone or begun to go.
    pub(super) fn membership(&mut self, pods: &BTreeMap<String, SimPod>) {
        let running: BTreeMap<_, _> = pods
            .values()
            .filter(|pod| pod.runs())
            .map(|pod| {
                (
                    pod.name.clone(),
                    (pod.version().clone(), pod.roles().is_master_eligible(), pod.roles().has(Role::Data)),
                )
            })
            .collect();
        self.volumes.extend(running.keys().cloned());
        let gone: Vec<String> =
            self.nodes.keys().filter(|name| running.get(*name) != self.nodes.get(*name)).cloned().collect();
        for name in &gone {
            self.left(name);
        }
        self.nodes = running;
        self.reconfigure();
    }

    fn left(&mut self, node: &str) {
        for at in 0..self.copies.len() {
            let copy = &mut self.copies[at];
            if copy.target.as_deref() == Some(node) {
                copy.target = None;
                copy.state = ShardState::Started;
            }
            if copy.node.as_deref() != Some(node) || copy.state == ShardState::Unassigned {
                continue;
            }
            copy.state = ShardState::Unassigned;
            copy.target = None;
            let (key, primary) = ((copy.index.clone(), copy.number), copy.primary);
            let other = self.started(&key);
            if let Some(other) = other {
                self.in_sync.entry(key).or_default().remove(node);
                if primary {
                    self.copies[at].primary = false;
                    self.copies[other].primary = true;
                }
            } else if primary {
                // A replica that was being copied has nobody to copy from.
                for copy in &mut self.copies {
                    if (&copy.index, copy.number) == (&key.0, key.1) && copy.state == ShardState::Initializing
                    {
                        copy.state = ShardState::Unassigned;
                    }
                }
            }
        }
    }

    fn started(&self, key: &(String, u32)) -> Option<usize> {
        self.copies.iter().position(|copy| {
            (&copy.index, copy.number) == (&key.0, key.1)
                && matches!(copy.state, ShardState::Started | ShardState::Relocating)
        })
    }

    /// Shards get on by a step.
    pub(super) fn tick(&mut self, pods: &BTreeMap<String, SimPod>) {
        self.membership(pods);
        if !self.has_master() {
            return;
        }
        for at in 0..self.copies.len() {
            let copy = &self.copies[at];
            let key = (copy.index.clone(), copy.number);
            match copy.state {
                ShardState::Initializing => {
                    self.copies[at].state = ShardState::Started;
                    let node = self.copies[at].node.clone().unwrap();
                    self.in_sync.entry(key).or_default().insert(node);
                }
                ShardState::Relocating => {
                    let to = self.copies[at].target.take().unwrap();
                    let from = self.copies[at].node.replace(to.clone()).unwrap();
                    self.copies[at].state = ShardState::Started;
                    let holders = self.in_sync.entry(key).or_default();
                    holders.remove(&from);
                    holders.insert(to);
                }
                ShardState::Unassigned => self.allocate(at),
                ShardState::Started => self.relocate(at),
            }
        }
    }

    fn allocate(&mut self, at: usize) {
        let copy = self.copies[at].clone();
        let key = (copy.index.clone(), copy.number);
        if copy.primary {
            let holders = self.in_sync[&key].clone();
            let place = if holders.is_empty() {
                self.place(at, true)
            } else {
                holders.into_iter().find(|name| self.nodes.contains_key(name))
            };
            if let Some(place) = place {
                self.copies[at].node = Some(place.clone());
                self.copies[at].state = ShardState::Started;
                self.in_sync.entry(key).or_default().insert(place);
            }
            return;
        }
        if self.only_primaries {
            return;
        }
        let waits = copy.node.as_ref().is_some_and(|node| {
            !self.nodes.contains_key(node) && self.shutdowns.get(node) == Some(&ShutdownKind::Restart)
        });
        if !waits && let Some(place) = self.place(at, false) {
            self.copies[at].node = Some(place);
            self.copies[at].state = ShardState::Initializing;
        }
    }

    fn leaves(&self, node: &str) -> bool {
        self.shutdowns.get(node) == Some(&ShutdownKind::Remove) || self.excluded.contains(node)
    }

    fn relocate(&mut self, at: usize) {
        let Some(node) = self.copies[at].node.clone() else { return };
        let stays = !self.leaves(&node) && self.nodes.get(&node).is_some_and(|(_, _, data)| *data);
        if stays {
            return;
        }
        if let Some(place) = self.place(at, self.copies[at].primary) {
            self.copies[at].target = Some(place);
            self.copies[at].state = ShardState::Relocating;
        }
    }

    /// A node for a copy: none that has one, that leaves, or that is older than where its data comes from.
    fn place(&self, at: usize, _primary: bool) -> Option<String> {
        let copy = &self.copies[at];
        let same = |other: &&Copy| other.index == copy.index && other.number == copy.number;
        let taken: BTreeSet<&String> = self
            .copies
            .iter()
            .filter(same)
            .filter(|other| other.state != ShardState::Unassigned)
            .flat_map(|other| other.node.iter().chain(&other.target))
            .collect();
        let source = self.copies.iter().filter(same).find(|other| {
            other.primary && matches!(other.state, ShardState::Started | ShardState::Relocating)
        });
        let newest =
            source.and_then(|source| self.nodes.get(source.node.as_ref()?)).map(|(version, ..)| version);
        if source.is_none() && !copy.primary {
            return None;
        }
        let allowed = self.nodes.iter().filter(|(name, (version, _, data))| {
            *data
                && !taken.contains(name)
                && !self.leaves(name)
                && newest.is_none_or(|newest| version >= newest)
        });
        let held = |name: &str| self.copies.iter().filter(|copy| copy.node.as_deref() == Some(name)).count();
        allowed.min_by_key(|(name, _)| held(name)).map(|(name, _)| name.clone())
    }

    /// Volumes that nobody keeps are deleted; the shards of which the newest data was nowhere else.
    pub(super) fn collect_volumes(&mut self, keep: impl Fn(&str) -> bool) -> Vec<String> {
        let gone: Vec<String> = self.volumes.iter().filter(|name| !keep(name)).cloned().collect();
        let mut lost = Vec::new();
        for name in gone {
            self.volumes.remove(&name);
            for ((index, number), holders) in &mut self.in_sync {
                if holders.remove(&name) && holders.is_empty() {
                    lost.push(format!("shard {number} of {index} was only on {name}"));
                }
            }
        }
        lost
    }

    /// Shards that somebody serves, of indices that have replicas.
    pub(super) fn served(&self) -> BTreeSet<(String, u32)> {
        let started = self.copies.iter().filter(|copy| {
            self.replicas[&copy.index] > 0
                && matches!(copy.state, ShardState::Started | ShardState::Relocating)
        });
        started.map(|copy| (copy.index.clone(), copy.number)).collect()
    }

    /// What the operator remembers besides is the world's to add.
    pub(super) fn observed(&self) -> Observed {
        if !self.has_master() {
            return Observed::default();
        }
        let nodes: BTreeMap<String, Node> = self
            .nodes
            .iter()
            .map(|(name, (version, ..))| {
                (name.clone(), Node { id: format!("id-{name}"), version: version.clone() })
            })
            .collect();
        let shards: Vec<Shard> = self.copies.iter().map(|copy| self.shard(copy)).collect();
        let missing =
            |shard: &&Shard| matches!(shard.state, ShardState::Unassigned | ShardState::Initializing);
        let health = match shards.iter().filter(missing).map(|shard| shard.primary).max() {
            Some(true) => Health::Red,
            Some(false) => Health::Yellow,
            None => Health::Green,
        };
        let new = self.nodes.values().all(|(version, ..)| shutdown_api(version));
        let allocation =
            (!new).then(|| Allocation { enabled: !self.only_primaries, excluded: self.excluded.clone() });
        Observed {
            health,
            shutdowns: new.then(|| self.records()),
            allocation,
            nodes: Some(nodes),
            shards: Some(shards),
            voting_exclusions: None,
        }
    }

    fn shard(&self, copy: &Copy) -> Shard {
        let assigned = copy.state != ShardState::Unassigned;
        Shard {
            index: copy.index.clone(),
            number: copy.number,
            primary: copy.primary,
            state: copy.state,
            node: copy.node.clone().filter(|_| assigned),
            target: copy.target.clone(),
        }
    }

    fn records(&self) -> BTreeMap<String, Shutdown> {
        let record = |(node, kind): (&String, &ShutdownKind)| {
            let status = match kind {
                ShutdownKind::Remove => self.removal(node),
                ShutdownKind::Restart | ShutdownKind::Other => ShutdownStatus::Complete,
            };
            (format!("id-{node}"), Shutdown { kind: *kind, status, explanation: None })
        };
        self.shutdowns.iter().map(record).collect()
    }

    /// As Elasticsearch has it: a copy that has no place elsewhere may stay if another node has one too.
    fn removal(&self, node: &str) -> ShutdownStatus {
        let here = |copy: &&Copy| copy.node.as_deref() == Some(node) && copy.state != ShardState::Unassigned;
        let mut status = ShutdownStatus::Complete;
        for (at, copy) in self.copies.iter().enumerate().filter(|(_, copy)| here(copy)) {
            if copy.state == ShardState::Relocating || self.place(at, copy.primary).is_some() {
                return ShutdownStatus::InProgress;
            }
            let elsewhere = self.copies.iter().any(|other| {
                other.index == copy.index
                    && other.number == copy.number
                    && other.state == ShardState::Started
                    && other.node.as_ref().is_some_and(|other| other != node && !self.leaves(other))
            });
            if !elsewhere {
                status = ShutdownStatus::Stalled;
            }
        }
        status
    }
}

fn majority(voters: &BTreeSet<String>, live: &BTreeSet<String>) -> bool {
    voters.intersection(live).count() * 2 > voters.len()
}
