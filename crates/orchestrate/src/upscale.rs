//! Which StatefulSets may be created, changed and enlarged now. It never needs Elasticsearch's answer.

use parapet_api::StackVersion;

use crate::{Desired, NodeSet, State, pod_name, state::Live};

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

/// Decides what may come. New templates are applied to all StatefulSets at once, as no pod changes before it is deleted;
/// only in a version upgrade masters get theirs once every other node runs the new version. Nodes are added as far as
/// `maxSurge` allows, in the order of the specification.
pub fn upscale(state: &State) -> Upscale {
    let mut plan = Upscale::default();
    let mut allowed = allowed_creations(state);
    let hold = masters_wait(state);
    for set in &state.node_sets {
        let Some(desired) = &set.desired else { continue };
        size(state, set, desired, &mut allowed, &mut plan);
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
    let master = desired.roles.master() || live.roles.master();
    match hold {
        Some(why) if master && changes_version(live.version.as_ref(), &state.version) => {
            plan.held.push(Held { set: name, why: why.to_owned() });
        }
        _ => plan.update.push(name),
    }
}

fn size(state: &State, set: &NodeSet, desired: &Desired, allowed: &mut Option<u32>, plan: &mut Upscale) {
    let from = set.replicas();
    let wanted = desired.count.saturating_sub(from);
    let granted = if state.paused { 0 } else { allowed.map_or(wanted, |allowed| allowed.min(wanted)) };
    if let Some(allowed) = allowed {
        *allowed -= granted;
    }
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

/// How many nodes may be added; `None` is any number.
fn allowed_creations(state: &State) -> Option<u32> {
    let existing: u32 = state.node_sets.iter().map(NodeSet::replicas).sum();
    state.budget.max_surge.map(|surge| (state.target() + surge).saturating_sub(existing))
}

/// Why masters keep their version yet: some other node that stays doesn't run the new one.
fn masters_wait(state: &State) -> Option<String> {
    for set in &state.node_sets {
        let (Some(desired), Some(live)) = (&set.desired, &set.live) else { continue };
        if desired.roles.master() || live.roles.master() {
            continue;
        }
        let behind = |version: Option<&StackVersion>| changes_version(version, &state.version);
        let old = (0..set.staying()).map(|ordinal| pod_name(&set.name, ordinal)).find(|name| {
            state.pod(name).map_or(behind(live.version.as_ref()), |pod| behind(pod.version.as_ref()))
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
