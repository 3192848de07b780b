//! Conditions of a status.

use jiff::Timestamp;
use parapet_api::{Condition, ConditionState, ConditionType};

use super::mesh::{self, Fit};
use crate::certificates::{Notice, NoticeKind};
use crate::mesh::Finding;

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

/// What a pass over a Kibana or an APM Server found beside what runs: as with [`incomplete`], only what is wrong. That nobody can say
/// whether a mesh fits is an event.
pub(super) fn beside(before: &[Condition], fit: &Fit, notices: &[Notice], now: Timestamp) -> Vec<Condition> {
    let mut after = kept(before);
    match fit {
        Fit::Unknown => {}
        Fit::NoMesh | Fit::Unseen(_) => forget(&mut after, ConditionType::MeshReady),
        Fit::Found(findings) => match misfit(findings) {
            Some(text) => say(&mut after, ConditionType::MeshReady, ConditionState::False, &text, now),
            None => forget(&mut after, ConditionType::MeshReady),
        },
    }
    match worst(notices) {
        Some((state, sentence)) => say(&mut after, ConditionType::CertificatesValid, state, sentence, now),
        None => forget(&mut after, ConditionType::CertificatesValid),
    }
    after
}

/// Those of them that stand while a pass finds out nothing about them.
pub(super) fn kept(before: &[Condition]) -> Vec<Condition> {
    let is_beside =
        |one: &&Condition| matches!(one.kind, ConditionType::MeshReady | ConditionType::CertificatesValid);
    before.iter().filter(is_beside).cloned().collect()
}

/// What doesn't fit, in a sentence: the first, and how many more; nothing if all fits.
pub(super) fn misfit(findings: &[Finding]) -> Option<String> {
    let (first, rest) = findings.split_first()?;
    let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
    Some(format!("{}{more}", mesh::sentence(first)))
}

/// What is to be said of certificates that aren't as they should be: what isn't valid comes before what ends. That an authority took
/// the place of another one is an event: the next pass finds it as it should be.
pub(super) fn worst(notices: &[Notice]) -> Option<(ConditionState, &str)> {
    let first = |wanted: NoticeKind| notices.iter().find(|notice| notice.kind == wanted);
    let invalid = first(NoticeKind::Invalid).map(|notice| (ConditionState::False, &*notice.sentence));
    invalid.or_else(|| first(NoticeKind::Ending).map(|notice| (ConditionState::True, &*notice.sentence)))
}

fn forget(conditions: &mut Vec<Condition>, kind: ConditionType) {
    conditions.retain(|condition| condition.kind != kind);
}

/// In seconds, as Kubernetes writes times.
pub(super) fn rfc3339(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::Purpose;
    use crate::mesh::{Check, Severity, Subject};

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

    #[test]
    fn of_kibana_and_apm_server_only_what_is_wrong_is_said() {
        let now = Timestamp::UNIX_EPOCH;
        let finding = Finding {
            check: Check::ProbesRewritten,
            severity: Severity::Error,
            subject: Subject { kind: "Kibana", namespace: "data".to_owned(), name: "k".to_owned() },
            sentence: "probes fail".to_owned(),
            fix: "rewrite them".to_owned(),
        };
        let notice = |kind, sentence: &str| Notice {
            kind,
            what: Purpose::Http,
            secret: None,
            sentence: sentence.to_owned(),
        };
        let shown = |all: &[Condition]| -> Vec<String> {
            let of = |one: &Condition| {
                format!("{:?} {:?} {}", one.kind, one.status, one.message.as_deref().unwrap_or_default())
            };
            all.iter().map(of).collect()
        };
        let fine = beside(&[], &Fit::Found(Vec::new()), &[], now);
        assert_eq!(shown(&fine), Vec::<String>::new());
        let misfit = Fit::Found(vec![finding.clone(), finding]);
        let notices = [notice(NoticeKind::Ending, "it ends"), notice(NoticeKind::Invalid, "it has ended")];
        let wrong = beside(&[], &misfit, &notices, now);
        let expected = [
            "MeshReady False C6: Kibana data/k: probes fail; rewrite them (and 1 more)",
            "CertificatesValid False it has ended",
        ];
        assert_eq!(shown(&wrong), expected);
        // Nobody can say for now: it stands. The former complaint of the pass itself doesn't.
        let mut before = wrong.clone();
        incomplete(&mut before, "one", now);
        let later = beside(&before, &Fit::Unknown, &notices[..1], now);
        assert_eq!(shown(&later), [expected[0], "CertificatesValid True it ends"]);
        assert_eq!(kept(&before), wrong);
        assert_eq!(beside(&before, &Fit::NoMesh, &[], now), []);
    }
}
