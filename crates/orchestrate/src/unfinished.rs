//! What earlier passes began and nobody can end yet.

use crate::downscale::only_specified_nodes;
use crate::{Restart, ShutdownKind, State};

/// What is still to come of what was begun, in a sentence. `restart`: what this pass does about it. Where Elasticsearch doesn't
/// answer, or is held, nobody knows.
pub(crate) fn unfinished(state: &State, restart: &Restart) -> Option<String> {
    if state.paused {
        return None;
    }
    if let Some(why) = state.unsettled.first() {
        return Some(why.clone());
    }
    if !state.observed.reachable() {
        return None;
    }
    told(state, restart).or_else(|| restricted(state, restart))
}

/// A node that was told to go, or to come back: as long as its record stays it isn't gone, or isn't back.
fn told(state: &State, restart: &Restart) -> Option<String> {
    let ours = |kind| matches!(kind, ShutdownKind::Restart | ShutdownKind::Remove);
    let records = state.observed.shutdowns.iter().flatten();
    let left = records.filter(|(id, record)| ours(record.kind) && !restart.clear_shutdowns.contains(id));
    let name = |id: &String| {
        state.observed.nodes.iter().flatten().find(|(_, node)| node.id == *id).map(|(name, _)| name)
    };
    let mut left = left.map(|(id, record)| (record.kind, name(id)));
    left.find_map(|(kind, node)| match (kind, node) {
        // Somebody else's node, which somebody else restarts.
        (ShutdownKind::Restart, Some(name)) if state.pod(name).is_none() => None,
        (ShutdownKind::Restart, Some(name)) => Some(format!("{name} restarts and doesn't serve yet")),
        (ShutdownKind::Restart, None) => {
            Some("a node that restarts isn't back in the cluster yet".to_owned())
        }
        (_, Some(name)) => Some(format!("{name} leaves and is still in the cluster")),
        (_, None) => Some("a node is gone, and others aren't back in the cluster yet".to_owned()),
    })
}

/// What restricts allocation, where there is no shutdown API.
fn restricted(state: &State, restart: &Restart) -> Option<String> {
    let allocation = state.observed.allocation.as_ref()?;
    if !allocation.enabled && !restart.enable_allocation {
        return Some("replicas are allocated again when all nodes are back in the cluster".to_owned());
    }
    let left = !state.shutdown_api() && !allocation.excluded.is_empty() && !only_specified_nodes(state);
    left.then(|| "nodes that leave get no shards until they are gone".to_owned())
}
