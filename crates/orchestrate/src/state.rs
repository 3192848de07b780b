//! What is specified and what was observed, side by side.

use parapet_api::{ChangeBudget, StackVersion};

use crate::{Disabled, Observed, Roles, shutdown_api};

/// One cluster at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The version of the specification.
    pub version: StackVersion,
    /// The version that the status reported before this pass: the lowest of any node.
    pub running: Option<StackVersion>,
    /// Those of the specification in its order, then those that only exist.
    pub node_sets: Vec<NodeSet>,
    /// All pods of the cluster, in any order.
    pub pods: Vec<Pod>,
    /// What Elasticsearch said.
    pub observed: Observed,
    /// How many nodes more or less there may be.
    pub budget: Budget,
    /// Rules that the user switched off.
    pub disabled: Disabled,
    /// The user holds all changes of nodes.
    pub paused: bool,
    /// The cluster has an id: it was formed once.
    pub formed: bool,
    /// What of our own last writes isn't seen yet, as [`crate::Expectations::pending`] says; nothing is taken down before.
    pub unsettled: Vec<String>,
}

/// A group of nodes: as specified, as it exists, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSet {
    /// The StatefulSet's name.
    pub name: String,
    /// As specified; none if it is to go.
    pub desired: Option<Desired>,
    /// As it exists; none if it is to come.
    pub live: Option<Live>,
}

/// A group of nodes as specified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// How many nodes.
    pub count: u32,
    /// What they do.
    pub roles: Roles,
}

/// A StatefulSet as it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its identity.
    pub uid: String,
    /// `spec.replicas`.
    pub replicas: u32,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `status.updateRevision`: that of the present template, if the generation was observed.
    pub update_revision: String,
    /// The version that the template's label says.
    pub version: Option<StackVersion>,
    /// The roles that the template's labels say.
    pub roles: Roles,
    /// What is built from the specification differs from what exists, the number of replicas aside.
    pub changed: bool,
}

/// A pod of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// `<StatefulSet>-<ordinal>`.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// What a deletion is bound to.
    pub resource_version: String,
    /// The StatefulSet's name.
    pub set: String,
    /// Its place in the StatefulSet.
    pub ordinal: u32,
    /// The label `controller-revision-hash`.
    pub revision: String,
    /// The condition Ready.
    pub ready: bool,
    /// It has a deletion timestamp.
    pub terminating: bool,
    /// The phase Pending.
    pub pending: bool,
    /// Restarts of the main container.
    pub restarts: u32,
    /// The main container was restarted, and isn't running now.
    pub looping: bool,
    /// The label of its version.
    pub version: Option<StackVersion>,
    /// The roles that its labels say: those that it runs with.
    pub roles: Roles,
}

impl Pod {
    /// Whether it isn't there, or not for long, with what it was made of.
    pub(crate) fn cannot_start(&self) -> bool {
        !self.ready && (self.pending || self.looping)
    }
}

/// How many nodes more or less there may be; `None` is any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Missing.
    pub max_unavailable: Option<u32>,
    /// Too many.
    pub max_surge: Option<u32>,
}

impl From<&ChangeBudget> for Budget {
    fn from(budget: &ChangeBudget) -> Self {
        Self {
            max_unavailable: u32::try_from(budget.max_unavailable.unwrap_or(1)).ok(),
            max_surge: budget.max_surge.and_then(|surge| u32::try_from(surge).ok()),
        }
    }
}

/// A shutdown record to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeShutdown {
    /// Which node: the key of the API.
    pub node_id: String,
    /// Its name.
    pub node: String,
}

/// The name of a pod of a StatefulSet.
pub fn pod_name(set: &str, ordinal: u32) -> String {
    format!("{set}-{ordinal}")
}

impl NodeSet {
    /// How many nodes there shall be in the end.
    pub fn target(&self) -> u32 {
        self.desired.as_ref().map_or(0, |desired| desired.count)
    }

    /// How many the StatefulSet has been told to have.
    pub fn replicas(&self) -> u32 {
        self.live.as_ref().map_or(0, |live| live.replicas)
    }

    /// How many of those it has been told to have shall stay.
    pub(crate) fn staying(&self) -> u32 {
        self.replicas().min(self.target())
    }

    /// The roles that a pod made now would have.
    pub(crate) fn roles(&self) -> Option<&Roles> {
        self.live.as_ref().map(|live| &live.roles).or(self.desired.as_ref().map(|desired| &desired.roles))
    }
}

impl State {
    /// How many nodes there shall be in the end.
    pub fn target(&self) -> u32 {
        self.node_sets.iter().map(NodeSet::target).sum()
    }

    /// The group of nodes that a pod belongs to.
    pub fn set_of(&self, pod: &Pod) -> Option<&NodeSet> {
        self.node_sets.iter().find(|set| set.name == pod.set)
    }

    /// The pod of that name.
    pub fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.name == name)
    }

    /// Whether it serves: ready, not on its way out, and in the cluster.
    pub fn healthy(&self, pod: &Pod) -> bool {
        pod.ready && !pod.terminating && self.observed.node(&pod.name).is_some()
    }

    /// Whether it shall stay: within the specified number of its group.
    pub fn stays(&self, pod: &Pod) -> bool {
        self.set_of(pod).is_some_and(|set| pod.ordinal < set.staying())
    }

    /// Whether its template changed since it was made. Unknown revisions count as the present one.
    pub(crate) fn outdated(&self, pod: &Pod) -> bool {
        self.set_of(pod).and_then(|set| set.live.as_ref()).is_some_and(|live| {
            live.observed_generation >= live.generation
                && !live.update_revision.is_empty()
                && live.update_revision != pod.revision
        })
    }

    /// Whether it is a master, or will be one once it is made anew.
    pub(crate) fn is_or_becomes_master(&self, pod: &Pod) -> bool {
        pod.roles.is_master_eligible() || self.becomes_master(pod)
    }

    pub(crate) fn becomes_master(&self, pod: &Pod) -> bool {
        self.set_of(pod).and_then(NodeSet::roles).is_some_and(Roles::is_master_eligible)
    }

    /// How many masters were asked for and have no pod: they count in elections, and don't vote.
    pub(crate) fn missing_masters(&self) -> usize {
        let masters = self.node_sets.iter().filter_map(|set| set.live.as_ref().map(|live| (set, live)));
        masters
            .filter(|(_, live)| live.roles.is_master_eligible())
            .flat_map(|(set, live)| (0..live.replicas).map(|ordinal| pod_name(&set.name, ordinal)))
            .filter(|name| self.pod(name).is_none())
            .count()
    }

    /// Whether nodes change their version: the specification is ahead of the lowest node.
    pub fn upgrades(&self) -> bool {
        self.running.as_ref().is_some_and(|running| self.version > *running)
    }

    /// Whether a pod runs something older than specified.
    pub(crate) fn runs_older(&self, pod: &Pod) -> bool {
        pod.version.as_ref().is_some_and(|version| *version < self.version)
    }

    /// Whether all nodes have the shutdown API: the lowest version that any node runs decides.
    pub fn shutdown_api(&self) -> bool {
        let nodes = self.observed.nodes.iter().flatten().map(|(_, node)| &node.version);
        let pods = self.pods.iter().filter_map(|pod| pod.version.as_ref());
        nodes.chain(pods).min().map_or_else(|| shutdown_api(&self.version), shutdown_api)
    }
}
