//! A change of one document: as a JSON Patch (RFC 6902), and as edits of its text that keep everything else.

mod apply;
mod edits;
mod shared;
mod text;
mod yaml;

use std::sync::Arc;

use parapet_manifest::{Document, Node, Value as Kind};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(crate) use apply::together;
pub use apply::{Replacement, apply, replacements};
use edits::{add_entries, edit, merge, nest, replace, replace_text, unescaped};
use shared::{Shared, append, put, shared, take_out};
pub use text::Within;

/// A change of one document, or of several that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Patch {
    /// The file.
    pub file: Arc<str>,
    /// Which document of it, from 0.
    pub document: usize,
    /// Which item of the document's `List`, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<usize>,
    /// It lets through what is declared and cut: to be asked for.
    pub repairs: bool,
    /// Operations of a JSON Patch of the object.
    pub operations: Vec<Value>,
    /// Objects to add.
    pub create: Vec<Value>,
    /// The whole object goes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// What changes in other documents for the same end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Patch>,
    /// The same as edits of the file's text.
    #[serde(skip)]
    pub edits: Vec<Edit>,
    /// What is added to which mapping so far, with the number of the edit that does it.
    #[serde(skip)]
    additions: Vec<(String, Map<String, Value>, usize)>,
    /// What no longer is what an anchor shares, with its new value and the number of the edit.
    #[serde(skip)]
    apart: Vec<(String, Value, usize)>,
    /// The document is written as JSON, and stays that.
    #[serde(skip)]
    json: bool,
}

/// Bytes of a file that are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The first byte.
    pub start: usize,
    /// The byte after the last; `start` for an insertion.
    pub end: usize,
    /// The bytes are those of a field's text, not of the file.
    pub within: Option<Arc<Within>>,
    /// What is done there.
    pub change: Change,
}

