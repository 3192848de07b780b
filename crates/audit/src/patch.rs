//! A change of one document: as a JSON Patch (RFC 6902), and as edits of its text that keep everything else.

mod yaml;

use std::sync::Arc;

use parapet_manifest::{Document, Node, Value as Kind};
use serde::Serialize;
use serde_json::{Value, json};

/// A change of one document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Patch {
    /// The file.
    pub file: Arc<str>,
    /// Which document of it, from 0.
    pub document: usize,
    /// Operations of a JSON Patch of the object.
    pub operations: Vec<Value>,
    /// Objects to add.
    pub create: Vec<Value>,
    /// The same as edits of the file's text.
    #[serde(skip)]
    pub edits: Vec<Edit>,
}

/// Bytes of a file that are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The first byte.
    pub start: usize,
    /// The byte after the last; `start` for an insertion.
    pub end: usize,
    /// What is done there.
    pub change: Change,
}

/// What is done to a part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The bytes become this text.
    Replace(String),
    /// These lines, indented so, follow the line that holds the byte before.
    InsertLines {
        /// Spaces before each line.
        indent: usize,
        /// The lines.
        text: String,
    },
    /// All lines that hold the bytes are taken out.
    RemoveLines,
}

impl Patch {
    pub(crate) fn of(document: &Document) -> Self {
        Self {
            file: document.file.clone(),
            document: document.index,
            operations: Vec::new(),
            create: Vec::new(),
            edits: Vec::new(),
        }
    }

    /// Sets `pointer` to `value`, making the mappings on the way that are not there.
    pub(crate) fn set(&mut self, document: &Document, pointer: &str, value: Value) {
        let segments: Vec<&str> = pointer.split('/').skip(1).collect();
        let mut node = &document.root;
        let mut path = String::new();
        for (depth, segment) in segments.iter().enumerate() {
            let here = format!("/{segment}");
            match node.at(&here) {
                Some(next) if depth + 1 == segments.len() || next.is_null() => {
                    let rest = nest(&segments[depth + 1..], value);
                    self.operations
                        .push(json!({"op": "replace", "path": format!("{path}{here}"), "value": rest}));
                    self.edits.push(replace(next, &rest));
                    return;
                }
                Some(next) => {
                    node = next;
                    path.push_str(&here);
                }
                None => {
                    let rest = nest(&segments[depth + 1..], value);
                    self.operations
                        .push(json!({"op": "add", "path": format!("{path}{here}"), "value": rest}));
                    let name = segment.replace("~1", "/").replace("~0", "~");
                    self.edits.extend(add_entry(node, &name, &rest));
                    return;
                }
            }
        }
    }

    /// Takes the field or item at `pointer` out.
    pub(crate) fn remove(&mut self, document: &Document, pointer: &str) {
        let Some(node) = document.at(pointer) else { return };
        self.operations.push(json!({"op": "remove", "path": pointer}));
        let Some((parent, last)) = pointer.rsplit_once('/') else { return };
        let Some(parent) = document.at(parent) else { return };
        let start = match parent.entry(&last.replace("~1", "/").replace("~0", "~")) {
            Some(entry) => entry.key.bytes.start,
            None => node.bytes.start,
        };
        // The last field of a mapping can't leave without leaving `null` behind, so it becomes empty instead.
        let alone = parent.entries().len() == 1 || parent.items().len() == 1;
        let (start, end) = (start as usize, (node.bytes.end as usize).max(start as usize));
        let edit = if alone {
            let empty = if matches!(parent.value, Kind::Map(_)) { "{}" } else { "[]" };
            replace_text(parent, empty)
        } else {
            Edit { start, end, change: Change::RemoveLines }
        };
        self.edits.push(edit);
    }

    /// Adds `value` to the list at `pointer`.
    pub(crate) fn push(&mut self, document: &Document, pointer: &str, value: Value) {
        let Some(list) = document.at(pointer).filter(|list| matches!(list.value, Kind::List(_))) else {
            return self.set(document, pointer, json!([value]));
        };
        self.operations.push(json!({"op": "add", "path": format!("{pointer}/-"), "value": value}));
        let change = match list.items().last() {
            Some(last) if !yaml::is_flow(list) => Edit {
                start: last.bytes.end as usize,
                end: last.bytes.end as usize,
                change: Change::InsertLines {
                    indent: (list.span.column as usize).saturating_sub(1),
                    text: yaml::block(&json!([value])),
                },
            },
            _ => {
                let mut items: Vec<Value> = list.items().iter().map(Node::to_json).collect();
                items.push(value);
                replace(list, &Value::Array(items))
            }
        };
        self.edits.push(change);
    }

