//! Copies of shards and where they are.

use std::collections::BTreeMap;

use crate::Member;

/// How a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// In use.
    Started,
    /// Being filled.
    Initializing,
    /// Moving away.
    Relocating,
    /// On no node.
    Unassigned,
}

/// One copy of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Its index.
    pub index: String,
    /// Its number.
    pub shard: u32,
    /// Whether it is the primary.
    pub primary: bool,
    /// How it is.
    pub state: CopyState,
    /// The name of its node; where it was, if it is unassigned.
    pub node: Option<String>,
}

/// All copies.
#[derive(Clone, Debug, Default)]
pub struct Shards {
    copies: Vec<Copy>,
    /// Nothing is allocated or moved until [`Shards::set_held`] says so.
    held: bool,
}

/// What decides where a copy may go.
pub(crate) struct Rules<'a> {
    /// The nodes that are there.
    pub(crate) nodes: &'a BTreeMap<String, Member>,
    /// Names of nodes that get nothing: they leave, or are excluded by a setting.
    pub(crate) leaving: Vec<String>,
    /// Names of nodes that were told to restart: what was on them waits for them.
    pub(crate) restarting: Vec<String>,
    /// Replicas stay unassigned: `cluster.routing.allocation.enable` is `primaries`.
    pub(crate) only_primaries: bool,
}

impl Shards {
    /// All copies.
    pub fn copies(&self) -> &[Copy] {
        &self.copies
    }

