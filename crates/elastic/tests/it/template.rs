//! The merge of pod templates: laws that hold for any user's template.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use parapet_elastic::template::{Ours, merge};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::built;

/// What the operator brings to an Elasticsearch pod, here read from a template made without any user's part.
fn ours() -> Ours {
    let template = built::first(&built::elasticsearch("8.15.3", "", ""));
    let mut template = template;
    let spec = template.spec.as_mut().unwrap();
    let init = spec.init_containers.take().unwrap();
    Ours { template, init, init_env: Vec::new(), share_env: true }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("elasticsearch".to_owned()),
        Just("elastic-internal-init-filesystem".to_owned()),
        Just("elastic-internal-suspend".to_owned()),
        Just("elasticsearch-data".to_owned()),
        Just("tmp-volume".to_owned()),
        Just("POD_NAME".to_owned()),
        Just("https".to_owned()),
        "[a-z]{1,4}",
    ]
}

fn distinct(element: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(element, 0..4).prop_map(|list| {
        let mut seen = std::collections::BTreeSet::new();
        list.into_iter().filter(|one| seen.insert(one["name"].to_string())).collect()
    })
}

fn container() -> impl Strategy<Value = Value> {
    let env =
        distinct((name(), "[a-z]{0,3}").prop_map(|(name, value)| json!({ "name": name, "value": value })));
    let ports =
        distinct((name(), 1..9999).prop_map(|(name, port)| json!({ "name": name, "containerPort": port })));
    let mounts =
        distinct((name(), "/[a-z]{1,3}").prop_map(|(name, path)| json!({ "name": name, "mountPath": path })));
    let extra = prop_oneof![
        Just(json!({})),
        Just(json!({ "image": "mine:1", "command": ["x"] })),
        Just(json!({ "securityContext": { "runAsUser": 5 }, "readinessProbe": { "periodSeconds": 1 } })),
        Just(json!({ "resources": { "limits": { "memory": "7Gi" } }, "lifecycle": {} })),
        Just(json!({ "imagePullPolicy": "Never", "workingDir": "/w", "tty": true })),
    ];
    (name(), env, ports, mounts, extra).prop_map(|(name, env, ports, mounts, extra)| {
        let mut container = json!({ "name": name, "env": env, "ports": ports, "volumeMounts": mounts });
        container.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        container
    })
}

fn template() -> impl Strategy<Value = PodTemplateSpec> {
    let maps = prop::collection::btree_map("[a-z/.]{1,6}", "[ -~]{0,5}", 0..3);
    let volumes =
        distinct(name().prop_map(|name| json!({ "name": name, "emptyDir": { "sizeLimit": "1Gi" } })));
    let extra = prop_oneof![
        Just(json!({})),
        Just(json!({ "affinity": {}, "securityContext": { "runAsUser": 3 } })),
        Just(json!({ "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": true })),
        Just(json!({ "nodeSelector": { "a": "b" }, "priorityClassName": "high", "hostNetwork": true })),
        Just(
            json!({ "topologySpreadConstraints": [{ "maxSkew": 2, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule" }] })
        ),
    ];
    let containers = (distinct(container()), distinct(container()));
    (maps.clone(), maps, containers, volumes, extra).prop_map(
        |(labels, notes, (containers, init), volumes, extra)| {
            let mut spec = json!({ "containers": containers, "initContainers": init, "volumes": volumes });
            spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let template = json!({ "metadata": { "labels": labels, "annotations": notes }, "spec": spec });
            serde_json::from_value(template).unwrap()
        },
    )
}

/// Whether everything that `user` says is said by `merged`: the oracle knows nothing of pods but that some lists go by name.
fn kept(user: &Value, merged: &Value, path: &str) -> Result<(), String> {
    match (user, merged) {
        (Value::Object(user), Value::Object(merged)) => user.iter().try_for_each(|(key, value)| {
            let path = format!("{path}.{key}");
            kept(value, merged.get(key).unwrap_or(&Value::Null), &path)
        }),
        (Value::Array(user), Value::Array(merged)) if user.iter().all(|one| one["name"].is_string()) => {
            user.iter().try_for_each(|one| {
                let path = format!("{path}[{}]", one["name"]);
                let found = merged
                    .iter()
                    .find(|other| other["name"] == one["name"])
                    .ok_or(format!("{path} is gone"))?;
                kept(one, found, &path)
            })
        }
        // Nothing was said.
        (Value::Array(empty), Value::Null) if empty.is_empty() => Ok(()),
        _ if user == merged => Ok(()),
        _ => Err(format!("{path}: {user} became {merged}")),
    }
}

fn order(template: &Value) -> Vec<String> {
    let list = template["spec"]["initContainers"].as_array().cloned().unwrap_or_default();
    list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

proptest! {
    #[test]
    fn the_users_values_are_kept(user in template()) {
        let merged = merge(user.clone(), ours());
        prop_assert_eq!(kept(&json!(user), &json!(merged), ""), Ok(()));
    }

    #[test]
    fn merged_again_nothing_changes(user in template()) {
        let once = merge(user, ours());
        prop_assert_eq!(merge(once.clone(), ours()), once);
    }

    #[test]
    fn the_users_init_containers_keep_their_order_behind_ours(user in template()) {
        let (before, after) = (order(&json!(user)), order(&json!(merge(user, ours()))));
        let ours: Vec<String> = ours().init.into_iter().map(|one| one.name).collect();
        prop_assert_eq!(&after[..ours.len()], &ours[..]);
        let theirs: Vec<String> = before.into_iter().filter(|name| !ours.contains(name)).collect();
        prop_assert_eq!(&after[ours.len()..], &theirs[..]);
    }
}