    /// Adds an object to the file, after the document.
    pub(crate) fn create(&mut self, document: &Document, object: &Value) {
        self.create.push(object.clone());
        let end = document.root.bytes.end as usize;
        let text = format!("---\n{}", yaml::block(object));
        self.edits.push(Edit { start: end, end, change: Change::InsertLines { indent: 0, text } });
    }

    /// The new object's text, if the patch adds one.
    pub fn created_text(&self) -> Option<String> {
        (!self.create.is_empty())
            .then(|| self.create.iter().map(yaml::block).collect::<Vec<_>>().join("---\n"))
    }
}

/// `bytes` of a file with all of `patches` applied; those that touch what another has changed are left out and counted.
pub fn apply(bytes: &[u8], patches: &[&Patch]) -> (Vec<u8>, usize) {
    let mut accepted: Vec<(usize, usize, String)> = Vec::new();
    let mut skipped = 0;
    for patch in patches {
        let edits: Vec<_> = patch.edits.iter().map(|edit| resolve(bytes, edit)).collect();
        let clashes = |(start, end, text): &(usize, usize, String)| {
            accepted.iter().any(|(other_start, other_end, other)| {
                let same_insertion = start == end && start == other_start && other_start == other_end;
                (start < other_end && other_start < end) || (same_insertion && text == other)
            })
        };
        // Twice the same insertion is one: several findings may ask for one thing.
        let same = |(start, end, text): &(usize, usize, String)| {
            accepted.iter().any(|(s, e, t)| s == start && e == end && t == text)
        };
        if edits.iter().all(same) {
            continue;
        }
        if edits.iter().any(clashes) {
            skipped += 1;
            continue;
        }
        accepted.extend(edits);
    }
    accepted.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.cmp(&a.1)));
    let mut result = bytes.to_vec();
    for (start, end, text) in accepted {
        result.splice(start..end, text.into_bytes());
    }
    (result, skipped)
}

fn resolve(bytes: &[u8], edit: &Edit) -> (usize, usize, String) {
    let end_of_line = |from: usize| {
        bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| from + newline + 1)
    };
    let (start, end) = (edit.start.min(bytes.len()), edit.end.min(bytes.len()));
    match &edit.change {
        Change::Replace(text) => (start, end, text.clone()),
        Change::InsertLines { indent, text } => {
            // A block scalar's text ends with its line: what follows starts right there.
            let at = if start > 0 && bytes[start - 1] == b'\n' { start } else { end_of_line(start) };
            let mut lines = String::new();
            if at > 0 && bytes[at - 1] != b'\n' {
                lines.push('\n');
            }
            for line in text.lines() {
                lines.push_str(&" ".repeat(*indent));
                lines.push_str(line);
                lines.push('\n');
            }
            (at, at, lines)
        }
        Change::RemoveLines => {
            let first =
                bytes[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            let whole = bytes[first..start].iter().all(|byte| matches!(byte, b' '));
            if !whole {
                // Something else stands before it on the line: only the text itself leaves.
                return (start, end, "null".to_owned());
            }
            let last = if end > start && bytes[end - 1] == b'\n' { end } else { end_of_line(end) };
            (first, last, String::new())
        }
    }
}

fn nest(segments: &[&str], value: Value) -> Value {
    segments.iter().rev().fold(value, |inner, segment| {
        if *segment == "-" || *segment == "0" {
            json!([inner])
        } else {
            json!({segment.replace("~1", "/").replace("~0", "~"): inner})
        }
    })
}

fn replace(node: &Node, value: &Value) -> Edit {
    let text = yaml::inline(value);
    if node.bytes.start == node.bytes.end {
        return Edit {
            start: node.bytes.start as usize,
            end: node.bytes.end as usize,
            change: Change::Replace(format!(" {text}")),
        };
    }
    replace_text(node, &text)
}

fn replace_text(node: &Node, text: &str) -> Edit {
    Edit {
        start: node.bytes.start as usize,
        end: node.bytes.end as usize,
        change: Change::Replace(text.to_owned()),
    }
}

fn add_entry(map: &Node, name: &str, value: &Value) -> Option<Edit> {
    let Kind::Map(entries) = &map.value else { return None };
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Some(replace_text(map, &yaml::inline(&json!({name: value}))));
    };
    if yaml::is_flow(map) {
        let at = last.value.bytes.end as usize;
        let text = format!(", {}: {}", yaml::inline(&json!(name)), yaml::inline(value));
        return Some(Edit { start: at, end: at, change: Change::Replace(text) });
    }
    let at = last.value.bytes.end.max(last.key.bytes.end) as usize;
    let indent = (first.key.span.column as usize).saturating_sub(1);
    let text = yaml::block(&json!({name: value}));
    Some(Edit { start: at, end: at, change: Change::InsertLines { indent, text } })
}
