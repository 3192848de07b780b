//! Which nodes may be drained and removed now.

use std::collections::{BTreeMap, BTreeSet};

use parapet_api::Health;

use crate::{NodeSet, NodeShutdown, Pod, Shard, ShutdownKind, ShutdownStatus, State, pod_name};

/// What leaves, to be carried out in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downscale {
    /// Nodes that don't leave any more: their record of removal is to be deleted.
    pub cancel: Vec<NodeShutdown>,
    /// Nodes that leave: a record of removal is to be made.
    pub shutdown: Vec<NodeShutdown>,
    /// Without the shutdown API: exactly these nodes are to get no shards; none is `none_excluded`.
    pub exclude_allocation: Option<BTreeSet<String>>,
    /// Voting exclusions are to be cleared: nobody leaves any more.
    pub clear_voting_exclusions: bool,
    /// StatefulSets to make smaller.
    pub lower: Vec<Lower>,
    /// StatefulSets to delete: specified no more, without replicas and pods.
    pub delete_sets: Vec<String>,
    /// Nodes that leave, those removed in this pass included, and those whose pods aren't gone yet.
    pub leaving: Vec<Leaving>,
}

/// A StatefulSet to make smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lower {
    /// Its name.
    pub set: String,
    /// As it is.
    pub from: u32,
    /// As it shall be after this pass.
    pub to: u32,
    /// Masters among those that go. Elasticsearch must have excluded them from voting before the replicas are lowered; if it
    /// refuses, they stay.
    pub exclude_from_voting: Vec<String>,
}

/// A node that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its pod.
    pub pod: String,
    /// How far it is with handing over its shards.
    pub status: ShutdownStatus,
    /// What it waits for, in a sentence; none if it is removed in this pass.
    pub why: Option<String>,
}

impl Downscale {
    /// Whether there is nothing to do and nothing that waits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Decides what may leave. Nodes leave from the top of their StatefulSet, all drained at once; a node is removed when it
/// holds no shard any more, if enough others are ready (`maxUnavailable`), at most one master at a time, and never the last.
pub fn downscale(state: &State) -> Downscale {
    let mut plan = Downscale::default();
    if let Some(why) = held(state) {
        let waits = |pod| Leaving { pod, status: ShutdownStatus::NotStarted, why: Some(why.clone()) };
        plan.leaving = leaving_names(state).map(waits).chain(ending(state)).collect();
        return plan;
    }
    ask_elasticsearch(state, &mut plan);
    let mut removal = Removal::new(state);
    for set in &state.node_sets {
        lower(state, set, &mut removal, &mut plan);
    }
    plan.leaving.extend(ending(state));
    plan.delete_sets =
        state.node_sets.iter().filter(|set| abandoned(state, set)).map(|s| s.name.clone()).collect();
    plan.clear_voting_exclusions = state.observed.voting_exclusions != Some(false)
        && plan.leaving.is_empty()
        && plan.delete_sets.is_empty()
        && !state.pods.iter().any(|pod| pod.roles.is_master_eligible() && !state.becomes_master(pod))
        && only_specified_nodes(state);
    plan
}

/// Why nothing can leave at all.
fn held(state: &State) -> Option<String> {
    if state.paused {
        return Some(
            "orchestration is paused by the annotation eck.k8s.elastic.co/pause-orchestration".to_owned(),
        );
    }
    if let Some(why) = state.unsettled.first() {
        return Some(why.clone());
    }
    (!state.observed.reachable())
        .then(|| "Elasticsearch doesn't answer, so nobody can say what the node holds".to_owned())
}

/// The names of pods to remove, per StatefulSet from the top.
fn leaving_names(state: &State) -> impl Iterator<Item = String> + '_ {
    state
        .node_sets
        .iter()
        .flat_map(|set| (set.target()..set.replicas()).rev().map(|ordinal| pod_name(&set.name, ordinal)))
}

/// Pods that nobody asks for any more and that aren't gone yet. Those of a StatefulSet that is being made anew are asked for.
fn ending(state: &State) -> impl Iterator<Item = Leaving> + '_ {
    let ends = |pod: &&Pod| match state.set_of(pod) {
        None => pod.terminating,
        Some(set) => set.live.as_ref().is_some_and(|live| pod.ordinal >= live.replicas),
    };
    state.pods.iter().filter(ends).map(|pod| Leaving {
        pod: pod.name.clone(),
        status: ShutdownStatus::Complete,
        why: Some("its pod ends".to_owned()),
    })
}

