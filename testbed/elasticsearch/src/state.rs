//! What the cluster knows, and how it changes when nodes come and go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::shards::Rules;
use crate::{CopyState, Member, Progress, Script, Shards, Shutdown, ShutdownKind, Voting};

/// The cluster.
#[derive(Debug, Default)]
pub struct State {
    /// Its name.
    pub cluster_name: String,
    /// Its id, once it is formed.
    pub cluster_uuid: Option<String>,
    /// The nodes that are there, by name.
    pub nodes: BTreeMap<String, Member>,
    /// Who votes.
    pub voting: Voting,
    /// Copies of shards.
    pub shards: Shards,
    /// Nodes that are to be shut down, by node id.
    pub shutdowns: BTreeMap<String, Shutdown>,
    /// How shutdowns go.
    pub script: Script,
    /// Settings that stay, flat: `cluster.routing.allocation.enable`.
    pub persistent: Map<String, Value>,
    /// Settings that end with the cluster, flat.
    pub transient: Map<String, Value>,
    /// The licence: `license` of `GET /_license`.
    pub licence: Value,
    /// What was last put as desired nodes: `history_id`, `version`, `nodes`.
    pub desired_nodes: Option<Value>,
    /// Names of the tokens of Kibana's service account that all nodes know.
    pub kibana_tokens: BTreeSet<String>,
    /// API keys by id: what was sent, and whether it stands.
    pub api_keys: BTreeMap<String, Value>,
    /// Tasks that the master has not come to.
    pub pending_tasks: u32,
    counter: u64,
}

impl State {
    pub(crate) fn new(cluster_name: String) -> Self {
        let licence = json!({
            "status": "active", "uid": "a-basic-licence", "type": "basic", "issue_date_in_millis": 1,
            "max_nodes": 1000, "issued_to": cluster_name, "issuer": "elasticsearch", "start_date_in_millis": -1,
        });
        Self { cluster_name, licence, ..Self::default() }
    }

    /// A number that nobody had before.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A node comes; one of the same name and another incarnation is gone.
    pub fn join(&mut self, member: Member) {
        if let Some(own) = self.nodes.get(&member.name)
            && own.incarnation != member.incarnation
        {
            self.leave(&member.name.clone());
        }
        self.nodes.insert(member.name.clone(), member);
        self.settle();
    }

    /// A node goes.
    pub fn leave(&mut self, name: &str) {
        if self.nodes.remove(name).is_some() {
            self.shards.node_left(name);
            self.settle();
        }
    }

    /// These nodes are there, and no others.
    pub fn set_members(&mut self, members: &[Member]) {
        let stay: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let gone: Vec<String> =
            self.nodes.keys().filter(|name| !stay.contains(name.as_str())).cloned().collect();
        for name in gone {
            self.leave(&name);
        }
        for member in members {
            self.join(member.clone());
        }
    }

    /// Makes an index.
    pub fn create_index(&mut self, name: &str, shards: u32, replicas: u32) {
        self.shards.create(name, shards, replicas);
        self.settle();
    }

    /// Votes, allocates and moves, as it would go by itself.
    pub fn settle(&mut self) {
        let masters = self.masters();
        self.voting.reconfigure(&masters);
        if !self.voting.has_master() {
            return;
        }
        if self.cluster_uuid.is_none() {
            self.cluster_uuid = Some(format!("uuid-of-{}", self.cluster_name));
        }
        let named = |kind: ShutdownKind| {
            let of_kind = move |node: &&Shutdown| node.kind == kind;
            self.shutdowns.values().filter(of_kind).map(|shutdown| shutdown.node.clone())
        };
        let removed: BTreeSet<String> = named(ShutdownKind::Remove).collect();
        let restarted: BTreeSet<String> = named(ShutdownKind::Restart).collect();
        let excluded = self.setting("cluster.routing.allocation.exclude._name");
        let excluded: BTreeSet<&str> = excluded.iter().flat_map(|names| names.split(',')).collect();
        let leaves =
            |member: &&Member| removed.contains(&member.id()) || excluded.contains(member.name.as_str());
        let leaving = self.nodes.values().filter(leaves).map(|member| member.name.clone()).collect();
        // A node that restarts isn't there, so that its name is found by what was on it.
        let restarting = self.shards.copies().iter().filter_map(|copy| copy.node.clone());
        let restarting = restarting.filter(|name| restarted.contains(&Member::new(name, "").id())).collect();
        let rules = Rules {
            nodes: &self.nodes,
            leaving,
            restarting,
            only_primaries: self.setting("cluster.routing.allocation.enable").as_deref() == Some("primaries"),
        };
        self.shards.allocate(&rules);
    }

    /// The names of the nodes that may become master.
    pub(crate) fn masters(&self) -> BTreeSet<String> {
        let eligible = self.nodes.values().filter(|member| member.is_master_eligible());
        eligible.map(|member| member.name.clone()).collect()
    }

