//! Rules about the data.

use std::collections::BTreeMap;

use parapet_api::{Health, StackVersion};

use crate::{Pod, Shard, ShardState, candidates::Context};

/// A healthy pod goes only if all data is there.
pub(super) fn green_or_yellow(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let health = context.state.observed.health;
    let known = matches!(health, Health::Green | Health::Yellow);
    (context.state.healthy(pod) && !known).then(|| match health {
        Health::Red => "the cluster is red: data is missing".to_owned(),
        _ => "the cluster's health is unknown".to_owned(),
    })
}

/// On yellow a healthy pod goes only if that helps.
pub(super) fn yellow(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let state = context.state;
    if state.observed.health != Health::Yellow || !state.healthy(pod) || state.pods.len() == 1 {
        return None;
    }
    let Some(shards) = &state.observed.shards else {
        return Some("the cluster is yellow, and nobody can say why".to_owned());
    };
    let by_version = by_version(context, shards);
    let moves = |shard: &&Shard| match shard.state {
        ShardState::Initializing => true,
        ShardState::Relocating => !by_version || touches(shard, &pod.name),
        ShardState::Started | ShardState::Unassigned => false,
    };
    if let Some(shard) = shards.iter().find(moves) {
        let (index, number) = (&shard.index, shard.number);
        return Some(format!(
            "the cluster is yellow, and shard {number} of {index} is being moved or copied"
        ));
    }
    if by_version || state.upgrades() && state.runs_older(pod) {
        return None;
    }
    Some(
        "the cluster is yellow, and the pod runs the specified version: replicas must be allocated first"
            .to_owned(),
    )
}

fn touches(shard: &Shard, node: &str) -> bool {
    shard.on(node) || shard.target.as_deref() == Some(node)
}

/// Whether nothing but versions keeps replicas from being allocated: nothing is being copied, and the primary of each
/// unassigned replica is on a node with a higher version than all nodes without a copy.
fn by_version(context: &Context<'_>, shards: &[Shard]) -> bool {
    let Some(nodes) = &context.state.observed.nodes else { return false };
    let version_of = |node: &str| nodes.get(node).map(|node| &node.version);
    if shards.iter().any(|shard| shard.state == ShardState::Initializing) {
        return false;
    }
    let blocked = |replica: &Shard| {
        let primary = shards.iter().find(|shard| shard.primary && shard.started() && shard.copy_of(replica));
        let Some(version) = primary.and_then(|primary| version_of(primary.node.as_deref()?)) else {
            return false;
        };
        let holds = |node: &str| shards.iter().any(|shard| shard.copy_of(replica) && shard.on(node));
        let lower = |node: &StackVersion| node < version;
        nodes.iter().filter(|(name, _)| !holds(name)).all(|(_, node)| lower(&node.version))
    };
    let mut unassigned = shards.iter().filter(|shard| shard.state == ShardState::Unassigned).peekable();
    unassigned.peek().is_some() && unassigned.all(|shard| !shard.primary && blocked(shard))
}

/// Unless the cluster is green, no primary goes that nobody else serves. An index without replicas can't be better.
pub(super) fn started_replica(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let state = context.state;
    if state.observed.health == Health::Green
        || state.observed.health == Health::Yellow && state.pods.len() == 1
        || state.observed.node(&pod.name).is_none()
    {
        return None;
    }
    let Some(shards) = &state.observed.shards else {
        return Some("nobody can say yet what it holds".to_owned());
    };
    let mut copies: BTreeMap<(&str, u32), (bool, bool)> = BTreeMap::new();
    for shard in shards.iter() {
        let (replicated, served) = copies.entry((&shard.index, shard.number)).or_default();
        *replicated |= !shard.primary;
        *served |= shard.started() && !shard.on(&pod.name);
    }
    let alone = shards.iter().filter(|shard| shard.primary && shard.on(&pod.name)).find(|shard| {
        copies
            .get(&(shard.index.as_str(), shard.number))
            .is_some_and(|(replicated, served)| *replicated && !served)
    })?;
    Some(format!(
        "only this node serves shard {} of {}, whose replica isn't started",
        alone.number, alone.index
    ))
}

/// A second pod in the same pass has no copy of what the first one holds.
pub(super) fn same(context: &Context<'_>, pod: &Pod) -> Option<String> {
    if context.chosen.is_empty() {
        return None;
    }
    let Some(shards) = &context.state.observed.shards else {
        return Some("nobody can say yet what it holds".to_owned());
    };
    let taken: BTreeMap<(&str, u32), &str> = shards
        .iter()
        .filter_map(|shard| {
            let node = shard.node.as_deref()?;
            let chosen = context.chosen.iter().any(|chosen| chosen.name == node);
            chosen.then_some(((shard.index.as_str(), shard.number), node))
        })
        .collect();
    shards.iter().filter(|shard| shard.on(&pod.name)).find_map(|shard| {
        let other = taken.get(&(shard.index.as_str(), shard.number))?;
        Some(format!("{other} goes first: both hold shard {} of {}", shard.number, shard.index))
    })
}
