//! The JSON merge patch (RFC 7386) that makes one value into another.

use serde_json::{Map, Value};

/// What has to be merged into `live` so that it is `desired`; none if it is already. A null in `desired` counts as
/// absent: a merge patch can't write one.
pub(crate) fn merge_patch(live: &Value, desired: &Value) -> Option<Value> {
    match (live, desired) {
        (Value::Object(live), Value::Object(desired)) => {
            let patch = between(live, desired);
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (live, desired) if live == desired => None,
        // A merge into what is no object is a merge into an empty one.
        (_, Value::Object(desired)) => Some(Value::Object(between(&Map::new(), desired))),
        (_, desired) => Some(desired.clone()),
    }
}

/// `target` with `patch` merged into it (RFC 7386, section 2).
pub(crate) fn merged(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let old = target.remove(name).unwrap_or(Value::Null);
            target.insert(name.clone(), merged(old, value));
        }
    }
    Value::Object(target)
}

fn between(live: &Map<String, Value>, desired: &Map<String, Value>) -> Map<String, Value> {
    let gone =
        live.iter().filter(|(key, old)| !old.is_null() && desired.get(*key).is_none_or(Value::is_null));
    let gone = gone.map(|(key, _)| (key.clone(), Value::Null));
    let new = desired.iter().filter(|(_, new)| !new.is_null()).filter_map(|(key, new)| {
        Some((key.clone(), merge_patch(live.get(key).unwrap_or(&Value::Null), new)?))
    });
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_named_and_what_is_gone_is_null() {
        let live = json!({"a": 1, "b": {"c": [1, 2], "d": "same"}, "e": "old"});
        let desired = json!({"a": 1, "b": {"c": [1], "d": "same"}, "f": {}});
        assert_eq!(merge_patch(&live, &desired), Some(json!({"b": {"c": [1]}, "e": null, "f": {}})));
        assert_eq!(merge_patch(&live, &live), None);
        assert_eq!(merge_patch(&Value::Null, &json!({"a": null, "b": 1})), Some(json!({"b": 1})));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!({})),
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from),
            "[ab]?".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn merged_into_the_one_it_gives_the_other(live in value(), desired in value()) {
            match merge_patch(&live, &desired) {
                None => prop_assert_eq!(live, desired),
                Some(patch) => prop_assert_eq!(merged(live, &patch), desired),
            }
        }
    }
}
