//! Living with a finding takes a reason, and ends on its day.

use parapet_audit::{Audit, Baseline, SuppressionEntry, audit, by_entries};
use parapet_manifest::{Limits, load_text};

use crate::fixtures::options;

fn looked_at(annotation: &str) -> Audit {
    let text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: otel\n  namespace: obs\n  annotations:\n    \
         audit.parapet.dev/ignore.OBS-SA-01: {annotation:?}\nspec:\n  template:\n    metadata: {{labels: {{app: otel}}}}\n    \
         spec: {{containers: [{{name: otel, image: \"otel/opentelemetry-collector:0.130.0\"}}]}}\n"
    );
    let loaded = load_text("m.yaml", text.as_bytes(), &Limits::default());
    audit(&loaded.documents, loaded.problems, &options())
}

fn reason(audit: &Audit) -> Option<&str> {
    let finding = audit.findings.iter().find(|finding| finding.rule.id == "OBS-SA-01").unwrap();
    finding.suppressed.as_ref().map(|suppression| suppression.reason.as_str())
}

#[test]
fn an_annotation_needs_a_reason_and_a_day_to_come() {
    let check = |annotation: &str, expected: Option<&str>, problem: Option<&str>| {
        let audit = looked_at(annotation);
        assert_eq!(reason(&audit), expected, "{annotation}");
        let said: Vec<String> = audit.problems.iter().map(ToString::to_string).collect();
        match problem {
            Some(problem) => assert!(
                said.len() == 1 && said[0].starts_with("m.yaml:7:5: ") && said[0].contains(problem),
                "{said:?}"
            ),
            None => assert_eq!(said, [] as [&str; 0]),
        }
    };
    check("accepted by the platform team; until=2026-12-31", Some("accepted by the platform team"), None);
    check("accepted", Some("accepted"), None);
    check("accepted; until=2026-11-20", None, Some("ended on 2026-11-20"));
    check("accepted; until=soon", None, Some("not a day"));
    check("until=2026-12-31", None, Some("no reason"));
}

#[test]
fn a_file_names_rule_and_object_and_is_told_when_it_has_no_effect() {
    let entry = |rule: &str, name: &str, reason: &str, until: Option<jiff::civil::Date>| SuppressionEntry {
        rule: rule.to_owned(),
        kind: "*".to_owned(),
        namespace: "o*s".to_owned(),
        name: name.to_owned(),
        path: "*".to_owned(),
        reason: reason.to_owned(),
        until,
    };
    let today = options().today;
    let mut audit = looked_at("");
    let notes = by_entries(&mut audit.findings, &[entry("OBS-SA-01", "ot*", "known", None)], today);
    assert_eq!((notes.len(), reason(&audit)), (0, Some("known")));
    let mut audit = looked_at("");
    let entries = [
        entry("OBS-SA-01", "kibana", "known", None),
        entry("OBS-SA-01", "*", " ", None),
        entry("OBS-SA-01", "*", "known", Some(jiff::civil::date(2026, 1, 1))),
    ];
    let notes = by_entries(&mut audit.findings, &entries, today);
    assert_eq!(reason(&audit), None);
    assert!(
        notes[0].contains("matches no finding")
            && notes[1].contains("no reason")
            && notes[2].contains("ended on"),
        "{notes:?}"
    );
}

#[test]
fn a_baseline_keeps_old_findings_quiet_wherever_they_move() {
    let before = looked_at("");
    let baseline = Baseline::from_json(&Baseline::of(&before.findings).to_json()).unwrap();
    let mut after = looked_at("");
    for finding in &mut after.findings {
        finding.place.span.line += 7;
    }
    baseline.apply(&mut after.findings);
    assert!(after.findings.iter().all(|finding| finding.suppressed.is_some()));
    assert!(
        Baseline::from_json(r#"{"version":2,"findings":{}}"#).unwrap_err().to_string().contains("version 2")
    );
}
