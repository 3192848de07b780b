//! Which pods may be made anew now, so that they run with the present template.

use crate::{
    NodeShutdown, Pod, Predicate, ShutdownKind, ShutdownStatus, State, candidates::Context,
    downscale::only_specified_nodes, pod_name, predicate::first_that_holds,
};

/// What is made anew, to be carried out in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    /// Ids of nodes that are back, or gone for good: their shutdown record is to be deleted.
    pub clear_shutdowns: Vec<String>,
    /// Without the shutdown API: all nodes are back, and replicas may be allocated again.
    pub enable_allocation: bool,
    /// Nodes that restart soon: a record is to be made.
    pub shutdown: Vec<NodeShutdown>,
    /// Without the shutdown API: what Elasticsearch is told before pods are deleted.
    pub prepare: Option<Prepare>,
    /// Masters that won't be masters any more, if one of them is deleted now. Elasticsearch must have excluded all of them
    /// from voting before.
    pub exclude_from_voting: Vec<String>,
    /// Pods to delete.
    pub delete: Vec<PodDelete>,
    /// Pods that wait.
    pub waiting: Vec<Blocked>,
}

/// What Elasticsearch is told before a node restarts, where there is no shutdown API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepare {
    /// Only primaries are to be allocated; else replicas would be copied to other nodes.
    pub disable_allocation: bool,
    /// Shards are to be flushed in step, so that they need no copying; a refusal (409) doesn't matter.
    pub synced_flush: bool,
}

/// A pod to delete, if it is still the one that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodDelete {
    /// Its name.
    pub pod: String,
    /// A precondition.
    pub uid: String,
    /// A precondition.
    pub resource_version: String,
    /// Why, in a sentence.
    pub why: String,
}

impl PodDelete {
    pub(crate) fn of(pod: &Pod, why: String) -> Self {
        Self {
            pod: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            why,
        }
    }
}

/// A pod that is to be made anew and waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Its name.
    pub pod: String,
    /// The rule that holds it; none if it isn't a rule that does.
    pub predicate: Option<Predicate>,
    /// Why, in a sentence.
    pub why: String,
}

impl Restart {
    /// Whether there is nothing to do and nothing that waits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes nothing down after all.
    pub(crate) fn postpone(&mut self, why: &str) {
        let deleted = self.delete.drain(..).map(|delete| delete.pod);
        let told = self.shutdown.drain(..).map(|shutdown| shutdown.node);
        for pod in deleted.chain(told) {
            if !self.waiting.iter().any(|blocked| blocked.pod == pod) {
                self.waiting.push(Blocked { pod, predicate: None, why: why.to_owned() });
            }
        }
        self.prepare = None;
        self.exclude_from_voting.clear();
    }
}

/// Decides which outdated pods are deleted, so that they come back with the present template: as many as `maxUnavailable`
/// leaves, each only if no [`Predicate`] holds it and Elasticsearch knows that it restarts.
///
/// A cluster of at most two masters can't elect while one restarts, and after a version upgrade of one the other could not
/// join it again: once masters are to change their version, all outdated pods go together, unless a master stops to be one,
/// which must be excluded from voting before. The nodes that are no masters were restarted one by one before, as their
/// template came first (see [`crate::upscale`]); there the reference takes all down at once.
pub fn restart(state: &State) -> Restart {
    let mut plan = Restart::default();
    let context = Context::new(state);
    if let Some(why) = held(state) {
        plan.waiting = context.candidates.iter().map(|pod| blocked(pod, None, why.clone())).collect();
        return plan;
    }
    complete(state, &mut plan);
    if together(&context) {
        all(&context, &mut plan);
    } else {
        one_by_one(context, &mut plan);
    }
    plan.exclude_from_voting = no_voters_any_more(state, &plan.delete);
    plan
}

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
        .then(|| "Elasticsearch doesn't answer, so nobody can say what the node serves".to_owned())
}

fn blocked(pod: &Pod, predicate: Option<Predicate>, why: String) -> Blocked {
    Blocked { pod: pod.name.clone(), predicate, why }
}

/// Ends what an earlier pass began: nodes that are back, nodes that are gone for good.
fn complete(state: &State, plan: &mut Restart) {
    let all_back = only_specified_nodes(state) && state.pods.iter().all(|pod| state.healthy(pod));
    let all_there = all_there(state);
    if let (Some(nodes), Some(shutdowns)) = (&state.observed.nodes, &state.observed.shutdowns) {
        for (id, record) in shutdowns {
            let node = nodes.iter().find(|(_, node)| node.id == *id);
            let restarted = record.kind == ShutdownKind::Restart;
            let over = match node.and_then(|(name, _)| state.pod(name)) {
                Some(pod) => restarted && state.healthy(pod) && state.stays(pod) && !state.outdated(pod),
                // Replicas are kept for a node that restarts; nobody waits for one that was removed meanwhile.
                None => node.is_none() && (all_back || restarted && all_there),
            };
            if over {
                plan.clear_shutdowns.push(id.clone());
            }
        }
    }
    plan.enable_allocation = all_there && state.observed.allocation.as_ref().is_some_and(|a| !a.enabled);
}

/// Whether every pod that was asked for is there and healthy. Nodes that leave don't wait for it, so it doesn't for them.
fn all_there(state: &State) -> bool {
    let asked_for =
        state.node_sets.iter().flat_map(|set| (0..set.replicas()).map(|at| pod_name(&set.name, at)));
    asked_for.into_iter().all(|name| state.pod(&name).is_some())
        && state.pods.iter().all(|pod| state.healthy(pod))
}

