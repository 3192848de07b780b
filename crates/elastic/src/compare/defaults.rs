//! What Kubernetes' API server fills in, as one table.
//!
//! Source: `pkg/apis/{core,apps}/v1/defaults.go` of Kubernetes 1.34, and what an API server of that version answers (the test
//! `api_server` writes each object and reads it back).

use parapet_api::Amount;
use serde_json::{Map, Value, json};

use super::normal::each;

/// A field of every object at a path, and what it is if it is absent. `C` stands for `containers[]` and `initContainers[]`,
/// `P` for the three probes, `H` for the two hooks.
const POD: &[(&str, &str, &str)] = &[
    ("", "dnsPolicy", r#""ClusterFirst""#),
    ("", "restartPolicy", r#""Always""#),
    ("", "schedulerName", r#""default-scheduler""#),
    ("", "terminationGracePeriodSeconds", "30"),
    ("", "hostNetwork", "false"),
    ("", "hostPID", "false"),
    ("", "hostIPC", "false"),
    ("C", "terminationMessagePath", r#""/dev/termination-log""#),
    ("C", "terminationMessagePolicy", r#""File""#),
    ("C", "stdin", "false"),
    ("C", "stdinOnce", "false"),
    ("C", "tty", "false"),
    ("C.env[]", "value", r#""""#),
    ("C.env[].valueFrom.fieldRef", "apiVersion", r#""v1""#),
    ("C.env[].valueFrom.resourceFieldRef", "divisor", r#""0""#),
    ("C.ports[]", "protocol", r#""TCP""#),
    ("C.volumeMounts[]", "readOnly", "false"),
    ("C.P", "initialDelaySeconds", "0"),
    ("C.P", "timeoutSeconds", "1"),
    ("C.P", "periodSeconds", "10"),
    ("C.P", "successThreshold", "1"),
    ("C.P", "failureThreshold", "3"),
    ("C.P.httpGet", "path", r#""/""#),
    ("C.P.httpGet", "scheme", r#""HTTP""#),
    ("C.P.grpc", "service", r#""""#),
    ("C.lifecycle.H.httpGet", "path", r#""/""#),
    ("C.lifecycle.H.httpGet", "scheme", r#""HTTP""#),
    ("volumes[].secret", "defaultMode", "420"),
    ("volumes[].configMap", "defaultMode", "420"),
    ("volumes[].downwardAPI", "defaultMode", "420"),
    ("volumes[].downwardAPI.items[].fieldRef", "apiVersion", r#""v1""#),
    ("volumes[].downwardAPI.items[].resourceFieldRef", "divisor", r#""0""#),
    ("volumes[].projected", "defaultMode", "420"),
    ("volumes[].projected.sources[].downwardAPI.items[].resourceFieldRef", "divisor", r#""0""#),
    ("volumes[].projected.sources[].serviceAccountToken", "expirationSeconds", "3600"),
    ("volumes[].projected.sources[].downwardAPI.items[].fieldRef", "apiVersion", r#""v1""#),
    ("volumes[].hostPath", "type", r#""""#),
    ("volumes[].persistentVolumeClaim", "readOnly", "false"),
    ("volumes[].ephemeral.volumeClaimTemplate.spec", "volumeMode", r#""Filesystem""#),
    ("volumes[].iscsi", "iscsiInterface", r#""default""#),
    ("volumes[].rbd", "pool", r#""rbd""#),
    ("volumes[].rbd", "user", r#""admin""#),
    ("volumes[].rbd", "keyring", r#""/etc/ceph/keyring""#),
    ("volumes[].azureDisk", "cachingMode", r#""ReadWrite""#),
    ("volumes[].azureDisk", "fsType", r#""ext4""#),
    ("volumes[].azureDisk", "kind", r#""Shared""#),
    ("volumes[].azureDisk", "readOnly", "false"),
    ("volumes[].scaleIO", "storageMode", r#""ThinProvisioned""#),
    ("volumes[].scaleIO", "fsType", r#""xfs""#),
];

/// Values that say the same as their absence, although the API server keeps them.
const SAME_MEANING: &[(&str, &str, &str)] = &[
    ("C.securityContext", "privileged", "false"),
    ("C.securityContext", "readOnlyRootFilesystem", "false"),
    ("C.securityContext", "runAsNonRoot", "false"),
    ("C.securityContext", "procMount", r#""Default""#),
    ("securityContext", "runAsNonRoot", "false"),
    ("volumes[].secret", "optional", "false"),
    ("volumes[].configMap", "optional", "false"),
];

/// Lists whose order says nothing, and what their elements are called by.
const SETS: &[(&str, &str, &[&str])] = &[
    ("", "volumes", &["name"]),
    ("", "imagePullSecrets", &["name"]),
    ("C", "volumeMounts", &["mountPath"]),
    ("C", "ports", &["name", "containerPort", "protocol"]),
];

/// Maps of quantities, and single ones, below a pod's specification.
const QUANTITIES: &[(&str, &[&str])] = &[
    ("C.resources.limits", &[]),
    ("C.resources.requests", &[]),
    ("resources.limits", &[]),
    ("resources.requests", &[]),
    ("overhead", &[]),
    ("volumes[].emptyDir", &["sizeLimit"]),
    ("volumes[].downwardAPI.items[].resourceFieldRef", &["divisor"]),
    ("volumes[].projected.sources[].downwardAPI.items[].resourceFieldRef", &["divisor"]),
    ("volumes[].ephemeral.volumeClaimTemplate.spec.resources.requests", &[]),
    ("C.env[].valueFrom.resourceFieldRef", &["divisor"]),
];

/// Brings the pod template at `root` into one spelling.
pub(super) fn pod_template(object: &mut Value, root: &str) {
    let at = |path: &str| expand(&format!("{root}.spec"), path);
    for (path, field, default) in POD {
        for path in at(path) {
            fill(object, &path, field, &parsed(default));
        }
    }
    for (path, field, nothing) in SAME_MEANING {
        for path in at(path) {
            each(object, &path, &mut |parent| {
                if parent.get(*field) == Some(&parsed(nothing)) {
                    parent.remove(*field);
                }
            });
        }
    }
    for path in at("C") {
        each(object, &path, &mut |container| {
            pull_policy(container);
            sort_unrelated_variables(container);
        });
    }
    each(object, &format!("{root}.spec"), &mut derived);
    for (path, fields) in QUANTITIES {
        for path in at(path) {
            each(object, &path, &mut |map| by_value(map, fields));
        }
    }
    for (path, list, keys) in SETS {
        for path in at(path) {
            each(object, &path, &mut |parent| sort(parent, list, keys));
        }
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("the table holds JSON")
}

/// Sets `field` of every object at `path` if it is absent.
pub(super) fn fill(object: &mut Value, path: &str, field: &str, default: &Value) {
    each(object, path, &mut |parent| {
        if parent.get(field).is_none_or(Value::is_null) {
            parent.insert(field.to_owned(), default.clone());
        }
    });
}

/// Quantities as numbers; all of the map, or only `fields` of it.
pub(super) fn by_value(map: &mut Map<String, Value>, fields: &[&str]) {
    for (key, value) in map.iter_mut() {
        let Some(text) = value.as_str().filter(|_| fields.is_empty() || fields.contains(&key.as_str()))
        else {
            continue;
        };
        if let Ok(amount) = text.parse::<Amount>() {
            *value = json!(amount.to_string());
        }
    }
}

fn expand(root: &str, path: &str) -> Vec<String> {
    let mut paths = vec![root.to_owned()];
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        let alternatives: &[&str] = match segment {
            "C" => &["containers[]", "initContainers[]"],
            "P" => &["livenessProbe", "readinessProbe", "startupProbe"],
            "H" => &["postStart", "preStop"],
            other => &[other],
        };
        paths = paths
            .iter()
            .flat_map(|path| alternatives.iter().map(move |segment| format!("{path}.{segment}")))
            .collect();
    }
    paths
}

/// By the tag: what may move is pulled each time.
fn pull_policy(container: &mut Map<String, Value>) {
    if container.get("imagePullPolicy").is_some_and(|policy| !policy.is_null()) {
        return;
    }
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once('@').map_or(last, |(name, _)| name).split_once(':').map(|(_, tag)| tag);
    let moves = tag == Some("latest") || (tag.is_none() && !last.contains('@'));
    let policy = if moves { "Always" } else { "IfNotPresent" };
    container.insert("imagePullPolicy".to_owned(), json!(policy));
}

/// Variables may refer to earlier ones; where none refers to any, their order says nothing.
fn sort_unrelated_variables(container: &mut Map<String, Value>) {
    let refers = |variable: &Value| variable["value"].as_str().is_some_and(|value| value.contains("$("));
    let Some(list) = container.get("env").and_then(Value::as_array) else { return };
    if !list.iter().any(refers) {
        sort(container, "env", &["name"]);
    }
}

/// Fields that the API server derives from others.
fn derived(spec: &mut Map<String, Value>) {
    // The older name of `serviceAccountName`.
    if let Some(name) = spec.get("serviceAccount").cloned().filter(|name| !name.is_null()) {
        spec.entry("serviceAccountName").or_insert(name);
    }
    spec.remove("serviceAccount");
    // Before 1.28 pods on the host's network got their ports on the host in the template too.
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        for list in ["containers", "initContainers"] {
            for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                for port in container["ports"].as_array_mut().into_iter().flatten() {
                    let number = port["containerPort"].clone();
                    if let Some(port) = port.as_object_mut() {
                        port.entry("hostPort").or_insert(number);
                    }
                }
            }
        }
    }
}

fn sort(parent: &mut Map<String, Value>, list: &str, keys: &[&str]) {
    if let Some(list) = parent.get_mut(list).and_then(Value::as_array_mut) {
        list.sort_by_cached_key(|element| {
            keys.iter().map(|key| element[*key].to_string()).collect::<Vec<_>>()
        });
    }
}
