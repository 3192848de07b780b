//! Single edits of a file's text, and the values that they write.

use parapet_manifest::{Node, Value as Kind};
use serde_json::{Map, Value, json};

use super::shared::is_merged;
use super::{Change, Edit, yaml};

/// Adds `value` to what is there: fields to a mapping, items to a list.
pub(super) fn merge(into: &mut Value, value: Value) {
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

pub(super) fn nest(segments: &[&str], value: Value) -> Value {
    segments.iter().rev().fold(value, |inner, segment| {
        if *segment == "-" || *segment == "0" { json!([inner]) } else { json!({unescaped(segment): inner}) }
    })
}

pub(super) fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

pub(super) fn edit(start: usize, end: usize, change: Change) -> Edit {
    Edit { start, end, within: None, change }
}

pub(super) fn replace(node: &Node, value: &Value, json: bool) -> Edit {
    let text = yaml::inline(value, json);
    // Nothing is there: a key without a value.
    if node.bytes.start == node.bytes.end {
        replace_text(node, &format!(" {text}"))
    } else {
        replace_text(node, &text)
    }
}

pub(super) fn replace_text(node: &Node, text: &str) -> Edit {
    let change = if yaml::is_flow(node) { Change::Replace } else { Change::ReplaceBlock };
    edit(node.bytes.start as usize, node.bytes.end as usize, change(text.to_owned()))
}

pub(super) fn add_entries(map: &Node, values: &Map<String, Value>, json: bool) -> Option<Edit> {
    let Kind::Map(entries) = &map.value else { return None };
    let whole = Value::Object(values.clone());
    let (Some(first), Some(last)) = (entries.first(), entries.iter().map(yaml::end_of).max()) else {
        return Some(replace_text(map, &yaml::inline(&whole, json)));
    };
    let mut at = last as usize;
    let change = if yaml::is_flow(map) {
        // In front of the bracket, where what stands last is a merge key.
        if entries.iter().all(|entry| is_merged(entry.key.bytes.start, entry.key.bytes.end)) {
            at = (map.bytes.end as usize).saturating_sub(1);
        }
        let text = yaml::inline(&whole, json);
        Change::Replace(format!(", {}", text.get(1..text.len() - 1).unwrap_or_default()))
    } else {
        let indent = (first.key.span.column as usize).saturating_sub(1);
        Change::InsertLines { indent, text: yaml::block(&whole) }
    };
    Some(edit(at, at, change))
}
