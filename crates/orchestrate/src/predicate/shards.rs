//! Rules about the data.

use std::collections::BTreeMap;

use parapet_api::Health;

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
    let in_vain = without_place(context, shards);
    let moves = |shard: &&Shard| match shard.state {
        ShardState::Initializing => true,
        ShardState::Relocating => !in_vain || touches(shard, &pod.name),
        ShardState::Started | ShardState::Unassigned => false,
    };
    if let Some(shard) = shards.iter().find(moves) {
        let (index, number) = (&shard.index, shard.number);
        return Some(format!(
            "the cluster is yellow, and shard {number} of {index} is being moved or copied"
        ));
    }
    if in_vain || state.upgrades() && state.runs_older(pod) {
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

/// Whether waiting brings no replica back: nothing is being copied, all nodes with data are there, and each unassigned
/// replica has no place on any of them, as they have a copy or run a lower version than its primary's node.
fn without_place(context: &Context<'_>, shards: &[Shard]) -> bool {
    let state = context.state;
    let holders: Vec<&Pod> = data_pods(context).collect();
    if shards.iter().any(|shard| shard.state == ShardState::Initializing)
        || !holders.iter().all(|pod| state.healthy(pod))
    {
        return false;
    }
    let version_of = |name: &str| state.observed.node(name).map(|node| &node.version);
    let blocked = |replica: &Shard| {
        let primary = shards.iter().find(|shard| shard.primary && shard.started() && shard.copy_of(replica));
        let Some(version) = primary.and_then(|primary| version_of(primary.node.as_deref()?)) else {
            return false;
        };
        let lower = |pod: &Pod| version_of(&pod.name).is_some_and(|own| own < version);
        holders.iter().all(|pod| holds(shards, &pod.name, replica) || lower(pod))
    };
    let mut unassigned = shards.iter().filter(|shard| shard.state == ShardState::Unassigned).peekable();
    unassigned.peek().is_some() && unassigned.all(|shard| !shard.primary && blocked(shard))
}

/// Pods that shall stay and hold shards.
fn data_pods<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a Pod> {
    let state = context.state;
    state.pods.iter().filter(|pod| state.stays(pod) && pod.roles.holds_data())
}

fn holds(shards: &[Shard], node: &str, copy: &Shard) -> bool {
    shards.iter().any(|shard| shard.on(node) && shard.copy_of(copy))
}

/// Unless the cluster is green, no primary goes that nobody else serves. It can't be better for an index without replicas,
/// nor where no other node holds data and stays: one that leaves takes no replica any more, and may wait for this one to
/// run the version that its own shards need.
pub(super) fn started_replica(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let state = context.state;
    if state.observed.health == Health::Green
        || state.observed.health == Health::Yellow && state.pods.len() == 1
        || state.observed.node(&pod.name).is_none()
        || !data_pods(context).any(|other| other.name != pod.name)
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

/// A pod has no copy of what a pod holds that goes in the same pass, or that is down though Elasticsearch didn't notice yet.
pub(super) fn same(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let state = context.state;
    let down = |name: &str| {
        name != pod.name
            && state.pod(name).is_none_or(|other| !state.healthy(other) || context.is_chosen(other))
    };
    let Some(shards) = &state.observed.shards else {
        let alone = context.chosen.is_empty() && state.pods.iter().all(|pod| state.healthy(pod));
        return (!alone).then(|| "nobody can say yet what it holds".to_owned());
    };
    let taken: BTreeMap<(&str, u32), &str> = shards
        .iter()
        .filter_map(|shard| {
            Some(((shard.index.as_str(), shard.number), shard.node.as_deref().filter(|n| down(n))?))
        })
        .collect();
    shards.iter().filter(|shard| shard.on(&pod.name)).find_map(|shard| {
        let other = taken.get(&(shard.index.as_str(), shard.number))?;
        Some(format!("{other} goes first: both hold shard {} of {}", shard.number, shard.index))
    })
}
