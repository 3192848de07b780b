//! Which pods are to be made anew, in which order, and what the rules judge them by.

use crate::{Pod, State, pod_name};

/// What the rules see while a pass chooses pods.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a State,
    /// Pods that are to be made anew, in the order in which they are tried.
    pub(crate) candidates: Vec<&'a Pod>,
    /// How many healthy pods may still be taken down; `None` is any number.
    pub(crate) allowed: Option<u32>,
    /// Those that were chosen in this pass.
    pub(crate) chosen: Vec<&'a Pod>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        let unavailable = expected(state).filter(|name| !serves(state, name)).count();
        let unavailable = u32::try_from(unavailable).unwrap_or(u32::MAX);
        let allowed = state.budget.max_unavailable.map(|most| most.saturating_sub(unavailable));
        Self { state, candidates: ordered(state), allowed, chosen: Vec::new() }
    }

    /// Takes a pod: it counts as down for all that are tried after it.
    pub(crate) fn choose(&mut self, pod: &'a Pod) {
        if let Some(allowed) = self.allowed.as_mut().filter(|_| self.state.healthy(pod)) {
            *allowed = allowed.saturating_sub(1);
        }
        self.chosen.push(pod);
    }

    pub(crate) fn is_chosen(&self, pod: &Pod) -> bool {
        self.chosen.iter().any(|chosen| chosen.name == pod.name)
    }

    /// Pods that stay up after what was chosen in this pass goes down.
    pub(crate) fn remaining(&self) -> impl Iterator<Item = &'a Pod> + '_ {
        self.state.pods.iter().filter(|pod| self.state.healthy(pod) && !self.is_chosen(pod))
    }
}

/// The names of the pods that shall stay, whether they exist or not.
fn expected(state: &State) -> impl Iterator<Item = String> + '_ {
    state.node_sets.iter().flat_map(|set| (0..set.staying()).map(|ordinal| pod_name(&set.name, ordinal)))
}

fn serves(state: &State, name: &str) -> bool {
    state.pod(name).is_some_and(|pod| state.healthy(pod))
}

/// Outdated pods that shall stay: non-masters first, then by StatefulSet, then from its end. A pod beyond the specified
/// number isn't made anew, as it is being drained: a record of restart would take the place of its record of removal, and
/// leave its shards where they are.
fn ordered(state: &State) -> Vec<&Pod> {
    let mut pods: Vec<&Pod> =
        state.pods.iter().filter(|pod| state.stays(pod) && state.outdated(pod)).collect();
    pods.sort_by(|a, b| {
        let master = state.is_or_becomes_master(a).cmp(&state.is_or_becomes_master(b));
        master.then_with(|| a.set.cmp(&b.set)).then_with(|| b.ordinal.cmp(&a.ordinal))
    });
    pods
}
