//! The API's description is committed, current, and served.

use serde_json::Value;

use crate::world::{As, World};

#[test]
fn the_committed_description_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let current = parapet_server::openapi_json();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/reference/openapi.json is not what the routes say; `cargo xtask docs` writes it"
    );
}

#[tokio::test]
async fn the_description_is_served_to_everybody() {
    let world = World::start().await;
    let answer = world.get("/api/v1/openapi.json", &As::Nobody).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body, parapet_server::openapi_json());
}

#[test]
fn every_operation_is_explained_and_names_its_problems() {
    let document: Value = serde_json::from_str(&parapet_server::openapi_json()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{name} has no summary");
            assert!(operation["tags"].is_array(), "{name} has no tag");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name} is named like another");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].is_string(), "{name} {status} is not explained");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{name}: {parameter} is not explained");
            }
            if path == "/api/v1/openapi.json" {
                continue;
            }
            for status in ["400", "401", "403", "429", "500"] {
                let schema = &operation["responses"][status]["content"]["application/problem+json"]["schema"];
                assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{name} {status}");
            }
        }
    }
    assert!(document["components"]["schemas"]["Problem"]["properties"]["detail"].is_object());
    assert!(document["components"]["securitySchemes"]["token"].is_object());
    references_resolve(&document, &document);
}

fn references_resolve(document: &Value, part: &Value) {
    match part {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            map.values().for_each(|value| references_resolve(document, value));
        }
        Value::Array(values) => values.iter().for_each(|value| references_resolve(document, value)),
        _ => {}
    }
}