    /// The master: the first that votes and is there.
    pub fn master(&self) -> Option<&Member> {
        let voters = self.voting.has_master().then(|| self.voting.voters().iter()).into_iter().flatten();
        voters.filter_map(|name| self.nodes.get(name)).next()
    }

    /// A node by its id.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Member> {
        self.nodes.values().find(|member| member.id() == id)
    }

    /// The lowest version of any node.
    pub(crate) fn version(&self) -> String {
        self.nodes.values().map(|member| member.version.clone()).min().unwrap_or_else(|| "8.15.3".to_owned())
    }

    /// A setting, transient before persistent.
    fn setting(&self, key: &str) -> Option<String> {
        let value = self.transient.get(key).or_else(|| self.persistent.get(key))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// `green`, `yellow` or `red`.
    pub fn health(&self) -> &'static str {
        let missing =
            |copy: &&crate::Copy| copy.state != CopyState::Started && copy.state != CopyState::Relocating;
        let mut missing = self.shards.copies().iter().filter(missing).peekable();
        if missing.peek().is_none() {
            "green"
        } else if missing.any(|copy| copy.primary) {
            "red"
        } else {
            "yellow"
        }
    }

    /// How far a shutdown is, how many copies are still to be moved, and what is said about it.
    pub fn progress(&self, shutdown: &Shutdown) -> (Progress, usize, Option<String>) {
        if let Script::Always(progress, explanation) = &self.script {
            return (*progress, usize::from(*progress != Progress::Complete), Some(explanation.clone()));
        }
        let Some(node) = self.by_id(&shutdown.node) else {
            let gone = "node is not currently part of the cluster".to_owned();
            return match shutdown.kind {
                ShutdownKind::Restart => (Progress::Complete, 0, None),
                ShutdownKind::Remove => (Progress::NotStarted, 0, Some(gone)),
            };
        };
        let left = self.shards.on(&node.name);
        match shutdown.kind {
            ShutdownKind::Restart => (Progress::Complete, 0, None),
            ShutdownKind::Remove if left == 0 => (Progress::Complete, 0, None),
            ShutdownKind::Remove if self.shards.is_held() => (Progress::InProgress, left, None),
            ShutdownKind::Remove => {
                let text = format!("{left} shards have no other node that may hold them");
                (Progress::Stalled, left, Some(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(nodes: &[&str]) -> State {
        let mut state = State::new("quickstart".to_owned());
        for name in nodes {
            state.join(Member::new(name, "8.15.3"));
        }
        state
    }

    #[test]
    fn a_cluster_is_formed_by_the_first_master_and_keeps_its_id() {
        let mut state = State::new("quickstart".to_owned());
        state.join(Member::new("d", "8.15.3").with_roles(&["data"]));
        assert_eq!(state.cluster_uuid, None);
        state.join(Member::new("m", "8.15.3").with_roles(&["master"]));
        let id = state.cluster_uuid.clone();
        assert!(id.is_some());
        state.leave("m");
        assert_eq!(state.cluster_uuid, id);
        assert!(state.master().is_none());
    }

    #[test]
    fn health_follows_the_nodes() {
        let mut state = cluster(&["a", "b", "c"]);
        state.create_index("logs", 1, 1);
        assert_eq!(state.health(), "green");
        state.shards.set_held(true);
        let on = state.shards.copies()[0].node.clone().unwrap();
        state.leave(&on);
        assert_eq!(state.health(), "yellow");
        let on = state.shards.copies()[1].node.clone().unwrap();
        state.leave(&on);
        assert_eq!(state.health(), "red");
    }

    #[test]
    fn a_pod_that_is_replaced_leaves_and_comes() {
        let mut state = cluster(&["a", "b", "c"]);
        state.create_index("logs", 1, 0);
        let on = state.shards.copies()[0].node.clone().unwrap();
        state.shards.set_held(true);
        state.join(Member { incarnation: "2".to_owned(), ..Member::new(&on, "8.15.3") });
        assert_eq!(state.health(), "red");
        state.shards.set_held(false);
        state.settle();
        assert_eq!(state.health(), "green", "its volume came back with it");
    }

    #[test]
    fn a_removal_that_has_nowhere_to_go_is_stalled() {
        let mut state = cluster(&["a", "b"]);
        state.create_index("logs", 1, 1);
        let node = state.nodes["b"].id();
        let shutdown = Shutdown {
            node: node.clone(),
            kind: ShutdownKind::Remove,
            reason: "test".to_owned(),
            allocation_delay: None,
            requested: 1,
        };
        state.shutdowns.insert(node, shutdown.clone());
        state.settle();
        assert_eq!(state.progress(&shutdown).0, Progress::Stalled);
        state.join(Member::new("c", "8.15.3"));
        assert_eq!(state.progress(&shutdown).0, Progress::Complete);
    }
}
