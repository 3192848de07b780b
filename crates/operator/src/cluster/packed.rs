//! Objects in the form in which they wait for the next pass.
//!
//! The types of a StatefulSet or a pod have room for every field that there is: one of 8 KB of JSON takes 120 KB. As a pass
//! comes rarely and reads few, they are kept as compressed JSON and read again when they are asked for.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// An object as JSON in one block of LZ4. Clones are the same.
pub struct Packed<K> {
    block: Arc<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Serialize + DeserializeOwned> Packed<K> {
    /// Packs it.
    pub(super) fn of(object: &K) -> Self {
        let json = serde_json::to_vec(object).expect("Kubernetes objects are JSON");
        Self { block: lz4_flex::block::compress_prepend_size(&json).into(), kind: PhantomData }
    }

    /// As it was.
    pub(super) fn unpacked(&self) -> K {
        let json = lz4_flex::block::decompress_size_prepended(&self.block).expect("it was compressed above");
        serde_json::from_slice(&json).expect("it was written from such an object")
    }
}

impl<K> Clone for Packed<K> {
    fn clone(&self) -> Self {
        Self { block: Arc::clone(&self.block), kind: PhantomData }
    }
}

impl<K> fmt::Debug for Packed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("bytes", &self.block.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::StatefulSet;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    use super::*;

    fn check<K: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(object: Value) {
        let object: K = serde_json::from_value(object).unwrap();
        assert_eq!(Packed::of(&object).unpacked(), object);
    }

    #[test]
    fn what_was_packed_comes_back_as_it_was() {
        let template = json!({
            "metadata": {"labels": {}, "creationTimestamp": null, "annotations": {"a": "\u{1f512} \"quoted\"\n"}},
            "spec": {
                "containers": [{
                    "name": "main", "env": [], "args": ["--port=1"], "ports": [{"containerPort": 9200}],
                    "resources": {"limits": {"memory": "2Gi", "cpu": "500m"}, "requests": {}},
                    "readinessProbe": {"httpGet": {"port": "https", "path": ""}, "periodSeconds": 5},
                    "startupProbe": {"tcpSocket": {"port": 9300}},
                }],
                "tolerations": [], "nodeSelector": {}, "hostNetwork": false, "priority": 0,
            },
        });
        check::<StatefulSet>(json!({
            "metadata": {
                "name": "a", "namespace": "ns", "generation": 3, "finalizers": [],
                "creationTimestamp": "2026-11-21T18:00:00Z",
                "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "1", "controller": true}],
            },
            "spec": {
                "replicas": 0, "serviceName": "s", "selector": {"matchLabels": {"a": "b"}}, "template": template,
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                }}],
                "updateStrategy": {"type": "OnDelete"},
            },
            "status": {"replicas": 3, "conditions": []},
        }));
        check::<Pod>(json!({
            "metadata": {"name": "a-0", "deletionTimestamp": "2026-11-21T18:00:00Z"},
            "spec": template["spec"],
            "status": {"podIP": "10.0.0.1", "startTime": "2026-11-21T18:00:00Z", "conditions": [
                {"type": "Ready", "status": "True", "lastProbeTime": null},
            ]},
        }));
    }
}
