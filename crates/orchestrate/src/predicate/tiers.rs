//! Rules about what nodes do.

use crate::{Pod, Role, Roles, candidates::Context};

/// In a version upgrade from 7.10 on: frozen, cold, warm, hot. Nodes that share a tier, or hold data of any tier, don't wait
/// for each other.
pub(super) fn in_order(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let state = context.state;
    if !state.upgrades() || !state.running.as_ref().is_some_and(|running| running.at_least(7, 10, 0)) {
        return None;
    }
    let earlier = context.candidates.iter().filter(|other| state.runs_older(other));
    let earlier = earlier.copied().find(|other| goes_before(&other.roles, &pod.roles))?;
    Some(format!("{} holds data of a tier that is upgraded earlier", earlier.name))
}

fn goes_before(other: &Roles, candidate: &Roles) -> bool {
    if other.has(Role::Data) || candidate.has(Role::Data) {
        return false;
    }
    let (Some(first), Some(candidate_first)) = (first_tier(other), first_tier(candidate)) else {
        return false;
    };
    let shared = other.iter().any(|role| tier(role).is_some() && candidate.has(role));
    !shared && first < candidate_first
}

fn first_tier(roles: &Roles) -> Option<u8> {
    roles.iter().filter_map(tier).min()
}

/// Where a role stands among the tiers in a version upgrade, the first to be upgraded lowest. Elasticsearch's documentation
/// gives the order: an index moves from hot to frozen, and never onto a node of a lower version.
fn tier(role: Role) -> Option<u8> {
    match role {
        Role::DataFrozen => Some(0),
        Role::DataCold => Some(1),
        Role::DataWarm => Some(2),
        Role::DataHot => Some(3),
        _ => None,
    }
}

/// Of each role that a healthy pod has, another healthy pod must have it too, unless it never had company.
pub(super) fn not_all_members(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let state = context.state;
    if !state.healthy(pod) {
        return None;
    }
    let lonely =
        pod.roles.iter().filter(|role| *role != Role::Master && *role != Role::VotingOnly).find(|role| {
            let shared = state.pods.iter().any(|other| other.name != pod.name && other.roles.has(*role));
            let served = context.remaining().any(|other| other.name != pod.name && other.roles.has(*role));
            shared && !served
        })?;
    Some(format!("no other node with the role {} is ready", lonely.name()))
}
