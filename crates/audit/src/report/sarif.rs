//! SARIF 2.1.0 (OASIS), within the bounds that GitHub's code scanning sets.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Style, ordered};
use crate::audit::Audit;
use crate::finding::{Finding, Place, Related};
use crate::patch::{Patch, replacements};
use crate::rule::{Rule, Severity};
use crate::rules;

/// Results of one run that code scanning takes.
const RESULTS: usize = 25_000;

/// Places of one result that code scanning takes.
const LOCATIONS: usize = 1_000;

/// Writes the report with the patches as fixes: `read` gives a file's bytes by the name that documents have. Where it
/// can't, and of what stands in no file, the finding is without one.
pub fn write(
    audit: &Audit,
    style: Style<'_>,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut files: BTreeMap<Arc<str>, Option<Vec<u8>>> = BTreeMap::new();
    let patches = audit.findings.iter().filter_map(|finding| finding.patch.as_ref());
    for part in patches.flat_map(Patch::parts) {
        files.entry(part.file.clone()).or_insert_with(|| read(&part.file).ok());
    }
    let all: Vec<&'static Rule> = rules::all().collect();
    let results: Vec<Value> = ordered(audit)
        .into_iter()
        .take(RESULTS)
        .map(|finding| {
            let index = all.iter().position(|rule| rule.id == finding.rule.id).unwrap_or_default();
            let mut result = result(finding, index);
            if let Some(fix) = finding.patch.as_ref().and_then(|patch| fix(patch, finding, &files)) {
                result["fixes"] = json!([fix]);
            }
            result
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

fn placed(related: &Related) -> Value {
    let mut place = location(&related.place);
    place["message"] = json!({"text": related.message});
    place
}

/// A patch as replacements of regions; nothing if one of its files isn't there or doesn't take it.
fn fix(patch: &Patch, finding: &Finding, files: &BTreeMap<Arc<str>, Option<Vec<u8>>>) -> Option<Value> {
    let change = |part: &Patch| {
        let bytes = files.get(&part.file)?.as_ref()?;
        let text = std::str::from_utf8(bytes).ok()?;
        let replaced = replacements(bytes, part)?;
        let regions: Option<Vec<Value>> = replaced
            .iter()
            .map(|one| {
                let region = region(text, one.start, one.end)?;
                Some(json!({"deletedRegion": region, "insertedContent": {"text": one.text}}))
            })
            .collect();
        let regions = regions.filter(|regions| !regions.is_empty())?;
        Some(json!({"artifactLocation": {"uri": uri(&part.file)}, "replacements": regions}))
    };
    let changes: Option<Vec<Value>> =
        patch.parts().filter(|part| !part.edits.is_empty()).map(change).collect();
    let changes = changes.filter(|changes| !changes.is_empty())?;
    Some(json!({"description": {"text": finding.rule.fix}, "artifactChanges": changes}))
}

/// Lines and columns, from 1, of bytes of a text.
fn region(text: &str, start: usize, end: usize) -> Option<Value> {
    let place = |at: usize| {
        let before = text.get(..at)?;
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((before.matches('\n').count() + 1, before[line..].chars().count() + 1))
    };
    let ((line, column), (last, behind)) = (place(start)?, place(end)?);
    Some(json!({"startLine": line, "startColumn": column, "endLine": last, "endColumn": behind}))
}

fn result(finding: &Finding, index: usize) -> Value {
    let mut here = location(&finding.place);
    here["logicalLocations"] = json!([{
        "fullyQualifiedName": format!("{}{}", finding.object, finding.path),
        "kind": "object",
    }]);
    let related: Vec<Value> = finding.related.iter().take(LOCATIONS).map(placed).collect();
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
    if !finding.paths.is_empty() {
        let steps = |way: &Vec<Related>| -> Vec<Value> {
            way.iter().map(|step| json!({"location": placed(step)})).collect()
        };
        let flows: Vec<Value> =
            finding.paths.iter().map(|way| json!({"threadFlows": [{"locations": steps(way)}]})).collect();
        result["codeFlows"] = Value::Array(flows);
    }
    if let Some(suppression) = &finding.suppressed {
        let kind = if suppression.by == "annotation" { "inSource" } else { "external" };
        result["suppressions"] = json!([{"kind": kind, "justification": suppression.reason}]);
    }
    result
}
