//! A change of one document: as a JSON Patch (RFC 6902), and as edits of its text that keep everything else.

mod yaml;

use std::sync::Arc;

use parapet_manifest::{Document, Node, Value as Kind};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A change of one document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Patch {
    /// The file.
    pub file: Arc<str>,
    /// Which document of it, from 0.
    pub document: usize,
    /// It lets through what is declared and cut: to be asked for.
    pub repairs: bool,
    /// Operations of a JSON Patch of the object.
    pub operations: Vec<Value>,
    /// Objects to add.
    pub create: Vec<Value>,
    /// The same as edits of the file's text.
    #[serde(skip)]
    pub edits: Vec<Edit>,
    /// What is added to which mapping so far, with the number of the edit that does it.
    #[serde(skip)]
    additions: Vec<(String, Map<String, Value>, usize)>,
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
    RemoveLines {
        /// The bytes are a list's item, whose dash goes too.
        dash: bool,
    },
}

impl Patch {
    pub(crate) fn of(document: &Document) -> Self {
        Self {
            file: document.file.clone(),
            document: document.index,
            repairs: false,
            operations: Vec::new(),
            create: Vec::new(),
            edits: Vec::new(),
            additions: Vec::new(),
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
                    let name = segment.replace("~1", "/").replace("~0", "~");
                    self.add(node, &path, name, nest(&segments[depth + 1..], value));
                    return;
                }
            }
        }
    }

    /// Adds a field to the mapping at `path`, together with what this patch adds to it anyway.
    fn add(&mut self, map: &Node, path: &str, name: String, value: Value) {
        let known = self.additions.iter().position(|(known, ..)| known == path);
        let index = known.unwrap_or_else(|| {
            self.additions.push((path.to_owned(), Map::new(), self.edits.len()));
            self.edits.extend(add_entries(map, &Map::new()));
            self.additions.len() - 1
        });
        let (_, values, edit) = &mut self.additions[index];
        let at = format!("{path}/{}", parapet_manifest::escape_pointer(&name));
        let merged = values.entry(name).or_insert(Value::Null);
        merge(merged, value);
        let operation = json!({"op": "add", "path": at, "value": merged});
        if let (Some(changed), Some(edit)) = (add_entries(map, values), self.edits.get_mut(*edit)) {
            *edit = changed;
        }
        match self.operations.iter_mut().find(|known| known["path"] == operation["path"]) {
            Some(known) => *known = operation,
            None => self.operations.push(operation),
        }
    }

    /// Takes the field or item at `pointer` out.
    pub(crate) fn remove(&mut self, document: &Document, pointer: &str) {
        let Some((parent, last)) = pointer.rsplit_once('/') else { return };
        let Some(parent) = document.at(parent) else { return };
        let extents: Vec<(u32, u32)> = match &parent.value {
            Kind::Map(entries) => {
                entries.iter().map(|e| (e.key.bytes.start, e.value.bytes.end.max(e.key.bytes.end))).collect()
            }
            Kind::List(items) => items.iter().map(|item| (item.bytes.start, item.bytes.end)).collect(),
            _ => return,
        };
        let name = last.replace("~1", "/").replace("~0", "~");
        let index = parent.entries().iter().position(|e| *e.key.name == *name).or_else(|| name.parse().ok());
        let Some((index, (start, end))) = index.and_then(|index| Some((index, *extents.get(index)?))) else {
            return;
        };
        self.operations.push(json!({"op": "remove", "path": pointer}));
        let dash = matches!(parent.value, Kind::List(_));
        let edit = |start: u32, end: u32, change| Edit { start: start as usize, end: end as usize, change };
        let nothing = Change::Replace(String::new());
        self.edits.push(match (extents.len(), index) {
            // The last one leaves an empty collection behind, not nothing.
            (1, _) => replace_text(parent, if dash { "[]" } else { "{}" }),
            (_, 0) if yaml::is_flow(parent) || !dash => edit(start, extents[1].0, nothing),
            _ if yaml::is_flow(parent) => edit(extents[index - 1].1, end, nothing),
            _ => edit(start, end, Change::RemoveLines { dash }),
        });
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

/// An edit with what it comes to in a file.
#[derive(Clone, PartialEq, Eq)]
struct Resolved {
    start: usize,
    end: usize,
    indent: usize,
    text: String,
}

impl Resolved {
    /// Whether both can't be done: they overlap, or add one key in one place.
    fn clashes(&self, other: &Self) -> bool {
        let key = |text: &str| text.trim_start().split(':').next().unwrap_or("").to_owned();
        let insertions = self.start == self.end && other.start == other.end && self.start == other.start;
        let one_key = insertions && self.indent == other.indent && key(&self.text) == key(&other.text);
        let is_object = self.text.trim_start().starts_with("---");
        (self.start < other.end && other.start < self.end) || (one_key && !is_object)
    }
}

/// `bytes` of a file with all of `patches` applied; those that touch what another has changed are left out and counted.
/// What several ask for is done once.
pub fn apply(bytes: &[u8], patches: &[&Patch]) -> (Vec<u8>, usize) {
    let mut accepted: Vec<Resolved> = Vec::new();
    let mut skipped = 0;
    for patch in patches {
        let edits: Vec<Resolved> = patch.edits.iter().map(|edit| resolve(bytes, edit)).collect();
        if edits.iter().all(|edit| accepted.contains(edit)) {
            continue;
        }
        if edits.iter().any(|edit| accepted.iter().any(|other| edit.clashes(other))) {
            skipped += 1;
            continue;
        }
        accepted.extend(edits);
    }
    // From the end; of insertions in one place the deeper ones come first in the text: they continue what is there.
    accepted.sort_by(|a, b| b.start.cmp(&a.start).then(b.end.cmp(&a.end)).then(a.indent.cmp(&b.indent)));
    let mut result = bytes.to_vec();
    for Resolved { start, end, text, .. } in accepted {
        result.splice(start..end, text.into_bytes());
    }
    (result, skipped)
}

fn resolve(bytes: &[u8], edit: &Edit) -> Resolved {
    let end_of_line = |from: usize| {
        bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| from + newline + 1)
    };
    let (start, end) = (edit.start.min(bytes.len()), edit.end.min(bytes.len()));
    match &edit.change {
        Change::Replace(text) => Resolved { start, end, indent: 0, text: text.clone() },
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
            Resolved { start: at, end: at, indent: *indent, text: lines }
        }
        Change::RemoveLines { dash } => {
            let first =
                bytes[..start].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
            let whole = bytes[first..start].iter().all(|byte| *byte == b' ' || (*dash && *byte == b'-'));
            let last = if end > start && bytes[end - 1] == b'\n' { end } else { end_of_line(end) };
            let (start, end) = if whole { (first, last) } else { (start, end) };
            Resolved { start, end, indent: 0, text: String::new() }
        }
    }
}

/// Adds `value` to what is there: fields to a mapping, items to a list.
fn merge(into: &mut Value, value: Value) {
    match (into, value) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(items), Value::Array(more)) => items.extend(more),
        (into, value) => *into = value,
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

fn add_entries(map: &Node, values: &Map<String, Value>) -> Option<Edit> {
    let Kind::Map(entries) = &map.value else { return None };
    let whole = Value::Object(values.clone());
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Some(replace_text(map, &yaml::inline(&whole)));
    };
    let at = last.value.bytes.end.max(last.key.bytes.end) as usize;
    let change = if yaml::is_flow(map) {
        let text = yaml::inline(&whole);
        Change::Replace(format!(", {}", text.get(1..text.len() - 1).unwrap_or_default()))
    } else {
        let indent = (first.key.span.column as usize).saturating_sub(1);
        Change::InsertLines { indent, text: yaml::block(&whole) }
    };
    Some(Edit { start: at, end: at, change })
}
