//! Nodes that can't be upgraded politely, because none of their group ever came up.

use crate::{NodeSet, Pod, PodDelete, State};

/// Pods to delete without asking Elasticsearch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forced {
    /// Which, and why.
    pub delete: Vec<PodDelete>,
}

/// Decides which outdated pods go though Elasticsearch may not answer: those of a group in which all pods are Pending, or
/// none is ready and each was restarted. A specification that broke a group can be repaired only so. A pod that is known to
/// be in the cluster is left to the polite way.
pub fn forced(state: &State) -> Forced {
    if state.paused || !state.unsettled.is_empty() {
        return Forced::default();
    }
    let delete = state.node_sets.iter().flat_map(|set| broken(state, set)).collect();
    Forced { delete }
}

fn broken<'a>(state: &'a State, set: &'a NodeSet) -> impl Iterator<Item = PodDelete> + 'a {
    let pods: Vec<&Pod> = state.pods.iter().filter(|pod| pod.set == set.name && !pod.terminating).collect();
    let why = if pods.iter().all(|pod| pod.pending) {
        Some("no pod of its group could be started with the previous specification")
    } else if pods.iter().all(|pod| !pod.ready && (pod.restarts > 0 || pod.pending)) {
        Some("no pod of its group became ready with the previous specification")
    } else {
        None
    };
    pods.into_iter()
        .filter(|pod| state.outdated(pod) && state.stays(pod))
        .filter(|pod| state.observed.node(&pod.name).is_none())
        .filter_map(move |pod| why.map(|why| PodDelete::of(pod, why.to_owned())))
}
