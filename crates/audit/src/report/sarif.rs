//! SARIF 2.1.0 (OASIS), within the bounds that GitHub's code scanning sets.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Style, ordered};
use crate::audit::Audit;
use crate::finding::{Finding, Place};
use crate::rule::{Rule, Severity};
use crate::rules;

/// Results of one run that code scanning takes.
const RESULTS: usize = 25_000;

/// Places of one result that code scanning takes.
const LOCATIONS: usize = 1_000;

pub(super) fn write(audit: &Audit, style: Style<'_>, out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<&'static Rule> = rules::all().collect();
    let results: Vec<Value> = ordered(audit)
        .into_iter()
        .take(RESULTS)
        .map(|finding| {
            let index = all.iter().position(|rule| rule.id == finding.rule.id).unwrap_or_default();
            result(finding, index)
        })
        .collect();
    let notifications: Vec<Value> = audit
        .problems
        .iter()
        .map(|problem| {
            let place = Place {
                file: problem.file.clone(),
                span: parapet_manifest::Span::new(problem.line, problem.column),
            };
            // SARIF's levels have the same names.
            json!({"level": problem.severity.name(), "message": {"text": problem.message}, "locations": [location(&place)]})
        })
        .collect();
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "parapet",
                "semanticVersion": style.version,
                "rules": all.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !audit.incomplete,
                "toolExecutionNotifications": notifications,
            }],
            "properties": {"modes": audit.modes},
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// Code scanning's scale: critical from 9.0, high from 7.0, medium from 4.0.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.0",
    }
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "name": rule.title,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": format!("{} {}", rule.why, rule.fix), "markdown": format!("{}\n\n**Fix**: {}", rule.why, rule.fix)},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {"security-severity": score(rule.severity), "tags": ["security", "kubernetes", rule.group]},
    })
}

/// A path relative to the repository, as a URI.
fn uri(file: &str) -> String {
    let relative = file.trim_start_matches("./").trim_start_matches('/');
    let keep = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
    relative.bytes().fold(String::new(), |mut uri, byte| {
        if keep(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
        uri
    })
}

fn location(place: &Place) -> Value {
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&place.file)},
        "region": {"startLine": place.span.line.max(1), "startColumn": place.span.column.max(1)},
    }})
}

fn result(finding: &Finding, index: usize) -> Value {
    let mut here = location(&finding.place);
    here["logicalLocations"] = json!([{
        "fullyQualifiedName": format!("{}{}", finding.object, finding.path),
        "kind": "object",
    }]);
    let related: Vec<Value> = finding
        .related
        .iter()
        .take(LOCATIONS)
        .map(|related| {
            let mut place = location(&related.place);
            place["message"] = json!({"text": related.message});
            place
        })
        .collect();
    let evidence = if finding.evidence.is_empty() {
        String::new()
    } else {
        format!(": {}", finding.evidence.join(", "))
    };
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": {"text": format!("{}: {}{evidence}", finding.object, finding.message)},
        "locations": [here],
        "relatedLocations": related,
        "partialFingerprints": {"primaryLocationLineHash": finding.fingerprint()},
        "properties": {"security-severity": score(finding.severity)},
    });
    if let Some(suppression) = &finding.suppressed {
        let kind = if suppression.by == "annotation" { "inSource" } else { "external" };
        result["suppressions"] = json!([{"kind": kind, "justification": suppression.reason}]);
    }
    result
}
