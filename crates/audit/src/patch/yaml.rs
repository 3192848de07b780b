//! Values as YAML text for insertion into a file: small, and quoted wherever a doubt is possible.

use parapet_manifest::{Node, Value as Kind};
use serde_json::Value;

/// Whether a collection is written with brackets.
pub(super) fn is_flow(node: &Node) -> bool {
    let parts: Vec<_> = match &node.value {
        Kind::Map(entries) => entries.iter().map(|entry| entry.key.bytes.start).collect(),
        Kind::List(items) => items.iter().map(|item| item.bytes.start).collect(),
        _ => return true,
    };
    // A block mapping starts with its first key; a bracket stands before it.
    match (parts.first(), &node.value) {
        (None, _) => true,
        (Some(first), Kind::Map(_)) => *first > node.bytes.start,
        // `- a` starts two or more bytes before its item as well: the dash is told by the end, which brackets close.
        (Some(_), _) => node.items().last().is_some_and(|last| node.bytes.end > last.bytes.end),
    }
}

/// On one line, in flow style.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{}: {}", quoted(name), inline(value))).collect();
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
                        out.push_str(&inline(item));
                        out.push('\n');
                    }
                }
            }
        }
        scalar => {
            out.push_str(&pad);
            out.push_str(&inline(scalar));
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
        out.push_str(&inline(value));
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
