//! Every field of an object matters: taken away, it is a difference, unless it says what its absence says.

use k8s_openapi::api::apps::v1::StatefulSet;
use parapet_elastic::compare::differences;
use serde_json::{Value, json};

use super::adopted;
use crate::built;

/// The pointers of all leaves and lists below `value`.
fn leaves(value: &Value, pointer: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                leaves(inner, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, inner) in list.iter().enumerate() {
                leaves(inner, &format!("{pointer}/{index}"), all);
            }
        }
        _ => all.push(pointer.to_owned()),
    }
}

fn without(value: &Value, pointer: &str) -> Value {
    let mut value = value.clone();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.remove(&last.replace("~1", "/").replace("~0", "~"))),
        Value::Array(list) => drop(list.remove(last.parse().unwrap())),
        _ => unreachable!("a leaf is in an object or a list"),
    }
    value
}

/// What Kubernetes would not take without its field; JSON without it isn't even the kind.
fn is_required(pointer: &str) -> bool {
    let last = pointer.rsplit('/').next().unwrap();
    pointer.ends_with("/name")
        || matches!(last, "mountPath" | "path" | "containerPort" | "key" | "fieldPath" | "port" | "resource")
}

#[test]
fn a_field_that_is_taken_away_is_a_difference() {
    let es = built::resource(include_str!("../manifests/elasticsearch-everything.yaml"));
    let set = built::stateful_sets(&es).remove(0);
    let live = adopted(set.clone());
    let whole = json!(set);
    let mut all = Vec::new();
    leaves(&whole["spec"]["template"], "/spec/template", &mut all);
    assert!(all.len() > 300, "{}", all.len());
    let mut same = std::collections::BTreeSet::new();
    for pointer in all.iter().filter(|pointer| !is_required(pointer)) {
        let Ok(desired) = serde_json::from_value::<StatefulSet>(without(&whole, pointer)) else { continue };
        if differences(&live, &desired).is_empty() {
            // Where in the lists does not matter here.
            let numberless: Vec<&str> =
                pointer.split('/').filter(|part| part.parse::<usize>().is_err()).collect();
            same.insert(numberless.join("/"));
        }
    }
    // All of these say what the API server fills in, or nothing.
    insta::assert_json_snapshot!("no-difference-if-absent", same);
}

#[test]
fn a_value_that_changes_is_a_difference() {
    let es = built::resource(include_str!("../manifests/elasticsearch-everything.yaml"));
    let set = built::stateful_sets(&es).remove(0);
    let live = adopted(set.clone());
    let whole = json!(set);
    let mut all = Vec::new();
    leaves(&whole["spec"]["template"], "/spec/template", &mut all);
    for pointer in &all {
        let mut changed = whole.clone();
        let leaf = changed.pointer_mut(pointer).unwrap();
        let other = match leaf {
            Value::Bool(value) => json!(!*value),
            Value::Number(value) => json!(value.as_i64().unwrap() + 1),
            Value::String(value) => json!(format!("{value}9")),
            _ => continue,
        };
        *leaf = other;
        let Ok(desired) = serde_json::from_value::<StatefulSet>(changed) else { continue };
        // The script of the keystore may change.
        if pointer.contains("/initContainers/1/command/") {
            continue;
        }
        assert_ne!(differences(&live, &desired), [], "{pointer}");
    }
}
