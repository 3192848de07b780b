//! How a cluster begins: which masters elect the first of them.

use crate::{NodeSet, Roles, State, pod_name};

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
///
/// Where masters exist and nothing is pinned, the annotations were lost (`kubectl replace` drops them) or taken away by somebody
/// whose cluster is to begin anew. The masters that exist are the list then: others that come meanwhile, under another name
/// perhaps, can't found a second cluster beside one that only doesn't answer now.
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
    let existing = masters(state, |set| set.live.as_ref().map(|live| (&live.roles, live.replicas)));
    let specified = || masters(state, |set| set.desired.as_ref().map(|set| (&set.roles, set.count)));
    let masters = if existing.is_empty() { specified() } else { existing };
    Bootstrap::Initial { masters, pin: true }
}

/// The names of all masters, by what each group of nodes is and how many it has.
fn masters<'a>(state: &'a State, of: impl Fn(&'a NodeSet) -> Option<(&'a Roles, u32)>) -> Vec<String> {
    let eligible = |set: &'a NodeSet| {
        of(set).filter(|(roles, _)| roles.is_master_eligible()).map(|(_, count)| (&set.name, count))
    };
    let names =
        |(set, count): (&String, u32)| (0..count).map(|ordinal| pod_name(set, ordinal)).collect::<Vec<_>>();
    state.node_sets.iter().filter_map(eligible).flat_map(names).collect()
}
