//! What would turn a verdict, in words.

use super::{Effect, Step};
use crate::model::{Action, Direction, Pod};

pub(super) fn of_admin(steps: &[Step], action: Action) -> Vec<String> {
    let effect = if action == Action::Allow { Effect::Allows } else { Effect::Denies };
    let deciding = steps.iter().filter(|step| step.effect == effect);
    deciding
        .map(|step| {
            format!(
                "change rule {} of {} {}, or let a rule before it match",
                number(step),
                step.kind,
                step.policy
            )
        })
        .collect()
}

pub(super) fn of_network_policies(steps: &[Step], allowed: bool) -> Vec<String> {
    if allowed {
        let allowing: Vec<String> = steps
            .iter()
            .filter(|step| step.effect == Effect::Allows)
            .map(|step| format!("rule {} of {}", number(step), step.policy))
            .collect();
        return vec![format!("it is denied once none allows it any more: {}", allowing.join(", "))];
    }
    let mut changes = Vec::new();
    for step in steps {
        changes.extend(match step.effect {
            Effect::OtherPort => Some(format!(
                "add this port to rule {} of {}, which has this peer already",
                number(step),
                step.policy
            )),
            Effect::OtherPeer => Some(format!(
                "add this peer to rule {} of {}, which has this port already",
                number(step),
                step.policy
            )),
            _ => None,
        });
    }
    if changes.is_empty() {
        let mut policies: Vec<&str> = steps.iter().map(|step| step.policy.as_str()).collect();
        policies.dedup();
        changes.push(format!("add a rule for it to one of: {}", policies.join(", ")));
    }
    changes
}

pub(super) fn of_baseline(action: Action, subject: &Pod, direction: Direction) -> Vec<String> {
    let verdict = if action == Action::Allow { "isolates" } else { "allows" };
    vec![format!(
        "a NetworkPolicy in {} that selects the pod and {verdict} {} goes before the baseline",
        subject.namespace,
        direction.name().to_lowercase()
    )]
}

pub(super) fn of_host_network() -> Vec<String> {
    vec!["policies don't bind it: give the pod a network of its own (hostNetwork: false)".to_owned()]
}

pub(super) fn of_default(subject: &Pod, direction: Direction) -> Vec<String> {
    vec![format!(
        "a NetworkPolicy in {} that selects the pod, with policyTypes: [{}], denies what it doesn't allow",
        subject.namespace,
        direction.name()
    )]
}

fn number(step: &Step) -> usize {
    step.rule.unwrap_or_default()
}