/// What Elasticsearch must be told for nodes to be drained, or not to be any more.
fn ask_elasticsearch(state: &State, plan: &mut Downscale) {
    let leaving: BTreeSet<String> = leaving_names(state).collect();
    if !state.shutdown_api() {
        let Some(allocation) = &state.observed.allocation else { return };
        if allocation.excluded != leaving && (!leaving.is_empty() || only_specified_nodes(state)) {
            plan.exclude_allocation = Some(leaving);
        }
        return;
    }
    let (Some(nodes), Some(shutdowns)) = (&state.observed.nodes, &state.observed.shutdowns) else { return };
    let gone = state.pods.iter().filter(|pod| !state.stays(pod)).map(|pod| pod.name.as_str());
    let gone: BTreeSet<&str> = gone.collect();
    for (name, node) in nodes {
        let kind = shutdowns.get(&node.id).map(|shutdown| shutdown.kind);
        let step = || NodeShutdown { node_id: node.id.clone(), node: name.clone() };
        if leaving.contains(name) {
            if kind != Some(ShutdownKind::Remove) {
                plan.shutdown.push(step());
            }
        } else if kind == Some(ShutdownKind::Remove) && !gone.contains(name.as_str()) {
            plan.cancel.push(step());
        }
    }
}

/// How many may still be removed in this pass.
struct Removal {
    /// `None` is any number.
    budget: Option<u32>,
    /// A master is on its way out.
    master: bool,
}

