//! The report for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::{FieldChange, ObjectChange, Report, Restart, Taken, Verdict, What};

/// How long a value is shown at most.
const LONGEST: usize = 120;

/// The whole report.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    if report.applications.is_empty() {
        text.push_str("There is no Elasticsearch, Kibana or APM Server here.\n");
    }
    for taken in &report.applications {
        one(&mut text, taken);
        text.push('\n');
    }
    let all = |count: fn(&Taken) -> usize| report.applications.iter().map(count).sum::<usize>();
    let (changes, restarts) = (all(|one| one.changes.len()), all(|one| one.restarts.len()));
    let unknown =
        report.applications.iter().filter(|one| matches!(one.verdict, Verdict::Unknown { .. })).count();
    let _ = writeln!(text, "{} would be written, {} would restart.", objects(changes), pods(restarts));
    if unknown > 0 {
        let _ = writeln!(text, "Of {} nobody can say.", applications(unknown));
    }
    text
}

fn one(text: &mut String, taken: &Taken) {
    let Taken { kind, namespace, name, verdict, changes, restarts, kept_secrets, left_alone } = taken;
    let _ = writeln!(text, "{kind} {namespace}/{name}");
    match verdict {
        Verdict::Nothing => text.push_str("  Nothing would be written, no pod would restart.\n"),
        Verdict::Changes => {
            let _ = writeln!(
                text,
                "  {} would be written, {} would restart.",
                objects(changes.len()),
                pods(restarts.len())
            );
        }
        Verdict::Unknown { why } => {
            let _ = writeln!(text, "  Nobody can say what would be done: {why}.");
        }
    }
    changes.iter().for_each(|change| object(text, change));
    for Restart { pod, why } in restarts {
        let _ = writeln!(text, "  Pod {pod} would restart: {why}.");
    }
    if !kept_secrets.is_empty() {
        let _ = writeln!(text, "  Secrets that keep their content: {}.", kept_secrets.join(", "));
    }
    if !left_alone.is_empty() {
        text.push_str("  Not looked after from then on:\n");
        for part in left_alone {
            let _ = writeln!(text, "    {part}.");
        }
    }
}

fn object(text: &mut String, change: &ObjectChange) {
    let ObjectChange { kind, name, what, why, fields, .. } = change;
    let what = match what {
        What::Created => "made",
        What::Changed => "changed",
        What::Deleted => "deleted",
    };
    let _ = writeln!(text, "  {kind} {name} would be {what}: {why}.");
    for FieldChange { path, from, to } in fields {
        let _ = writeln!(text, "    {path}: {} becomes {}", value(from.as_ref()), value(to.as_ref()));
    }
}

fn value(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn objects(count: usize) -> String {
    counted(count, "object", "objects")
}

fn pods(count: usize) -> String {
    counted(count, "pod", "pods")
}

fn applications(count: usize) -> String {
    counted(count, "application", "applications")
}

fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {one}"),
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_reads_like_one() {
        let change = |kind, name: &str, what, why, fields| ObjectChange {
            kind,
            namespace: "elastic".to_owned(),
            name: name.to_owned(),
            what,
            why,
            fields,
        };
        let grace = FieldChange {
            path: "spec.template.spec.terminationGracePeriodSeconds".to_owned(),
            from: Some(json!(180)),
            to: Some(json!(60)),
        };
        let long = FieldChange { path: "spec.x".to_owned(), from: None, to: Some(json!("x".repeat(500))) };
        let taken = |name: &str, verdict, changes, restarts, kept_secrets| Taken {
            kind: "Elasticsearch",
            namespace: "elastic".to_owned(),
            name: name.to_owned(),
            verdict,
            changes,
            restarts,
            kept_secrets,
            left_alone: if name == "a" {
                vec!["The settings are of a policy".to_owned()]
            } else {
                Vec::new()
            },
        };
        let restart =
            Restart { pod: "a-es-default-0".to_owned(), why: "its template would change".to_owned() };
        let report = Report {
            applications: vec![
                taken(
                    "a",
                    Verdict::Changes,
                    vec![
                        change(
                            "StatefulSet",
                            "a-es-default",
                            What::Changed,
                            "its pods are made of another template",
                            vec![grace, long],
                        ),
                        change("ConfigMap", "a-es-scripts", What::Created, "it isn't there", Vec::new()),
                    ],
                    vec![restart],
                    vec!["a-es-elastic-user".to_owned(), "a-es-http-ca-internal".to_owned()],
                ),
                taken("b", Verdict::Nothing, Vec::new(), Vec::new(), Vec::new()),
                taken(
                    "c",
                    Verdict::Unknown { why: "it is refused: x".to_owned() },
                    Vec::new(),
                    Vec::new(),
                    Vec::new(),
                ),
            ],
        };
        insta::assert_snapshot!(text(&report));
        insta::assert_snapshot!(text(&Report::default()));
        insta::assert_json_snapshot!(report);
    }
}
