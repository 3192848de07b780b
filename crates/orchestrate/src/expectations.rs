//! What of the operator's own writes must be seen before anything is taken down.

use std::collections::BTreeMap;

use crate::State;

/// The last own writes to one cluster that may not be seen yet. Lost with the process, which starts with a fresh read.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    generations: BTreeMap<String, Generation>,
    deletions: BTreeMap<String, String>,
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
        self.deletions.insert(pod.to_owned(), uid.to_owned());
    }

    /// What isn't seen yet, in sentences; what is seen is forgotten. A pod that was deleted is seen when it is terminating
    /// or gone. The answer belongs into [`State::unsettled`].
    pub fn pending(&mut self, state: &State) -> Vec<String> {
        self.generations.retain(|set, expected| {
            let live = state.node_sets.iter().find(|s| s.name == *set).and_then(|s| s.live.as_ref());
            live.is_some_and(|live| live.uid == expected.uid && live.generation < expected.at_least)
        });
        self.deletions.retain(|pod, uid| {
            state.pod(pod).is_some_and(|present| present.uid == *uid && !present.terminating)
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
        written.chain(deleted).chain(unobserved).collect()
    }
}
