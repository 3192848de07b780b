//! Differences field by field, in words that a person finds in a manifest.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where: `spec.template.spec.containers[elasticsearch].image`. Elements of lists go by name if they have one.
    pub path: String,
    /// What is there; nothing if the field is absent. Values of Secrets are never shown.
    pub live: Option<Value>,
    /// What should be there; nothing if the field goes.
    pub desired: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        write!(f, "{}: {} becomes {}", self.path, text(&self.live), text(&self.desired))
    }
}

/// All differences between two values.
pub fn between(live: &Value, desired: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(String::new(), Some(live), Some(desired), &mut found);
    found
}

/// All differences between two normalised objects; of a Secret's data only the keys are told.
pub(super) fn of_objects(live: &Value, desired: &Value, secret: bool) -> Vec<Difference> {
    let mut found = between(live, desired);
    if secret {
        for difference in found.iter_mut().filter(|one| one.path.starts_with("data")) {
            difference.live = difference.live.as_ref().map(redacted);
            difference.desired = difference.desired.as_ref().map(redacted);
        }
    }
    found
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), redacted(value))).collect())
        }
        _ => Value::String("(hidden)".to_owned()),
    }
}

fn walk(path: String, live: Option<&Value>, desired: Option<&Value>, found: &mut Vec<Difference>) {
    match (live, desired) {
        (Some(live), Some(desired)) if live == desired => {}
        (Some(Value::Object(live)), Some(Value::Object(desired))) => {
            let keys: BTreeSet<&String> = live.keys().chain(desired.keys()).collect();
            for key in keys {
                walk(field(&path, key), live.get(key), desired.get(key), found);
            }
        }
        (Some(Value::Array(live)), Some(Value::Array(desired))) => lists(&path, live, desired, found),
        (live, desired) => {
            found.push(Difference { path, live: live.cloned(), desired: desired.cloned() });
        }
    }
}

fn field(path: &str, key: &str) -> String {
    let key = if key.contains(['.', '/']) { format!("[{key}]") } else { key.to_owned() };
    match path {
        "" => key,
        _ if key.starts_with('[') => format!("{path}{key}"),
        _ => format!("{path}.{key}"),
    }
}

fn lists(path: &str, live: &[Value], desired: &[Value], found: &mut Vec<Difference>) {
    let before = found.len();
    match names(live).zip(names(desired)) {
        Some((old, new)) => {
            let all: BTreeSet<&str> = old.iter().chain(&new).copied().collect();
            let at = |names: &[&str], list: &'_ [Value], name: &str| {
                names.iter().position(|own| *own == name).and_then(|index| list.get(index).cloned())
            };
            for name in all {
                let (was, becomes) = (at(&old, live, name), at(&new, desired, name));
                walk(format!("{path}[{name}]"), was.as_ref(), becomes.as_ref(), found);
            }
        }
        None => {
            for index in 0..live.len().max(desired.len()) {
                walk(format!("{path}[{index}]"), live.get(index), desired.get(index), found);
            }
        }
    }
    // The same elements in another order.
    if found.len() == before {
        let (live, desired) = (Value::Array(live.to_vec()), Value::Array(desired.to_vec()));
        found.push(Difference { path: path.to_owned(), live: Some(live), desired: Some(desired) });
    }
}

/// What the elements are called, if each has a name of its own.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    let names: Vec<&str> = list.iter().map(|element| element.get("name")?.as_str()).collect::<Option<_>>()?;
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    (distinct.len() == names.len()).then_some(names)
}
