//! Nodes that can't be upgraded politely, because none of their group ever came up.

use crate::{NodeSet, Pod, PodDelete, State};

/// Pods to delete without asking Elasticsearch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forced {
    /// Which, and why.
    pub delete: Vec<PodDelete>,
}

/// Decides which outdated pods go though Elasticsearch may not answer. A specification that broke them can be repaired only
/// so. These are
///
/// - pods of a group in which all are Pending, or none is ready and each was restarted, as the reference has it;
/// - while Elasticsearch doesn't answer, each pod that is Pending or can't stay up: it serves nobody, and the cluster may be
///   waiting for this very master. There the reference waits for ever;
/// - each pod that leaves and can't stay up: it can't hand over what it holds before it runs.
///
/// A pod that is known to be in the cluster is left to the polite way.
pub fn forced(state: &State) -> Forced {
    if state.paused || !state.unsettled.is_empty() {
        return Forced::default();
    }
    let delete = state.node_sets.iter().flat_map(|set| broken(state, set)).collect();
    Forced { delete }
}

fn broken<'a>(state: &'a State, set: &'a NodeSet) -> impl Iterator<Item = PodDelete> + 'a {
    let pods: Vec<&Pod> = state.pods.iter().filter(|pod| pod.set == set.name && !pod.terminating).collect();
    let group = if pods.iter().all(|pod| pod.pending) {
        Some("no pod of its group could be started with the previous specification")
    } else if pods.iter().all(|pod| !pod.ready && (pod.restarts > 0 || pod.pending)) {
        Some("no pod of its group became ready with the previous specification")
    } else {
        None
    };
    let alone = |pod: &Pod| match (pod.cannot_start(), state.observed.reachable(), state.stays(pod)) {
        (true, false, _) => {
            Some("it can't start with the previous specification, and Elasticsearch doesn't answer")
        }
        (true, true, false) => {
            Some("it leaves, and can't start with the previous specification to hand over what it has")
        }
        (true, true, true) | (false, ..) => None,
    };
    pods.into_iter()
        .filter(|pod| state.outdated(pod))
        .filter(|pod| state.observed.node(&pod.name).is_none())
        .filter_map(move |pod| group.or_else(|| alone(pod)).map(|why| PodDelete::of(pod, why.to_owned())))
}
