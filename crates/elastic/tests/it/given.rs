//! Custom resources and Secrets as tests write them.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use parapet_api::{ApmServer, Elasticsearch, Kibana};
use serde_json::{Value, json};

/// An Elasticsearch `x` in `n` with one group `default` of three nodes, changed by `change`.
pub(crate) fn elasticsearch(change: impl FnOnce(&mut Value)) -> Elasticsearch {
    object("elasticsearch.k8s.elastic.co/v1", "Elasticsearch", "x", change, |spec| {
        spec["nodeSets"] = json!([{ "name": "default", "count": 3 }]);
    })
}

/// A Kibana `k` in `n`.
pub(crate) fn kibana(change: impl FnOnce(&mut Value)) -> Kibana {
    object("kibana.k8s.elastic.co/v1", "Kibana", "k", change, |spec| spec["count"] = json!(1))
}

/// An APM Server `a` in `n`.
pub(crate) fn apm_server(change: impl FnOnce(&mut Value)) -> ApmServer {
    object("apm.k8s.elastic.co/v1", "ApmServer", "a", change, |spec| spec["count"] = json!(1))
}

fn object<T: serde::de::DeserializeOwned>(
    api: &str,
    kind: &str,
    name: &str,
    change: impl FnOnce(&mut Value),
    complete: impl FnOnce(&mut Value),
) -> T {
    let mut written = json!({
        "apiVersion": api,
        "kind": kind,
        "metadata": { "name": name, "namespace": "n", "uid": format!("uid-{name}") },
        "spec": { "version": "8.15.3" },
    });
    complete(&mut written["spec"]);
    change(&mut written);
    serde_json::from_value(written).unwrap()
}

/// TLS switched off.
pub(crate) fn without_tls(written: &mut Value) {
    written["spec"]["http"] = json!({ "tls": { "selfSignedCertificate": { "disabled": true } } });
}

/// A Secret with these entries.
pub(crate) fn secret<const N: usize>(name: &str, entries: [(&str, &str); N]) -> Secret {
    let data = entries.map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec())));
    let mut secret = Secret { data: Some(data.into()), ..Secret::default() };
    secret.metadata.name = Some(name.to_owned());
    secret
}

/// The text under a key; panics if there is none.
pub(crate) fn text(secret: &Secret, key: &str) -> String {
    String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
}

/// Bytes that differ from call to call, and are the same in every run.
pub(crate) fn random() -> impl FnMut(&mut [u8]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move |bytes| {
        for byte in bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[3];
        }
    }
}
