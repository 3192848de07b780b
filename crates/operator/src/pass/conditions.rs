//! Conditions of a status.

use jiff::Timestamp;
use parapet_api::{Condition, ConditionState, ConditionType};

/// Sets one condition; its time moves only if its state or its sentence does.
pub(super) fn say(
    conditions: &mut Vec<Condition>,
    kind: ConditionType,
    state: ConditionState,
    message: &str,
    now: Timestamp,
) {
    let new = Condition {
        kind,
        status: state,
        last_transition_time: Some(rfc3339(now)),
        message: Some(message.to_owned()),
    };
    match conditions.iter_mut().find(|condition| condition.kind == kind) {
        Some(old) if old.status == new.status && old.message == new.message => {}
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}

/// Says what is wrong with an application that has conditions only as long as something is: another operator's definition of its
/// kind may have none, and drop them.
pub(super) fn incomplete(conditions: &mut Vec<Condition>, why: &str, now: Timestamp) {
    say(conditions, ConditionType::ReconciliationComplete, ConditionState::False, why, now);
}

/// In seconds, as Kubernetes writes times.
pub(super) fn rfc3339(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_moves_only_with_what_is_said() {
        let mut conditions = Vec::new();
        let at = |second| Timestamp::from_second(second).unwrap();
        incomplete(&mut conditions, "one", at(0));
        let first = conditions.clone();
        assert_eq!(first[0].last_transition_time.as_deref(), Some("1970-01-01T00:00:00Z"));
        incomplete(&mut conditions, "one", at(5));
        assert_eq!(conditions, first);
        incomplete(&mut conditions, "two", at(5));
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0].last_transition_time.as_deref(), Some("1970-01-01T00:00:05Z"));
    }
}
