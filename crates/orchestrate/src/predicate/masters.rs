//! Rules about elections.

use crate::{Pod, candidates::Context};

/// One master changes at a time: one that is, that becomes or that was one.
pub(super) fn one_at_a_time(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let state = context.state;
    if !state.is_or_becomes_master(pod) {
        return None;
    }
    if let Some(other) = context.chosen.iter().find(|chosen| state.is_or_becomes_master(chosen)) {
        return Some(format!("the master {} is restarted first", other.name));
    }
    let others =
        || state.pods.iter().filter(|other| other.name != pod.name && other.roles.is_master_eligible());
    if let Some(other) = others().find(|other| other.terminating) {
        return Some(format!("the master {} is terminating", other.name));
    }
    let leaves_role = pod.roles.is_master_eligible() && !state.becomes_master(pod);
    if leaves_role && !others().any(|other| state.healthy(other)) {
        return Some("it is the last master that is ready, and wouldn't be one any more".to_owned());
    }
    if !state.healthy(pod) && !leaves_role {
        return None;
    }
    if let Some(other) = others().find(|other| !state.healthy(other)) {
        return Some(format!("the master {} isn't ready", other.name));
    }
    match state.missing_masters() {
        0 => None,
        1 => Some("a master has no pod yet".to_owned()),
        missing => Some(format!("{missing} masters have no pod yet")),
    }
}

/// In a version upgrade, a master after which no other would run the old version waits for all that aren't masters: a node
/// can't join a cluster in which all others run a higher version. One that is down takes no part in that, and may be what the
/// others wait for.
pub(super) fn last(context: &Context<'_>, pod: &Pod) -> Option<String> {
    let state = context.state;
    if !pod.roles.is_master_eligible() || !state.upgrades() || !state.runs_older(pod) || !state.healthy(pod) {
        return None;
    }
    let other_old_master = state.pods.iter().any(|other| {
        other.name != pod.name
            && other.roles.is_master_eligible()
            && state.runs_older(other)
            && state.stays(other)
    });
    if other_old_master {
        return None;
    }
    let waits_for = context.candidates.iter().find(|other| {
        other.name != pod.name && !state.is_or_becomes_master(other) && state.runs_older(other)
    })?;
    Some(format!("it is the last master to be upgraded, and {} isn't upgraded yet", waits_for.name))
}
