//! What Elasticsearch said of itself; each part may be unknown.

use std::collections::{BTreeMap, BTreeSet};

use parapet_api::{Health, StackVersion};

/// What Elasticsearch said. `None` is "nobody answered", never "there is none".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// As the cluster says.
    pub health: Health,
    /// The nodes that are in the cluster, by name; a node is named as its pod.
    pub nodes: Option<BTreeMap<String, Node>>,
    /// Every copy of every shard.
    pub shards: Option<Vec<Shard>>,
    /// Shutdown records by node id; those of nodes that are gone stay. `None` also where there is no shutdown API.
    pub shutdowns: Option<BTreeMap<String, Shutdown>>,
    /// What restricts allocation; nodes are drained by it only where there is no shutdown API.
    pub allocation: Option<Allocation>,
    /// Whether voting exclusions may be set: `Some(false)` once they were cleared and none was added since.
    pub voting_exclusions: Option<bool>,
}

impl Observed {
    /// Whether it answered.
    pub fn reachable(&self) -> bool {
        self.nodes.is_some()
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.as_ref()?.get(name)
    }

    pub(crate) fn shutdown_of(&self, name: &str) -> Option<&Shutdown> {
        self.shutdowns.as_ref()?.get(&self.node(name)?.id)
    }
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Kept over restarts, as long as its data is.
    pub id: String,
    /// What it runs.
    pub version: StackVersion,
}

/// One copy of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its index.
    pub index: String,
    /// Its number in the index.
    pub number: u32,
    /// Or else a replica.
    pub primary: bool,
    /// What it does.
    pub state: ShardState,
    /// The node that holds it; none if it is unassigned.
    pub node: Option<String>,
    /// The node that it moves to.
    pub target: Option<String>,
}

impl Shard {
    /// Whether the two are copies of the same.
    pub(crate) fn copy_of(&self, other: &Self) -> bool {
        self.number == other.number && self.index == other.index
    }

    /// Whether it can be read: started, or moving away from where it is.
    pub(crate) fn started(&self) -> bool {
        matches!(self.state, ShardState::Started | ShardState::Relocating)
    }

    pub(crate) fn on(&self, node: &str) -> bool {
        self.node.as_deref() == Some(node)
    }
}

/// What a copy of a shard does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardState {
    /// Serves.
    Started,
    /// Is copied.
    Initializing,
    /// Serves, and is copied elsewhere.
    Relocating,
    /// Is nowhere.
    Unassigned,
}

/// What Elasticsearch was told about a node that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// For good, or not.
    pub kind: ShutdownKind,
    /// How far it is.
    pub status: ShutdownStatus,
    /// Why, as Elasticsearch explains it.
    pub explanation: Option<String>,
}

/// Whether a node comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownKind {
    /// It does.
    Restart,
    /// It doesn't: its shards move away.
    Remove,
    /// Another one takes its place, or anything that we never ask for.
    Other,
}

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownStatus {
    /// Nothing happened yet.
    NotStarted,
    /// Shards are moving.
    InProgress,
    /// Shards can't move.
    Stalled,
    /// The node may go.
    Complete,
}

impl ShutdownStatus {
    /// As Elasticsearch writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Stalled => "STALLED",
            Self::Complete => "COMPLETE",
        }
    }
}

/// What restricts where shards may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Whether replicas are allocated; switched off while a node restarts.
    pub enabled: bool,
    /// Nodes that get no shards and lose those that they have.
    pub excluded: BTreeSet<String>,
}

/// Whether a version has the shutdown API in the form that is used here: from 7.15.2.
pub fn shutdown_api(version: &StackVersion) -> bool {
    version.at_least(7, 15, 2)
}
