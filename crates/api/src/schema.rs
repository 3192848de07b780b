//! Schemas that the types alone don't give.

use k8s_openapi::api::core::v1::PersistentVolumeClaimSpec;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// A schema that takes any object: pod templates and configurations, which would make the CRD too large for
/// `kubectl apply`'s annotation, or have no schema at all.
pub(crate) fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// What of an object's metadata a template may give, as the reference's schema has it. `creationTimestamp: null`, which
/// programs write, is not among it and thus dropped.
pub(crate) fn metadata(_: &mut SchemaGenerator) -> Schema {
    let words = serde_json::json!({ "type": "object", "additionalProperties": { "type": "string" } });
    json_schema!({
        "type": "object",
        "properties": {
            "annotations": words,
            "finalizers": { "type": "array", "items": { "type": "string" } },
            "labels": words,
            "name": { "type": "string" },
            "namespace": { "type": "string" },
        },
    })
}

/// A type of Kubernetes' own, without its descriptions: whoever wants them asks `kubectl explain` for the type.
pub(crate) fn of_kubernetes<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    undescribe(&mut schema);
    schema
}

/// Claims, without their status.
pub(crate) fn claims(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "apiVersion": { "type": "string" },
                "kind": { "type": "string" },
                "metadata": metadata(generator),
                "spec": of_kubernetes::<PersistentVolumeClaimSpec>(generator),
            },
        },
    })
}

/// `cpu` and `memory`.
pub(crate) fn cpu_and_memory(_: &mut SchemaGenerator) -> Schema {
    let amount = serde_json::json!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        // Signs, digits, and one of the suffixes.
        "pattern": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
        "x-kubernetes-int-or-string": true,
    });
    json_schema!({ "type": "object", "properties": { "cpu": amount, "memory": amount } })
}

fn undescribe(schema: &mut Schema) {
    visit(schema.as_object_mut(), &mut |schema| {
        schema.remove("description");
    });
}

/// Shows `see` a schema and every schema in it.
pub(crate) fn visit(schema: Option<&mut Object>, see: &mut impl FnMut(&mut Object)) {
    let Some(schema) = schema else { return };
    see(schema);
    for key in ["properties", "patternProperties", "definitions", "$defs"] {
        for part in
            schema.get_mut(key).and_then(Value::as_object_mut).into_iter().flat_map(Object::values_mut)
        {
            visit(part.as_object_mut(), see);
        }
    }
    for key in ["items", "additionalProperties", "not"] {
        visit(schema.get_mut(key).and_then(Value::as_object_mut), see);
    }
    for key in ["anyOf", "allOf", "oneOf"] {
        for part in schema.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            visit(part.as_object_mut(), see);
        }
    }
}

/// A schema as JSON.
pub(crate) type Object = serde_json::Map<String, Value>;
