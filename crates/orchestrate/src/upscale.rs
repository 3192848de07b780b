//! Which StatefulSets may be created, changed and enlarged now. It never needs Elasticsearch's answer.

use parapet_api::StackVersion;

use crate::{Desired, NodeSet, Pod, Roles, State, pod_name, state::Live};

/// What may come now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upscale {
    /// StatefulSets to create, with so many replicas.
    pub create: Vec<Resized>,
    /// StatefulSets whose template may be replaced now; their replicas are a separate matter.
    pub update: Vec<String>,
    /// StatefulSets to enlarge.
    pub raise: Vec<Raise>,
    /// StatefulSets that wait with a new template.
    pub held: Vec<Held>,
    /// Nodes that come, or wait to.
    pub nodes: Vec<Incoming>,
}

/// A StatefulSet with so many replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resized {
    /// Its name.
    pub set: String,
    /// How many replicas.
    pub replicas: u32,
}

/// A StatefulSet to enlarge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// Its name.
    pub set: String,
    /// As it is.
    pub from: u32,
    /// As it shall be after this pass.
    pub to: u32,
}

/// A StatefulSet whose new template waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub set: String,
    /// Why, in a sentence.
    pub why: String,
}

/// A node that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its pod.
    pub pod: String,
    /// It is asked for in this pass; else it waits.
    pub now: bool,
    /// Why it waits.
    pub why: Option<String>,
}

impl Upscale {
    /// Whether there is nothing to do and nothing that waits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Decides what may come.
///
/// New templates are applied to all StatefulSets at once, as no pod changes before it is deleted, with two exceptions: masters
/// that stop to be masters wait until another one is ready, and in a version upgrade masters wait until every other node runs
/// the new version, unless one of them can't start with what it has.
///
/// Nodes are added as far as `maxSurge` allows, in the order of the specification; beyond it, one comes that others need in
/// order to leave.
pub fn upscale(state: &State) -> Upscale {
    let mut plan = Upscale::default();
    let mut room = Room::of(state);
    let hold = masters_wait(state);
    for set in &state.node_sets {
        let Some(desired) = &set.desired else { continue };
        size(state, set, desired, &mut room, &mut plan);
        if let Some(live) = set.live.as_ref().filter(|live| live.changed) {
            template(state, set, desired, live, hold.as_deref(), &mut plan);
        }
    }
    plan
}

fn template(
    state: &State,
    set: &NodeSet,
    desired: &Desired,
    live: &Live,
    hold: Option<&str>,
    plan: &mut Upscale,
) {
    let name = set.name.clone();
    if state.paused {
        plan.held.push(Held { set: name, why: PAUSED.to_owned() });
        return;
    }
    if live.roles.is_master_eligible() && !desired.roles.is_master_eligible() && !another_master(state) {
        let why = "it stops to be a master, and no other master is ready yet".to_owned();
        plan.held.push(Held { set: name, why });
        return;
    }
    let master = desired.roles.is_master_eligible() || live.roles.is_master_eligible();
    match hold {
        Some(why)
            if master && changes_version(live.version.as_ref(), &state.version) && !stuck(state, set) =>
        {
            plan.held.push(Held { set: name, why: why.to_owned() });
        }
        _ => plan.update.push(name),
    }
}

/// Whether a master is ready that stays one. Before that, no other may stop to be one: whoever deletes its pod meanwhile would
/// end the cluster.
fn another_master(state: &State) -> bool {
    let stays = |pod: &Pod| {
        let desired = state.set_of(pod).and_then(|set| set.desired.as_ref());
        desired.is_some_and(|desired| desired.roles.is_master_eligible()) && state.becomes_master(pod)
    };
    state
        .pods
        .iter()
        .any(|pod| pod.roles.is_master_eligible() && stays(pod) && state.stays(pod) && state.healthy(pod))
}

/// Whether a master can't start with the present template: the new one may repair it, and nobody else goes before it does.
fn stuck(state: &State, set: &NodeSet) -> bool {
    state.pods.iter().any(|pod| pod.set == set.name && pod.cannot_start())
}

fn size(state: &State, set: &NodeSet, desired: &Desired, room: &mut Room, plan: &mut Upscale) {
    let from = set.replicas();
    let wanted = desired.count.saturating_sub(from);
    let granted = if state.paused { 0 } else { room.take(wanted, &desired.roles) };
    let to = from + granted;
    for ordinal in from..from + wanted {
        let now = ordinal < to;
        let why = if now { None } else { Some(waiting_text(state)) };
        plan.nodes.push(Incoming { pod: pod_name(&set.name, ordinal), now, why });
    }
    match &set.live {
        None if !state.paused => plan.create.push(Resized { set: set.name.clone(), replicas: to }),
        Some(_) if granted > 0 => plan.raise.push(Raise { set: set.name.clone(), from, to }),
        _ => {}
    }
}

const PAUSED: &str = "orchestration is paused by the annotation eck.k8s.elastic.co/pause-orchestration";

fn waiting_text(state: &State) -> String {
    if state.paused {
        return PAUSED.to_owned();
    }
    let surge = state.budget.max_surge.unwrap_or_default();
    format!("maxSurge is {surge}: a node must leave before another one can come")
}

/// How many nodes may be added.
struct Room {
    /// `None` is any number.
    allowed: Option<u32>,
    /// All masters leave, so that one more must come whatever `maxSurge` says: the last doesn't go before.
    master: bool,
    /// All nodes with data leave, so that one more must come: nobody else can take their shards.
    data: bool,
}

impl Room {
    fn of(state: &State) -> Self {
        let existing: u32 = state.node_sets.iter().map(NodeSet::replicas).sum();
        let none_stays = |is: fn(&Roles) -> bool| {
            let mut stays = state.node_sets.iter().filter(|set| set.staying() > 0);
            existing > 0 && !stays.any(|set| set.roles().is_some_and(is))
        };
        Self {
            allowed: state.budget.max_surge.map(|surge| (state.target() + surge).saturating_sub(existing)),
            master: none_stays(Roles::is_master_eligible),
            data: none_stays(Roles::holds_data),
        }
    }

