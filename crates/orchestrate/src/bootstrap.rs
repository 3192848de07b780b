//! How a cluster begins: which masters elect the first of them.

use crate::{State, pod_name};

/// What the configuration of masters must say about the first election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    /// The cluster was formed: nothing may be said, or a second cluster could form beside it.
    Formed,
    /// The cluster begins with these masters.
    Initial {
        /// Names of nodes, for `cluster.initial_master_nodes`.
        masters: Vec<String>,
        /// They aren't pinned yet: they must be, before any pod is made.
        pin: bool,
    },
}

/// Decides how the cluster begins. `pinned` is what an earlier pass wrote down (the annotation `initial-master-nodes`); it
/// stays whatever becomes of the specification, as two lists could elect two masters.
pub fn bootstrap(state: &State, pinned: Option<&str>) -> Bootstrap {
    if state.formed {
        return Bootstrap::Formed;
    }
    let pinned: Vec<String> = pinned
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect();
    if !pinned.is_empty() {
        return Bootstrap::Initial { masters: pinned, pin: false };
    }
    let masters = state
        .node_sets
        .iter()
        .filter_map(|set| {
            set.desired
                .as_ref()
                .filter(|desired| desired.roles.is_master_eligible())
                .map(|desired| (set, desired))
        })
        .flat_map(|(set, desired)| (0..desired.count).map(|ordinal| pod_name(&set.name, ordinal)))
        .collect();
    Bootstrap::Initial { masters, pin: true }
}
