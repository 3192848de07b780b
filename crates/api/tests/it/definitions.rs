//! The definitions made of the types.

use std::path::Path;

use parapet_api::{Kind, crd};
use serde_json::{Value, json};

fn definition(kind: Kind) -> Value {
    serde_json::to_value(crd(kind)).unwrap()
}

/// Every schema in a definition's first version, with its path.
fn schemas(kind: Kind) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    collect(&definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"], String::new(), &mut found);
    found
}

fn collect(schema: &Value, path: String, found: &mut Vec<(String, Value)>) {
    found.push((path.clone(), schema.clone()));
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        collect(part, format!("{path}.{name}"), found);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            collect(&schema[key], format!("{path}[]"), found);
        }
    }
}

#[test]
fn versions_are_those_of_the_reference() {
    for kind in Kind::ALL {
        let definition = definition(kind);
        let versions: Vec<_> = definition["spec"]["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| {
                (version["name"].as_str().unwrap(), version["served"] == true, version["storage"] == true)
            })
            .collect();
        assert_eq!(versions, [("v1", true, true), ("v1beta1", true, false), ("v1alpha1", false, false)]);
        assert_eq!(definition["spec"]["names"]["categories"], json!(["elastic"]));
    }
}

#[test]
fn no_schema_changes_what_it_is_given() {
    for kind in Kind::ALL {
        for (path, schema) in schemas(kind) {
            assert!(schema.get("default").is_none() && schema.get("nullable").is_none(), "{path} {schema}");
        }
    }
}

#[test]
fn a_status_takes_any_word() {
    for kind in Kind::ALL {
        for (path, schema) in schemas(kind).into_iter().filter(|(path, _)| path.starts_with(".status")) {
            assert!(schema.get("enum").is_none(), "{path}");
        }
    }
}

#[test]
fn definitions_are_small_enough_for_kubectl_apply() {
    for kind in Kind::ALL {
        let size = definition(kind).to_string().len();
        // The most that annotations may hold: https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go
        assert!(size < 262_144 / 2, "{} {size}", kind.name());
    }
}

#[test]
fn pods_and_configurations_are_free() {
    let free = |kind: Kind| -> Vec<String> {
        let all = schemas(kind).into_iter();
        all.filter(|(_, schema)| schema["x-kubernetes-preserve-unknown-fields"] == true)
            .map(|(path, _)| path)
            .collect()
    };
    assert_eq!(
        free(Kind::Elasticsearch),
        [".spec.nodeSets[].config", ".spec.nodeSets[].podTemplate", ".spec.remoteClusters[].apiKey.access"]
    );
    assert_eq!(free(Kind::Kibana), [".spec.config", ".spec.podTemplate"]);
    assert_eq!(free(Kind::ApmServer), [".spec.config", ".spec.podTemplate"]);
}

#[test]
fn the_chart_holds_these_definitions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/parapet-operator/files/crds");
    for kind in Kind::ALL {
        let path = folder.join(format!("{}.{}.yaml", kind.plural(), kind.group()));
        let text = serde_saphyr::to_string(&crd(kind)).unwrap();
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{} is out of date; `cargo xtask crds` writes it", path.display());
    }
}
