//! The CustomResourceDefinitions, made of the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use crate::schema::{Object, visit};
use crate::{ApmServer, Elasticsearch, Kibana, Kind};

/// The definitions of all kinds, as they are applied to a cluster. `v1` is stored; `v1beta1` is served with the same
/// schema, as nothing converts between them; `v1alpha1` is only there because old clusters have it among their stored
/// versions.
pub fn crds() -> Vec<CustomResourceDefinition> {
    Kind::ALL.into_iter().map(crd).collect()
}

/// The definition of one kind.
pub fn crd(kind: Kind) -> CustomResourceDefinition {
    let names = json!({
        "categories": ["elastic"],
        "kind": kind.name(),
        "listKind": format!("{}List", kind.name()),
        "plural": kind.plural(),
        "shortNames": [kind.short_name()],
        "singular": kind.name().to_lowercase(),
    });
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{}", kind.plural(), kind.group()) },
        "spec": {
            "group": kind.group(),
            "names": names,
            "scope": "Namespaced",
            "versions": [
                version(kind, "v1", true),
                version(kind, "v1beta1", false),
                {
                    "name": "v1alpha1",
                    "served": false,
                    "storage": false,
                    "schema": { "openAPIV3Schema": { "type": "object" } },
                },
            ],
        },
    });
    serde_json::from_value(crd).expect("a definition is written so")
}

/// The schema of `v1`, as JSON.
pub(crate) fn schema(kind: Kind) -> Value {
    let derived = match kind {
        Kind::Elasticsearch => Elasticsearch::crd(),
        Kind::Kibana => Kibana::crd(),
        Kind::ApmServer => ApmServer::crd(),
    };
    let version = derived.spec.versions.into_iter().next().expect("the derived definition has one version");
    let mut schema = serde_json::to_value(version.schema.and_then(|schema| schema.open_api_v3_schema))
        .expect("a schema is JSON");
    visit(schema.as_object_mut(), &mut |part| {
        // A default would be written into objects by the API server, which then differ from what their users keep in Git.
        part.remove("default");
        // Without it the API server drops a `null`, which is what the reference's definitions make it do.
        part.remove("nullable");
        // Bounds of Rust's types say nothing that a format doesn't.
        if part.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
            part.remove("format");
        }
    });
    // What the derivation says of itself gives way to what the kind is.
    schema["description"] = schema["properties"]["spec"]["description"].take();
    schema["properties"]["spec"]["description"] = json!("What is wanted.");
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("apiVersion".to_owned(), json!({ "type": "string" }));
        properties.insert("kind".to_owned(), json!({ "type": "string" }));
        properties.insert("metadata".to_owned(), json!({ "type": "object" }));
        // Words that another release writes are no reason to refuse a status.
        visit(properties.get_mut("status").and_then(Value::as_object_mut), &mut |part: &mut Object| {
            part.remove("enum");
            part.remove("required");
        });
    }
    schema
}

fn version(kind: Kind, name: &str, storage: bool) -> Value {
    let from = if storage { ".status.version" } else { ".spec.version" };
    let column = |name: &str, kind: &str, path: &str, description: &str| json!({ "name": name, "type": kind, "jsonPath": path, "description": description });
    let mut columns = vec![
        column("health", "string", ".status.health", ""),
        column("nodes", "integer", ".status.availableNodes", "Ready pods"),
        column("version", "string", from, "Version of the stack"),
    ];
    if kind == Kind::Elasticsearch {
        columns.push(column("phase", "string", ".status.phase", ""));
    }
    columns.push(column("age", "date", ".metadata.creationTimestamp", ""));
    for column in columns.iter_mut().filter_map(Value::as_object_mut) {
        column.retain(|_, value| value != "");
    }
    let mut subresources = json!({ "status": {} });
    if kind != Kind::Elasticsearch {
        subresources["scale"] = json!({
            "specReplicasPath": ".spec.count",
            "statusReplicasPath": ".status.count",
            "labelSelectorPath": ".status.selector",
        });
    }
    json!({
        "name": name,
        "served": true,
        "storage": storage,
        "additionalPrinterColumns": columns,
        "subresources": subresources,
        "schema": { "openAPIV3Schema": schema(kind) },
    })
}