    /// Takes as many of those that are wanted as there is room for.
    fn take(&mut self, wanted: u32, roles: &Roles) -> u32 {
        let needed = self.master && roles.is_master_eligible() || self.data && roles.holds_data();
        let least = u32::from(needed).min(wanted);
        let granted = self.allowed.map_or(wanted, |allowed| allowed.min(wanted)).max(least);
        self.allowed = self.allowed.map(|allowed| allowed.saturating_sub(granted));
        if granted > 0 {
            self.master &= !roles.is_master_eligible();
            self.data &= !roles.holds_data();
        }
        granted
    }
}

/// Why masters keep their version yet: some other node that stays doesn't run the new one.
fn masters_wait(state: &State) -> Option<String> {
    for set in &state.node_sets {
        let (Some(desired), Some(live)) = (&set.desired, &set.live) else { continue };
        if desired.roles.is_master_eligible() || live.roles.is_master_eligible() {
            continue;
        }
        let behind = |version: Option<&StackVersion>| changes_version(version, &state.version);
        let old = (0..set.staying()).map(|ordinal| pod_name(&set.name, ordinal)).find(|name| {
            // One that still is a master and won't be one may need those that wait, to take its place.
            state.pod(name).map_or(behind(live.version.as_ref()), |pod| {
                behind(pod.version.as_ref()) && !pod.roles.is_master_eligible()
            })
        });
        if let Some(pod) = old {
            let version = &state.version;
            return Some(format!(
                "masters are upgraded last: {pod}, which isn't a master, doesn't run {version} yet"
            ));
        }
    }
    None
}

fn changes_version(from: Option<&StackVersion>, to: &StackVersion) -> bool {
    from.is_some_and(|from| from < to)
}
