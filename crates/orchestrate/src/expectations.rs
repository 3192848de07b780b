//! What of the operator's own writes must be seen before anything is taken down.

use std::collections::BTreeMap;

use crate::State;

/// The last own writes to one cluster that may not be seen yet. Lost with the process, which starts with a fresh read.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    generations: BTreeMap<String, Generation>,
    deletions: BTreeMap<String, String>,
    unanswered: BTreeMap<String, Unanswered>,
}

/// A pod whose deletion was asked for, and nobody said whether it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The pod's name.
    pub pod: String,
    /// Its UID when the deletion was asked for.
    pub uid: String,
    /// Its version then.
    pub resource_version: String,
}

#[derive(Clone, Debug)]
struct Generation {
    uid: String,
    at_least: i64,
}

impl Expectations {
    /// A StatefulSet was written, and has this generation now.
    pub fn wrote(&mut self, set: &str, uid: &str, generation: i64) {
        self.generations.insert(set.to_owned(), Generation { uid: uid.to_owned(), at_least: generation });
    }

    /// A pod was deleted.
    pub fn deleted(&mut self, pod: &str, uid: &str) {
        self.unanswered.remove(pod);
        self.deletions.insert(pod.to_owned(), uid.to_owned());
    }

    /// A pod may have been deleted: the answer was lost.
    pub fn maybe_deleted(&mut self, lost: Unanswered) {
        self.unanswered.insert(lost.pod.clone(), lost);
    }

    /// What may have been deleted and isn't seen yet. Whoever reads such a pod, past all memories, and finds it as it was, says so
    /// ([`Expectations::wasnt_deleted`]); it isn't deleted again for a reason that may have gone.
    pub fn unanswered(&self) -> Vec<Unanswered> {
        self.unanswered.values().cloned().collect()
    }

    /// A pod is there as it was.
    pub fn wasnt_deleted(&mut self, pod: &str) {
        self.unanswered.remove(pod);
    }

    /// What isn't seen yet, in sentences; what is seen is forgotten. A pod that was deleted is seen when it is terminating
    /// or gone, one that may have been when anything of it changed: a change that comes later than the deletion says so. The answer belongs into [`State::unsettled`].
    pub fn pending(&mut self, state: &State) -> Vec<String> {
        self.generations.retain(|set, expected| {
            let live = state.node_sets.iter().find(|s| s.name == *set).and_then(|s| s.live.as_ref());
            live.is_some_and(|live| live.uid == expected.uid && live.generation < expected.at_least)
        });
        self.deletions.retain(|pod, uid| {
            state.pod(pod).is_some_and(|present| present.uid == *uid && !present.terminating)
        });
        self.unanswered.retain(|pod, lost| {
            state.pod(pod).is_some_and(|present| {
                present.uid == lost.uid
                    && present.resource_version == lost.resource_version
                    && !present.terminating
            })
        });
        let unobserved = state.node_sets.iter().filter_map(|set| {
            let live = set.live.as_ref()?;
            (live.observed_generation < live.generation).then(|| {
                format!("the StatefulSet {} was changed and its controller hasn't seen it yet", set.name)
            })
        });
        let written = self
            .generations
            .keys()
            .map(|set| format!("the last write to the StatefulSet {set} isn't seen yet"));
        let deleted =
            self.deletions.keys().map(|pod| format!("the deletion of the pod {pod} isn't seen yet"));
        let unanswered = self.unanswered.keys().map(|pod| {
            format!("nobody answered whether the pod {pod} was deleted, and nothing of it is seen yet")
        });
        written.chain(deleted).chain(unanswered).chain(unobserved).collect()
    }
}