impl Removal {
    fn new(state: &State) -> Self {
        let ready = count(state.pods.iter().filter(|pod| pod.ready && !pod.terminating));
        let needed = |max_unavailable| state.target().saturating_sub(max_unavailable);
        Self {
            budget: state.budget.max_unavailable.map(|most| ready.saturating_sub(needed(most))),
            master: state.pods.iter().any(|pod| pod.terminating && pod.roles.is_master_eligible()),
        }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

fn lower(state: &State, set: &NodeSet, removal: &mut Removal, plan: &mut Downscale) {
    let from = set.replicas();
    let mut step = Lower { set: set.name.clone(), from, to: from, exclude_from_voting: Vec::new() };
    let mut blocked: Option<String> = None;
    for ordinal in (set.target()..from).rev() {
        let name = pod_name(&set.name, ordinal);
        let (status, holds) = drained(state, &name);
        let verdict = match (holds, &blocked) {
            (Some(why), _) => Err(why),
            (None, Some(first)) => {
                Err(format!("{first} goes first: a StatefulSet is shortened from its end"))
            }
            (None, None) => may_go(state, &name, removal),
        };
        let why = match verdict {
            Ok(master) => {
                step.to = ordinal;
                step.exclude_from_voting.extend(master.then(|| name.clone()));
                None
            }
            Err(why) => {
                blocked.get_or_insert_with(|| name.clone());
                Some(why)
            }
        };
        plan.leaving.push(Leaving { pod: name, status, why });
    }
    if step.to < step.from {
        plan.lower.push(step);
    }
}

/// How far a node is with handing over what it holds, and why it isn't done.
fn drained(state: &State, name: &str) -> (ShutdownStatus, Option<String>) {
    if state.observed.node(name).is_none() {
        let why = absent(state, name);
        let status = if why.is_some() { ShutdownStatus::NotStarted } else { ShutdownStatus::Complete };
        return (status, why);
    }
    if state.shutdown_api() { drained_by_shutdown(state, name) } else { drained_by_exclusion(state, name) }
}

fn drained_by_shutdown(state: &State, name: &str) -> (ShutdownStatus, Option<String>) {
    let record = state.observed.shutdown_of(name).filter(|record| record.kind == ShutdownKind::Remove);
    let Some(record) = record else {
        return (ShutdownStatus::NotStarted, Some("Elasticsearch is told that it leaves".to_owned()));
    };
    let explained = |text: &str| record.explanation.clone().unwrap_or_else(|| text.to_owned());
    let why = match record.status {
        ShutdownStatus::Complete => holds_only_copy(state, name),
        ShutdownStatus::NotStarted => Some(explained("Elasticsearch hasn't begun to move its shards")),
        ShutdownStatus::InProgress => Some(explained("its shards are moving to other nodes")),
        ShutdownStatus::Stalled => Some(explained("no other node may take its shards")),
    };
    (record.status, why)
}

fn drained_by_exclusion(state: &State, name: &str) -> (ShutdownStatus, Option<String>) {
    let excluded =
        state.observed.allocation.as_ref().is_some_and(|allocation| allocation.excluded.contains(name));
    if !excluded {
        return (ShutdownStatus::NotStarted, Some("Elasticsearch is told that it leaves".to_owned()));
    }
    let why = holds_movable(state, name);
    let status = if why.is_some() { ShutdownStatus::InProgress } else { ShutdownStatus::Complete };
    (status, why)
}

/// A node that is done may still hold copies that have no place elsewhere, as Elasticsearch counts on others of them. Of
/// these one must be on a node that stays.
fn holds_only_copy(state: &State, name: &str) -> Option<String> {
    let Some(shards) = &state.observed.shards else {
        return Some("nobody can say yet what it holds".to_owned());
    };
    let leaving: BTreeSet<String> = leaving_names(state).collect();
    let stays =
        |copy: &Shard| copy.started() && copy.node.as_ref().is_some_and(|node| !leaving.contains(node));
    let alone = shards
        .iter()
        .filter(|shard| shard.on(name) || shard.target.as_deref() == Some(name))
        .find(|shard| !shards.iter().any(|copy| copy.copy_of(shard) && stays(copy)))?;
    Some(format!("no node that stays serves shard {} of {}", alone.number, alone.index))
}

/// What it is seen to hold, copies aside that have no place elsewhere: every node that stays has one already.
fn holds_movable(state: &State, name: &str) -> Option<String> {
    let alone = holds_only_copy(state, name);
    let Some(shards) = &state.observed.shards else { return alone };
    let holds = |node: &str, shard: &Shard| shards.iter().any(|copy| copy.on(node) && copy.copy_of(shard));
    let takers: Vec<&Pod> =
        state.pods.iter().filter(|pod| state.stays(pod) && pod.roles.holds_data()).collect();
    let movable = |shard: &&Shard| !takers.iter().all(|pod| holds(&pod.name, shard));
    let held = shards.iter().filter(|shard| shard.on(name) || shard.target.as_deref() == Some(name));
    match held.filter(movable).count() {
        0 => alone,
        1 => Some("it holds a shard".to_owned()),
        held => Some(format!("it holds {held} shards")),
    }
}

/// A node that isn't in the cluster can't be drained. It may have on its disk what nobody else has, if anything is missing.
fn absent(state: &State, name: &str) -> Option<String> {
    let Some(shards) = &state.observed.shards else {
        return Some("nobody can say yet what it holds".to_owned());
    };
    let mut served = BTreeMap::new();
    for shard in shards {
        *served.entry((&shard.index, shard.number)).or_insert(false) |= shard.started();
    }
    match served.into_iter().find(|(_, served)| !served) {
        Some(((index, number), _)) => Some(format!(
            "it isn't in the cluster, and no node serves shard {number} of {index}: {name} may have the only copy"
        )),
        None if state.observed.health == Health::Unknown => {
            Some("the cluster's health is unknown".to_owned())
        }
        None => None,
    }
}

/// Whether a node that holds nothing may go now, and whether it counts in elections.
fn may_go(state: &State, name: &str, removal: &mut Removal) -> Result<bool, String> {
    let Some(pod) = state.pod(name) else {
        // What is known of a node, whether it is a master above all, is known by its pod.
        return match state.observed.node(name) {
            Some(_) => Err("it is in the cluster, and its pod isn't seen".to_owned()),
            None => Ok(false),
        };
    };
    let serves = pod.ready && !pod.terminating;
    if serves && removal.budget == Some(0) {
        return Err("maxUnavailable is reached: other nodes must become ready first".to_owned());
    }
    if pod.roles.is_master_eligible() {
        master_may_go(state, pod, removal)?;
        removal.master = true;
    }
    if let Some(budget) = removal.budget.as_mut().filter(|_| serves) {
        *budget -= 1;
    }
    Ok(pod.roles.is_master_eligible())
}

fn master_may_go(state: &State, pod: &Pod, removal: &Removal) -> Result<(), String> {
    if removal.master {
        return Err("one master leaves at a time".to_owned());
    }
    let others: Vec<&Pod> =
        state.pods.iter().filter(|p| p.roles.is_master_eligible() && p.name != pod.name).collect();
    let healthy = others.iter().filter(|pod| state.healthy(pod)).count();
    let all = others.len() + state.missing_masters();
    if healthy == 0 {
        return Err("it is the last master that is ready".to_owned());
    }
    if state.healthy(pod) && healthy * 2 <= all {
        return Err(format!("only {healthy} of the other {all} masters are ready"));
    }
    Ok(())
}

/// Whether a StatefulSet is specified no more and nothing of it is left.
fn abandoned(state: &State, set: &NodeSet) -> bool {
    set.desired.is_none()
        && set
            .live
            .as_ref()
            .is_some_and(|live| live.replicas == 0 && live.observed_generation >= live.generation)
        && !state.pods.iter().any(|pod| pod.set == set.name)
}

/// Whether the pods, and the nodes that Elasticsearch knows, are those of the specification and no others.
pub(crate) fn only_specified_nodes(state: &State) -> bool {
    let specified: BTreeSet<String> = state
        .node_sets
        .iter()
        .flat_map(|set| (0..set.target()).map(|ordinal| pod_name(&set.name, ordinal)))
        .collect();
    let known = state.observed.nodes.iter().flatten().map(|(name, _)| name);
    state.pods.iter().map(|pod| &pod.name).chain(known).all(|name| specified.contains(name))
        && specified.iter().all(|name| state.observed.node(name).is_some())
}