/// What is done to a part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The bytes become this text.
    Replace(String),
    /// The lines of a block collection become this text: nothing can be added to it any more.
    ReplaceBlock(String),
    /// These lines, indented so, follow the line that holds the byte before.
    InsertLines {
        /// Spaces before each line.
        indent: usize,
        /// The lines.
        text: String,
    },
    /// One more item follows that of the bytes, in a list of lines or in one with brackets.
    InsertItem {
        /// As lines, dash included.
        block: String,
        /// As a part of a line.
        inline: String,
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
            item: document.item,
            repairs: false,
            operations: Vec::new(),
            create: Vec::new(),
            delete: false,
            also: Vec::new(),
            edits: Vec::new(),
            additions: Vec::new(),
            apart: Vec::new(),
            json: yaml::is_flow(&document.root),
        }
    }

    /// Whether it changes nothing: what was to be changed isn't there.
    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.create.is_empty() && !self.delete && self.also.is_empty()
    }

    /// This part and those for other documents.
    pub fn parts(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.also)
    }

    /// Says of all parts whether they let something through that is cut.
    pub(crate) fn finish(&mut self, repairs: bool) {
        self.repairs = repairs;
        self.also.retain(|part| !part.is_empty());
        self.also.iter_mut().for_each(|part| part.repairs = repairs);
    }

    /// The part that changes `document`.
    pub(crate) fn part(&mut self, document: &Document) -> &mut Self {
        let is_of = |part: &Self| {
            (&part.file, part.document, part.item) == (&document.file, document.index, document.item)
        };
        if is_of(self) {
            return self;
        }
        let known = self.also.iter().position(is_of);
        let index = known.unwrap_or_else(|| {
            self.also.push(Self::of(document));
            self.also.len() - 1
        });
        &mut self.also[index]
    }

    /// Sets `pointer` to `value`, making the mappings on the way that are not there.
    pub(crate) fn set(&mut self, document: &Document, pointer: &str, value: Value) {
        let is_field = |shared: &Shared| shared.pointer != pointer;
        if let Some(shared) = shared(&document.root, pointer).filter(is_field) {
            return self.change_apart(document, shared, |own, at| put(own, &pointer[at.len()..], value));
        }
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
                    self.edits.push(replace(next, &rest, self.json));
                    return;
                }
                Some(next) => {
                    node = next;
                    path.push_str(&here);
                }
                None => {
                    self.add(node, &path, unescaped(segment), nest(&segments[depth + 1..], value));
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
            self.edits.extend(add_entries(map, &Map::new(), self.json));
            self.additions.len() - 1
        });
        let (_, values, edit) = &mut self.additions[index];
        let at = format!("{path}/{}", parapet_manifest::escape_pointer(&name));
        let merged = values.entry(name).or_insert(Value::Null);
        merge(merged, value);
        let operation = json!({"op": "add", "path": at, "value": merged});
        if let (Some(changed), Some(edit)) = (add_entries(map, values, self.json), self.edits.get_mut(*edit))
        {
            *edit = changed;
        }
        match self.operations.iter_mut().find(|known| known["path"] == operation["path"]) {
            Some(known) => *known = operation,
            None => self.operations.push(operation),
        }
    }

    /// Changes what an anchor shares with others: here it becomes a value of its own, elsewhere nothing changes.
    fn change_apart(&mut self, document: &Document, shared: Shared, change: impl FnOnce(&mut Value, &str)) {
        let Some(node) = document.at(&shared.pointer) else { return };
        let known = self.apart.iter().position(|(pointer, ..)| *pointer == shared.pointer);
        let index = known.unwrap_or_else(|| {
            self.apart.push((shared.pointer.clone(), node.to_json(), self.edits.len()));
            self.edits.push(replace_text(node, ""));
            self.apart.len() - 1
        });
        let (pointer, own, edit) = &mut self.apart[index];
        change(own, pointer);
        let operation = json!({"op": "replace", "path": pointer, "value": own});
        let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        let changed = match document.at(parent).filter(|_| shared.merged) {
            // A field of its own counts more than a merged one.
            Some(parent) => add_entries(parent, &Map::from_iter([(unescaped(name), own.clone())]), self.json),
            None => Some(replace_text(node, &yaml::inline(own, self.json))),
        };
        if let (Some(changed), Some(edit)) = (changed, self.edits.get_mut(*edit)) {
            *edit = changed;
        }
        match self.operations.iter_mut().find(|known| known["path"] == operation["path"]) {
            Some(known) => *known = operation,
            None => self.operations.push(operation),
        }
    }

    /// Takes the field or item at `pointer` out.
    pub(crate) fn remove(&mut self, document: &Document, pointer: &str) {
        let is_outside = |shared: &Shared| shared.pointer != pointer;
        if let Some(shared) = shared(&document.root, pointer).filter(is_outside) {
            return self.change_apart(document, shared, |own, at| take_out(own, &pointer[at.len()..]));
        }
        let Some((parent, last)) = pointer.rsplit_once('/') else { return };
        let Some(parent) = document.at(parent) else { return };
        let extents: Vec<(u32, u32)> = match &parent.value {
            Kind::Map(entries) => {
                entries.iter().map(|e| (e.key.bytes.start, e.value.bytes.end.max(e.key.bytes.end))).collect()
            }
            Kind::List(items) => items.iter().map(|item| (item.bytes.start, item.bytes.end)).collect(),
            _ => return,
        };
        let name = unescaped(last);
        let index = parent.entries().iter().position(|e| *e.key.name == *name).or_else(|| name.parse().ok());
        let Some((index, (start, end))) = index.and_then(|index| Some((index, *extents.get(index)?))) else {
            return;
        };
        self.operations.push(json!({"op": "remove", "path": pointer}));
        let dash = matches!(parent.value, Kind::List(_));
        let edit = |start: u32, end: u32, change| edit(start as usize, end as usize, change);
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
        if let Some(shared) = shared(&document.root, pointer) {
            return self.change_apart(document, shared, |own, at| append(own, &pointer[at.len()..], value));
        }
        let Some(list) = document.at(pointer).filter(|list| matches!(list.value, Kind::List(_))) else {
            return self.set(document, pointer, json!([value]));
        };
        self.operations.push(json!({"op": "add", "path": format!("{pointer}/-"), "value": value}));
        let change = match list.items().last() {
            Some(last) if !yaml::is_flow(list) => {
                let at = last.bytes.end as usize;
                let indent = (list.span.column as usize).saturating_sub(1);
                edit(at, at, Change::InsertLines { indent, text: yaml::block(&json!([value])) })
            }
            _ => {
                let mut items: Vec<Value> = list.items().iter().map(Node::to_json).collect();
                items.push(value);
                replace(list, &Value::Array(items), self.json)
            }
        };
        self.edits.push(change);
    }

    /// Adds an object to the file, after the document; to a `List` after its item.
    pub(crate) fn create(&mut self, document: &Document, object: &Value) {
        self.create.push(object.clone());
        let (start, end) = (document.root.bytes.start as usize, document.root.bytes.end as usize);
        self.edits.push(match document.item {
            Some(_) => {
                let (block, inline) = (yaml::block(&json!([object])), yaml::inline(object, true));
                edit(start, end, Change::InsertItem { block, inline })
            }
            None => {
                let text = format!("---\n{}", yaml::block(object));
                edit(end, end, Change::InsertLines { indent: 0, text })
            }
        });
    }

    /// Takes the whole object out; of a `List` its item.
    pub(crate) fn delete(&mut self, document: &Document) {
        self.delete = true;
        let (start, end) = (document.root.bytes.start as usize, document.root.bytes.end as usize);
        self.edits.push(edit(start, end, Change::RemoveLines { dash: document.item.is_some() }));
    }

    /// Takes bytes out of a field's text, whatever it holds.
    pub(crate) fn cut_text(&mut self, document: &Document, field: &str, start: usize, end: usize) {
        let Some(node) = document.at(field) else { return };
        let Some(text) = node.as_str() else { return };
        let (Some(before), Some(after)) = (text.get(..start), text.get(end..)) else { return };
        let value = Value::String(format!("{before}{after}"));
        self.operations.push(json!({"op": "replace", "path": field, "value": value}));
        if text.contains('\n') {
            let within = Some(Arc::new(text::within(node, text)));
            self.edits.push(Edit { start, end, within, change: Change::Replace(String::new()) });
        } else {
            self.edits.push(replace(node, &value, self.json));
        }
    }

    /// Changes what a field's text holds, such as a configuration in a ConfigMap, by a patch of that. Nothing happens if the
    /// text is no YAML.
    pub(crate) fn edit_text(
        &mut self,
        document: &Document,
        field: &str,
        change: impl FnOnce(&mut Self, &Document),
    ) {
        let Some((within, inner)) = document.at(field).and_then(|node| text::document(document, node)) else {
            return;
        };
        let mut part = Self::of(&inner);
        change(&mut part, &inner);
        let (changed, skipped) = apply(within.text().as_bytes(), &[&part]);
        let Some(changed) = String::from_utf8(changed).ok().filter(|_| skipped == 0) else { return };
        self.operations.push(json!({"op": "replace", "path": field, "value": changed}));
        let within = Arc::new(within);
        self.edits.extend(part.edits.into_iter().map(|edit| Edit { within: Some(within.clone()), ..edit }));
    }

    /// What this part changes, for people: operations of a JSON Patch, and the objects that are added as YAML.
    pub fn in_words(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        if !self.operations.is_empty() {
            let operations = serde_json::to_string_pretty(&self.operations).unwrap_or_default();
            parts.push(format!("# {}, document {}\n{operations}\n", self.file, self.document));
        }
        if self.delete {
            parts.push(format!("# {}, document {}: taken out\n", self.file, self.document));
        }
        parts.extend(self.create.iter().map(yaml::block));
        parts.join("---\n")
    }
}
