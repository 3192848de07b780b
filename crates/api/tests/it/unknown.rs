//! Fields that nobody knows, in what `kubectl apply` was given.

use parapet_api::validate::{self, FieldError};
use serde_json::{Value, json};

use crate::objects;

fn applied(object: &Value) -> Value {
    json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/last-applied-configuration": object.to_string() } } })
}

fn words(found: Vec<FieldError>) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(spec: Value, expect: &[&str]) {
    let object = json!({
        "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch",
        "metadata": { "name": "shop", "namespace": "default", "annotations": {}, "creationTimestamp": null },
        "spec": spec,
    });
    let found = validate::elasticsearch(&objects::elasticsearch(applied(&object)), &objects::rules());
    assert_eq!(words(found), expect);
}

#[test]
fn everything_that_is_a_field_is_known() {
    check(
        json!({
            "version": "8.15.3", "image": "x",
            "http": { "service": { "metadata": { "creationTimestamp": null, "labels": { "any": "x" } }, "spec": { "type": "LoadBalancer", "ports": [{ "name": "https", "port": 9200, "targetPort": "https" }] } },
                      "tls": { "selfSignedCertificate": { "disabled": true, "subjectAltNames": [{ "dns": "a" }, { "ip": "::1" }] }, "certificate": { "secretName": "x" } } },
            "auth": { "roles": [{ "secretName": "x" }], "fileRealm": [{ "secretName": "x" }], "disableElasticUser": true },
            "podDisruptionBudget": { "metadata": { "name": "x" }, "spec": { "minAvailable": 1, "selector": { "matchLabels": { "any.thing/x": "y" } } } },
            "updateStrategy": { "changeBudget": { "maxSurge": 1, "maxUnavailable": -1 } },
            "remoteClusters": [{ "name": "a", "elasticsearchRef": { "name": "b" }, "apiKey": { "access": { "search": { "names": ["*"], "field_security": { "grant": ["*"] } } } } }],
            "nodeSets": [{
                "name": "a", "count": 3, "config": { "any.thing": { "at": "all" } },
                "podTemplate": {
                    "metadata": { "annotations": { "traffic.sidecar.istio.io/excludeInboundPorts": "9300" }, "creationTimestamp": null },
                    "spec": { "automountServiceAccountToken": true, "initContainers": [{ "name": "install-plugins", "command": ["sh"], "env": [{ "name": "a", "valueFrom": { "fieldRef": { "fieldPath": "x" } } }] }],
                              "containers": [{ "name": "elasticsearch", "resources": { "limits": { "cpu": 1, "nvidia.com/gpu": 1 } } }] },
                },
                "volumeClaimTemplates": [{ "metadata": { "name": "elasticsearch-data", "creationTimestamp": null }, "spec": { "resources": { "requests": { "storage": "1Gi" } } }, "status": {} }],
                "zoneAwareness": { "zones": ["a"] }, "resources": { "limits": { "cpu": 1 } },
            }],
        }),
        &[],
    );
}

#[test]
fn what_is_no_field_is_named() {
    let said = |path: &str, name: &str| {
        format!("{path}: Invalid value: \"{name}\": Elasticsearch has no such field")
    };
    let unknown = |spec: Value, path: &str| {
        let name = path.rsplit('.').next().unwrap();
        check(spec, &[&said(path, name)]);
    };
    unknown(json!({ "verison": "8.15.3" }), "spec.verison");
    unknown(
        json!({ "http": { "tls": { "selfSignedCertificates": {} } } }),
        "spec.http.tls.selfSignedCertificates",
    );
    unknown(
        json!({ "nodeSets": [{ "name": "a" }, { "name": "b", "replicas": 3 }] }),
        "spec.nodeSets[1].replicas",
    );
    unknown(
        json!({ "nodeSets": [{ "podTemplate": { "spec": { "containers": [{ "name": "a", "volumes": [] }] } } }] }),
        "spec.nodeSets[0].podTemplate.spec.containers[0].volumes",
    );
    unknown(
        json!({ "nodeSets": [{ "podTemplate": { "spec": { "hostnetwork": true } } }] }),
        "spec.nodeSets[0].podTemplate.spec.hostnetwork",
    );
    unknown(
        json!({ "nodeSets": [{ "volumeClaimTemplates": [{ "spec": { "storage": "1Gi" } }] }] }),
        "spec.nodeSets[0].volumeClaimTemplates[0].spec.storage",
    );
    unknown(
        json!({ "http": { "service": { "spec": { "ports": [{ "port": 1, "nodeport": 2 }] } } } }),
        "spec.http.service.spec.ports[0].nodeport",
    );
}

#[test]
fn many_unknown_fields_are_cut_off() {
    let many: serde_json::Map<_, _> = (0..1000).map(|number| (format!("f{number}"), json!(1))).collect();
    let object = json!({ "spec": many });
    let found = validate::elasticsearch(&objects::elasticsearch(applied(&object)), &objects::rules());
    assert_eq!(found.len(), 10);
}

#[test]
fn the_other_kinds_have_their_own_fields() {
    let object = json!({ "spec": { "nodeSets": [], "podTemplate": { "spec": { "contaners": [] } } } });
    let found = validate::kibana(&objects::kibana(applied(&object)), &objects::rules());
    assert_eq!(
        words(found),
        [
            "spec.nodeSets: Invalid value: \"nodeSets\": Kibana has no such field",
            "spec.podTemplate.spec.contaners: Invalid value: \"contaners\": Kibana has no such field",
        ]
    );
    let object = json!({ "spec": { "kibanaRef": { "names": "x" } } });
    let found = validate::apm_server(&objects::apm_server(applied(&object)), &objects::rules());
    assert_eq!(words(found), ["spec.kibanaRef.names: Invalid value: \"names\": ApmServer has no such field"]);
}

#[test]
fn an_annotation_that_is_no_json_is_refused() {
    let patch =
        json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{" } } });
    let found = validate::elasticsearch(&objects::elasticsearch(patch), &objects::rules());
    assert_eq!(
        words(found),
        [
            "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]: Forbidden: is not JSON; only kubectl may \
          write it"
        ]
    );
}