/// Whether all outdated pods must go at once.
fn together(context: &Context<'_>) -> bool {
    /// With three, two still elect while one restarts.
    const TOO_FEW: u32 = 2;
    let state = context.state;
    let desired = state.node_sets.iter().filter_map(|set| set.desired.as_ref());
    let expected: u32 =
        desired.filter(|desired| desired.roles.is_master_eligible()).map(|desired| desired.count).sum();
    let actual = state.pods.iter().filter(|pod| pod.roles.is_master_eligible()).count();
    state.upgrades()
        && expected <= TOO_FEW
        && actual <= TOO_FEW as usize
        && context.candidates.iter().any(|pod| state.is_or_becomes_master(pod) && state.runs_older(pod))
        && !context.candidates.iter().any(|pod| leaves_masters(state, pod))
}

fn all(context: &Context<'_>, plan: &mut Restart) {
    let pods: Vec<&Pod> = context.candidates.iter().copied().filter(|pod| !pod.terminating).collect();
    for pod in &pods {
        prepare(context.state, pod, plan);
    }
    if plan.waiting.is_empty() {
        return;
    }
    let why = "all nodes are restarted together, as two masters can't be upgraded one after the other";
    let ready =
        plan.delete.drain(..).map(|delete| Blocked { pod: delete.pod, predicate: None, why: why.to_owned() });
    plan.waiting.extend(ready);
    plan.prepare = None;
}

fn one_by_one(mut context: Context<'_>, plan: &mut Restart) {
    let state = context.state;
    // Who was told to restart goes first, or more and more nodes would be told.
    let told = |pod: &&Pod| {
        state.observed.shutdown_of(&pod.name).is_none_or(|record| record.kind != ShutdownKind::Restart)
    };
    let mut candidates = context.candidates.clone();
    candidates.sort_by_key(told);
    // Whatever rules are switched off, a pass takes no more than the budget, and one at least.
    let most = context.allowed.map(|allowed| allowed.max(1) as usize);
    for pod in candidates {
        let healthy = context.chosen.iter().filter(|chosen| state.healthy(chosen)).count();
        let verdict = if state.healthy(pod) && most.is_some_and(|most| healthy >= most) {
            Some((Predicate::MaxUnavailable, "as many as maxUnavailable allows go before it".to_owned()))
        } else {
            first_that_holds(&context, pod)
        };
        match verdict {
            Some((predicate, why)) => plan.waiting.push(blocked(pod, Some(predicate), why)),
            None => {
                context.choose(pod);
                prepare(state, pod, plan);
            }
        }
    }
}

/// The next step for a pod that may go: tell Elasticsearch, wait for it, or delete the pod.
fn prepare(state: &State, pod: &Pod, plan: &mut Restart) {
    let delete = || PodDelete::of(pod, reason(state, pod));
    let Some(node) = state.observed.node(&pod.name) else {
        plan.delete.push(delete());
        return;
    };
    if !state.shutdown_api() {
        match &state.observed.allocation {
            None => plan.waiting.push(blocked(
                pod,
                None,
                "the settings of the cluster aren't known yet".to_owned(),
            )),
            Some(allocation) => {
                plan.prepare = Some(Prepare { disable_allocation: allocation.enabled, synced_flush: true });
                plan.enable_allocation = false;
                plan.delete.push(delete());
            }
        }
        return;
    }
    let Some(shutdowns) = &state.observed.shutdowns else {
        plan.waiting.push(blocked(
            pod,
            None,
            "the shutdown records of the cluster aren't known yet".to_owned(),
        ));
        return;
    };
    match shutdowns.get(&node.id).filter(|record| record.kind == ShutdownKind::Restart) {
        None => {
            plan.shutdown.push(NodeShutdown { node_id: node.id.clone(), node: pod.name.clone() });
            plan.waiting.push(blocked(pod, None, "Elasticsearch is told that it restarts".to_owned()));
        }
        Some(record) if record.status == ShutdownStatus::Complete => plan.delete.push(delete()),
        Some(record) => {
            let why = record.explanation.clone();
            let why = why.unwrap_or_else(|| "Elasticsearch isn't ready for its restart yet".to_owned());
            plan.waiting.push(blocked(pod, None, why));
        }
    }
}

/// Whether it is a master and won't be one when it is made anew.
fn leaves_masters(state: &State, pod: &Pod) -> bool {
    pod.roles.is_master_eligible() && !state.becomes_master(pod)
}

/// Those whose votes must not be counted on when these pods are deleted. All that leave the masters, not only the first:
/// their template is the new one already, so one that dies by itself comes back without its vote. Only the deleted ones if
/// nobody else could vote yet.
fn no_voters_any_more(state: &State, deleted: &[PodDelete]) -> Vec<String> {
    let is_deleted = |pod: &&Pod| deleted.iter().any(|delete| delete.pod == pod.name);
    let leaving = || state.pods.iter().filter(|pod| leaves_masters(state, pod));
    if !leaving().any(|pod| is_deleted(&pod)) {
        return Vec::new();
    }
    let mut masters = state.pods.iter().filter(|pod| pod.roles.is_master_eligible());
    let others = masters.any(|pod| !leaves_masters(state, pod) && state.healthy(pod));
    leaving().filter(|pod| others || is_deleted(pod)).map(|pod| pod.name.clone()).collect()
}

fn reason(state: &State, pod: &Pod) -> String {
    match &pod.version {
        Some(version) if *version < state.version => {
            format!("it runs {version}, and {} is specified", state.version)
        }
        _ => "the template of its group changed".to_owned(),
    }
}