    /// From now on copies stay where they are (`true`), or are allocated and moved at once (`false`, as it begins).
    pub fn set_held(&mut self, held: bool) {
        self.held = held;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Makes an index; its copies are unassigned until they are allocated.
    pub(crate) fn create(&mut self, index: &str, shards: u32, replicas: u32) {
        for shard in 0..shards {
            for copy in 0..=replicas {
                self.copies.push(Copy {
                    index: index.to_owned(),
                    shard,
                    primary: copy == 0,
                    state: CopyState::Unassigned,
                    node: None,
                });
            }
        }
    }

    /// How many copies that aren't unassigned are on a node.
    pub fn on(&self, node: &str) -> usize {
        self.copies.iter().filter(|copy| is_on(copy, node)).count()
    }

    /// What was on the node that has left is unassigned; where that was a primary, a replica takes its place.
    pub(crate) fn node_left(&mut self, node: &str) {
        for copy in self.copies.iter_mut().filter(|copy| is_on(copy, node)) {
            copy.state = CopyState::Unassigned;
        }
        for at in 0..self.copies.len() {
            let lost = &self.copies[at];
            if !lost.primary || lost.state != CopyState::Unassigned {
                continue;
            }
            let replica = self
                .copies
                .iter()
                .position(|copy| !copy.primary && same_shard(copy, lost) && copy.state == CopyState::Started);
            if let Some(replica) = replica {
                self.copies[at].primary = false;
                self.copies[replica].primary = true;
            }
        }
    }

    /// Allocates what can be allocated, and moves what must move.
    pub(crate) fn allocate(&mut self, rules: &Rules<'_>) {
        if self.held {
            return;
        }
        // Primaries first: a replica goes nowhere without one.
        for primary in [true, false] {
            for at in 0..self.copies.len() {
                let copy = &self.copies[at];
                if copy.primary != primary {
                    continue;
                }
                let must_move = match (copy.state, &copy.node) {
                    (CopyState::Unassigned, _) => true,
                    (_, Some(node)) => rules.leaving.contains(node),
                    (_, None) => false,
                };
                if must_move && let Some(node) = self.place(at, rules) {
                    self.copies[at].node = Some(node);
                    self.copies[at].state = CopyState::Started;
                }
            }
        }
    }

    /// Where a copy can go: where it was, or the node with the fewest copies.
    fn place(&self, at: usize, rules: &Rules<'_>) -> Option<String> {
        let copy = &self.copies[at];
        let unassigned = copy.state == CopyState::Unassigned;
        let data_is_on = copy.node.as_ref().filter(|_| unassigned);
        if let Some(node) = data_is_on {
            let here = rules.nodes.contains_key(node);
            if here && !rules.leaving.contains(node) && self.allowed(at, node, rules) {
                return Some(node.clone());
            }
            // A primary without another copy waits for its data; a node that was told to restart is waited for.
            if copy.primary || (!here && rules.restarting.contains(node)) {
                return None;
            }
        }
        let candidates = rules.nodes.values().filter(|member| member.holds_data());
        candidates
            .filter(|member| !rules.leaving.contains(&member.name))
            .filter(|member| self.allowed(at, &member.name, rules))
            .min_by_key(|member| self.on(&member.name))
            .map(|member| member.name.clone())
    }

    fn allowed(&self, at: usize, node: &str, rules: &Rules<'_>) -> bool {
        let copy = &self.copies[at];
        let another = |other: &&Copy| same_shard(other, copy) && is_on(other, node);
        if self.copies.iter().enumerate().any(|(other, candidate)| other != at && another(&candidate)) {
            return false;
        }
        if copy.primary {
            return true;
        }
        if rules.only_primaries && copy.state == CopyState::Unassigned {
            return false;
        }
        // A replica never goes to a node of an older version than its primary's.
        let primary = self.copies.iter().find(|other| other.primary && same_shard(other, copy));
        let Some(primary) = primary.filter(|primary| primary.state == CopyState::Started) else {
            return false;
        };
        let version = |name: &str| rules.nodes.get(name).map(|member| version_of(&member.version));
        primary.node.as_deref().and_then(version) <= version(node)
    }
}

fn is_on(copy: &Copy, node: &str) -> bool {
    copy.state != CopyState::Unassigned && copy.node.as_deref() == Some(node)
}

fn same_shard(one: &Copy, other: &Copy) -> bool {
    one.index == other.index && one.shard == other.shard
}

fn version_of(text: &str) -> Vec<u64> {
    let numbers = text.split(['.', '-']).map_while(|part| part.parse().ok());
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Cluster {
        nodes: BTreeMap<String, Member>,
        shards: Shards,
    }

    impl Cluster {
        fn new(members: &[(&str, &str)]) -> Self {
            let nodes = members.iter().map(|&(name, version)| (name.to_owned(), Member::new(name, version)));
            let mut cluster = Self { nodes: nodes.collect(), shards: Shards::default() };
            cluster.shards.create("logs", 1, 1);
            cluster.allocate(&[], &[]);
            cluster
        }

        fn allocate(&mut self, leaving: &[&str], restarting: &[&str]) {
            let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
            let rules = Rules {
                nodes: &self.nodes,
                leaving: own(leaving),
                restarting: own(restarting),
                only_primaries: false,
            };
            self.shards.allocate(&rules);
        }

        fn leave(&mut self, name: &str) {
            self.nodes.remove(name);
            self.shards.node_left(name);
        }

        fn unassigned(&self) -> usize {
            self.shards.copies.iter().filter(|copy| copy.state == CopyState::Unassigned).count()
        }
    }

    #[test]
    fn a_replica_takes_the_place_of_a_lost_primary_and_is_made_anew_elsewhere() {
        let mut cluster = Cluster::new(&[("a", "8.15.3"), ("b", "8.15.3"), ("c", "8.15.3")]);
        let primary = cluster.shards.copies.iter().find(|copy| copy.primary).unwrap().node.clone().unwrap();
        cluster.leave(&primary);
        assert_eq!(cluster.unassigned(), 1);
        assert!(cluster.shards.copies.iter().any(|copy| copy.primary && copy.state == CopyState::Started));
        cluster.allocate(&[], &[]);
        assert_eq!(cluster.unassigned(), 0);
    }

    #[test]
    fn what_was_on_a_node_that_restarts_waits_for_it() {
        let mut cluster = Cluster::new(&[("a", "8.15.3"), ("b", "8.15.3"), ("c", "8.15.3")]);
        let left = cluster.shards.copies[1].node.clone().unwrap();
        cluster.leave(&left);
        cluster.allocate(&[], &[&left]);
        assert_eq!(cluster.unassigned(), 1);
        cluster.nodes.insert(left.clone(), Member::new(&left, "8.15.3"));
        cluster.allocate(&[], &[&left]);
        assert_eq!(cluster.shards.on(&left), 1);
    }

    #[test]
    fn a_replica_stays_unassigned_while_only_older_nodes_are_there() {
        let mut cluster = Cluster::new(&[("a", "8.16.0"), ("b", "8.15.3")]);
        // Whichever held the primary, the newer one holds it now.
        cluster.leave("b");
        cluster.nodes.insert("b".to_owned(), Member::new("b", "8.15.3"));
        cluster.allocate(&[], &[]);
        assert_eq!(cluster.unassigned(), 1);
        cluster.nodes.insert("b".to_owned(), Member::new("b", "8.16.0"));
        cluster.allocate(&[], &[]);
        assert_eq!(cluster.unassigned(), 0);
    }

    #[test]
    fn a_node_that_leaves_is_emptied_if_there_is_room_elsewhere() {
        let mut cluster = Cluster::new(&[("a", "8.15.3"), ("b", "8.15.3"), ("c", "8.15.3")]);
        cluster.allocate(&["a"], &[]);
        assert_eq!(cluster.shards.on("a"), 0);
        cluster.allocate(&["a", "b"], &[]);
        assert!(cluster.shards.on("b") > 0, "two copies of a shard never share a node");
    }
}
