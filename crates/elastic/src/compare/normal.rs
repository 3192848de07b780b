//! Walking JSON: defaults at paths, and removal of what says nothing.

use serde_json::{Map, Value};

/// Objects under these keys say something even if they are empty: they select everything, while absent they select nothing.
const SELECTORS: &[&str] = &["labelSelector", "namespaceSelector", "podSelector", "selector"];
/// Maps of the user's own keys, whose empty values are values.
const FREE_KEYS: &[&str] =
    &["labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData", "binaryData"];

/// Calls `visit` with every object at `path`. A segment names a field; `[]` behind it goes into each element of the list.
pub(super) fn each(value: &mut Value, path: &str, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    let Some(object) = value.as_object_mut() else { return };
    let (segment, rest) = path.split_once('.').unwrap_or((path, ""));
    if segment.is_empty() {
        visit(object);
        return;
    }
    let (field, list) = segment.strip_suffix("[]").map_or((segment, false), |field| (field, true));
    let Some(next) = object.get_mut(field) else { return };
    if list {
        for element in next.as_array_mut().into_iter().flatten() {
            each(element, rest, visit);
        }
    } else {
        each(next, rest, visit);
    }
}

/// Removes nulls, empty lists, and empty objects that aren't selectors: none of them survives the API server's encoding, or
/// none of them says anything.
pub(super) fn prune(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object.iter_mut() {
                if !FREE_KEYS.contains(&key.as_str()) {
                    prune(inner);
                }
            }
            object.retain(|key, inner| match inner {
                Value::Null => false,
                Value::Array(list) => !list.is_empty(),
                Value::Object(map) => !map.is_empty() || SELECTORS.contains(&key.as_str()),
                _ => true,
            });
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        _ => {}
    }
}
