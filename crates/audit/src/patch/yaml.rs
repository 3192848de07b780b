//! Values as YAML text for insertion into a file: small, and quoted wherever a doubt is possible.

use parapet_manifest::{Entry, Node, Value as Kind};
use serde_json::Value;

use super::shared::is_merged;

/// Whether a collection is written with brackets: those close it behind its last part.
pub(super) fn is_flow(node: &Node) -> bool {
    let last = match &node.value {
        Kind::Map(entries) => entries.iter().map(end_of).max(),
        Kind::List(items) => items.iter().map(|item| item.bytes.end).max(),
        _ => None,
    };
    last.is_none_or(|last| node.bytes.end > last)
}

/// Where an entry ends; one that a merge key brought ends where that stands.
pub(super) fn end_of(entry: &Entry) -> u32 {
    match is_merged(entry.key.bytes.start, entry.key.bytes.end) {
        true => entry.key.bytes.start,
        false => entry.value.bytes.end.max(entry.key.bytes.end),
    }
}

/// On one line, in flow style; as JSON where everything around it is.
pub(super) fn inline(value: &Value, json: bool) -> String {
    match value {
        _ if json => value.to_string(),
        Value::Null => "null".to_owned(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|item| inline(item, false)).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", quoted(name), inline(value, false)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// On lines of its own, in block style.
pub(super) fn block(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 || !out.ends_with("- ") {
                    out.push_str(&pad);
                }
                out.push_str(&quoted(name));
                out.push(':');
                below(value, indent + 2, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&pad);
                out.push_str("- ");
                match item {
                    Value::Object(fields) if !fields.is_empty() => write(item, indent + 2, out),
                    _ => {
                        out.push_str(&inline(item, false));
                        out.push('\n');
                    }
                }
            }
        }
        scalar => {
            out.push_str(&pad);
            out.push_str(&inline(scalar, false));
            out.push('\n');
        }
    }
}

fn below(value: &Value, indent: usize, out: &mut String) {
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        out.push('\n');
        write(value, indent, out);
    } else {
        out.push(' ');
        out.push_str(&inline(value, false));
        out.push('\n');
    }
}

/// Plain where nobody could read it as anything but this text, else as JSON writes it, which YAML reads.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-_./".contains(character))
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::to_string(text).unwrap_or_default() }
}
