//! What becomes of whole manifests, byte for byte.

use serde_json::{Value, json};

use crate::built;

#[test]
fn manifests_become_these_objects() {
    for (name, manifest) in built::MANIFESTS {
        let objects = if name.starts_with("elasticsearch") {
            json!(built::stateful_sets(&built::resource(manifest)))
        } else if name.starts_with("kibana") {
            json!(built::kibana(&built::resource(manifest)))
        } else {
            json!(built::apm_server(&built::resource(manifest)))
        };
        insta::with_settings!({ description => manifest, omit_expression => true }, {
            insta::assert_json_snapshot!(name, without_hash(objects));
        });
    }
}

/// The hash of an object says nothing that the object doesn't.
fn without_hash(mut value: Value) -> Value {
    match &mut value {
        Value::Array(list) => list.iter_mut().for_each(|element| *element = without_hash(element.take())),
        object => {
            let labels = object["metadata"]["labels"].as_object_mut().unwrap();
            let hash = labels.remove("common.k8s.elastic.co/template-hash").unwrap();
            assert!(hash.as_str().unwrap().parse::<u64>().is_ok(), "{hash}");
        }
    }
    value
}
