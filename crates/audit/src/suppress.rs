//! Findings that somebody has decided to live with, for a reason and until a day.
//!
//! An object's annotation `audit.parapet.dev/ignore.<ID>: "<reason>; until=YYYY-MM-DD"`, or a file of the same. A
//! suppression without a reason, or past its day, has no effect and is itself a problem.

use parapet_manifest::{Document, Node, Problem, Severity as ProblemSeverity};
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Suppression};
use crate::world::World;

/// The prefix of annotations that suppress a rule for their object.
pub const ANNOTATION: &str = "audit.parapet.dev/ignore.";

/// One entry of a file of suppressions. `*` matches any text in `kind`, `namespace`, `name` and `path`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The rule.
    pub rule: String,
    /// The object's kind.
    #[serde(default = "any")]
    pub kind: String,
    /// Its namespace.
    #[serde(default = "any")]
    pub namespace: String,
    /// Its name.
    #[serde(default = "any")]
    pub name: String,
    /// The JSON pointer in it.
    #[serde(default = "any")]
    pub path: String,
    /// Why it is lived with.
    pub reason: String,
    /// The last day.
    #[serde(default)]
    pub until: Option<jiff::civil::Date>,
}

fn any() -> String {
    "*".to_owned()
}

/// Applies a file's entries. What has no effect is returned in words.
pub fn by_entries(findings: &mut [Finding], entries: &[Entry], today: jiff::civil::Date) -> Vec<String> {
    let mut notes = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let number = index + 1;
        if entry.reason.trim().is_empty() {
            notes.push(format!("suppression {number} ({}) has no reason: it has no effect", entry.rule));
            continue;
        }
        if let Some(until) = entry.until.filter(|until| *until < today) {
            notes.push(format!("suppression {number} ({}) ended on {until}", entry.rule));
            continue;
        }
        let mut used = false;
        for finding in findings.iter_mut().filter(|finding| matches(entry, finding)) {
            used = true;
            finding.suppressed.get_or_insert_with(|| Suppression {
                by: "file",
                reason: entry.reason.clone(),
                until: entry.until.map(|until| until.to_string()),
            });
        }
        if !used {
            notes.push(format!("suppression {number} ({}) matches no finding: delete it", entry.rule));
        }
    }
    notes
}

fn matches(entry: &Entry, finding: &Finding) -> bool {
    let object = &finding.object;
    let pairs = [
        (&entry.kind, &*object.kind),
        (&entry.namespace, object.namespace.as_deref().unwrap_or("")),
        (&entry.name, &*object.name),
        (&entry.path, &finding.path),
    ];
    entry.rule == finding.rule.id && pairs.iter().all(|(pattern, text)| glob(pattern, text))
}

/// `*` matches any text.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(first) else { return false };
    let mut text = text;
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or("");
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

pub(crate) fn by_annotations(
    findings: &mut [Finding],
    documents: &[Document],
    world: &World<'_>,
    problems: &mut Vec<Problem>,
) {
    for document in documents {
        let annotations = document.at("/metadata/annotations").map_or(&[] as &[_], Node::entries);
        for entry in annotations {
            let Some(id) = entry.key.name.strip_prefix(ANNOTATION) else { continue };
            let mut say = |message: String| {
                problems.push(Problem::new(
                    &document.file,
                    entry.key.span,
                    ProblemSeverity::Warning,
                    message,
                ));
            };
            let text = entry.value.as_str().unwrap_or("");
            let (reason, until) = match text.rsplit_once("until=") {
                Some((reason, day)) => match day.trim().parse::<jiff::civil::Date>() {
                    Ok(day) => (reason.trim().trim_end_matches(';').trim(), Some(day)),
                    Err(_) => {
                        say(format!(
                            "{day:?} is not a day (YYYY-MM-DD): the suppression of {id} has no effect"
                        ));
                        continue;
                    }
                },
                None => (text.trim(), None),
            };
            if reason.is_empty() {
                say(format!("the suppression of {id} has no reason: it has no effect"));
                continue;
            }
            if let Some(until) = until.filter(|until| *until < world.options.today) {
                say(format!("the suppression of {id} ended on {until}"));
                continue;
            }
            let object = world.object_ref_of(document);
            for finding in
                findings.iter_mut().filter(|finding| finding.rule.id == id && finding.object == object)
            {
                finding.suppressed = Some(Suppression {
                    by: "annotation",
                    reason: reason.to_owned(),
                    until: until.map(|until| until.to_string()),
                });
            }
        }
    }
}
