//! What an anchor shares: a change of one user of it must not change the others.

use parapet_manifest::{Node, Value as Kind};
use serde_json::{Map, Value, json};

/// The first part of a path whose text stands elsewhere.
pub(super) struct Shared {
    /// Where it is, in the object.
    pub pointer: String,
    /// It came in by a merge key (`<<`), not by an alias of its own.
    pub merged: bool,
}

/// Where the path to `pointer`, or what it would be added to, leaves the text of `root`.
pub(super) fn shared(root: &Node, pointer: &str) -> Option<Shared> {
    let mut node = root;
    let mut path = String::new();
    for segment in pointer.split('/').skip(1) {
        if is_alias(node) {
            return Some(Shared { pointer: path, merged: false });
        }
        path = format!("{path}/{segment}");
        let name = segment.replace("~1", "/").replace("~0", "~");
        let merged =
            node.entry(&name).is_some_and(|entry| is_merged(entry.key.bytes.start, entry.key.bytes.end));
        if merged {
            return Some(Shared { pointer: path, merged: true });
        }
        node = node.at(&format!("/{segment}"))?;
    }
    // A list or mapping that is added to, or taken from.
    is_alias(node).then_some(Shared { pointer: path, merged: false })
}

/// Whether an entry's key stands nowhere: a merge key brought it.
pub(super) fn is_merged(start: u32, end: u32) -> bool {
    // What comes from a cluster stands at the start of nothing.
    start == end && start > 0
}

/// Whether a collection's parts stand before it: an anchor is always before its aliases.
fn is_alias(node: &Node) -> bool {
    let first = match &node.value {
        Kind::Map(entries) => {
            let own = entries.iter().find(|entry| !is_merged(entry.key.bytes.start, entry.key.bytes.end));
            own.map(|entry| entry.key.bytes.start)
        }
        Kind::List(items) => items.first().map(|item| item.bytes.start),
        _ => None,
    };
    first.is_some_and(|first| first < node.bytes.start)
}

/// Sets `pointer` of `value`, making the mappings on the way that are not there.
pub(super) fn put(value: &mut Value, pointer: &str, new: Value) {
    let Some((name, rest)) = step(pointer) else {
        *value = new;
        return;
    };
    if let Value::Array(items) = value {
        if let Some(item) = name.parse().ok().and_then(|index: usize| items.get_mut(index)) {
            put(item, rest, new);
        }
        return;
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    put(&mut value[name], rest, new);
}

/// Adds `new` to the list at `pointer` of `value`.
pub(super) fn append(value: &mut Value, pointer: &str, new: Value) {
    match value.pointer_mut(pointer) {
        Some(Value::Array(items)) => items.push(new),
        _ => put(value, pointer, json!([new])),
    }
}

/// Takes `pointer` out of `value`.
pub(super) fn take_out(value: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    let name = name.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&name);
        }
        Some(Value::Array(items)) => {
            if let Some(index) = name.parse().ok().filter(|index: &usize| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

fn step(pointer: &str) -> Option<(String, &str)> {
    let rest = pointer.strip_prefix('/')?;
    let (name, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    Some((name.replace("~1", "/").replace("~0", "~"), rest))
}
