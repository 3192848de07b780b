//! What is accepted with a warning, one row each.

use parapet_api::validate;
use serde_json::{Value, json};

use crate::objects;

#[track_caller]
fn check(patch: Value, expect: &[&str]) {
    let found = validate::elasticsearch_warnings(&objects::elasticsearch(patch));
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
}

fn config(config: Value) -> Value {
    json!({ "spec": { "nodeSets": [{ "name": "a", "count": 1, "config": config }] } })
}

#[test]
fn nothing_is_said_of_an_ordinary_object() {
    check(json!({}), &[]);
    assert!(validate::kibana_warnings(&objects::kibana(json!({}))).is_empty());
    assert!(validate::apm_server_warnings(&objects::apm_server(json!({}))).is_empty());
}

#[test]
fn annotations_that_are_no_durations() {
    for key in ["eck.k8s.elastic.co/es-client-timeout", "eck.k8s.elastic.co/es-observer-interval"] {
        for fine in ["10s", "1m30s", "0", "-1s"] {
            check(json!({ "metadata": { "annotations": { key: fine } } }), &[]);
        }
        for wrong in ["10", "ten seconds", ""] {
            let said = format!(
                "metadata.annotations[{key}]: {wrong:?} is not a duration like 1h30m or 100ms; the operator's own setting holds"
            );
            check(json!({ "metadata": { "annotations": { key: wrong } } }), &[&said]);
        }
    }
}

#[test]
fn settings_that_are_the_operators() {
    let reserved = [
        "cluster.initial_master_nodes",
        "cluster.name",
        "discovery.seed_hosts",
        "discovery.seed_providers",
        "network.host",
        "network.publish_host",
        "node.name",
        "path.data",
        "path.logs",
        "xpack.security.authc.reserved_realm.enabled",
        "xpack.security.enabled",
        "xpack.security.http.ssl.certificate",
        "xpack.security.http.ssl.enabled",
        "xpack.security.http.ssl.key",
        "xpack.security.transport.ssl.enabled",
        "xpack.security.transport.ssl.verification_mode",
    ];
    for setting in reserved {
        let said = format!(
            "spec.nodeSets[0].config.{setting}: is the operator's to set; another value may break it"
        );
        check(config(json!({ setting: "x" })), &[&said]);
    }
    check(
        config(json!({ "xpack": { "security.http": { "ssl.enabled": false } } })),
        &[
            "spec.nodeSets[0].config.xpack.security.http.ssl.enabled: is the operator's to set; another value may break it",
        ],
    );
    check(config(json!({ "xpack.security.http.ssl.client_authentication": "optional" })), &[]);
    check(
        config(json!({ "xpack.security.http.ssl.client_authentication": "required" })),
        &[
            "spec.nodeSets[0].config.xpack.security.http.ssl.client_authentication: the operator and the probes have no client \
           certificate and will be turned away",
        ],
    );
}

#[test]
fn old_versions() {
    let said = "spec.version: 7.17.0 is no longer maintained by its makers; upgrade to 8 or later";
    check(json!({ "spec": { "version": "7.17.0" } }), &[said]);
    let old = json!({ "spec": { "version": "7.17.0" } });
    assert_eq!(validate::kibana_warnings(&objects::kibana(old.clone()))[0].to_string(), said);
    assert_eq!(validate::apm_server_warnings(&objects::apm_server(old))[0].to_string(), said);
}

#[test]
fn annotations() {
    let annotated = |all: Value| json!({ "metadata": { "annotations": all } });
    let said = "is deprecated, and stops certificates from being renewed too; use eck.k8s.elastic.co/pause-orchestration";
    check(
        annotated(json!({ "eck.k8s.elastic.co/managed": "false" })),
        &[&format!("metadata.annotations[eck.k8s.elastic.co/managed]: {said}")],
    );
    check(
        annotated(json!({ "common.k8s.elastic.co/pause": "true" })),
        &[&format!("metadata.annotations[common.k8s.elastic.co/pause]: {said}")],
    );
    check(annotated(json!({ "eck.k8s.elastic.co/managed": "true" })), &[]);
    let (trigger, delay) =
        ("eck.k8s.elastic.co/restart-trigger", "eck.k8s.elastic.co/restart-allocation-delay");
    check(annotated(json!({ trigger: "1", delay: "20m" })), &[]);
    check(
        annotated(json!({ trigger: "1", delay: "soon" })),
        &[&format!("metadata.annotations[{delay}]: \"soon\" is no time like 20m")],
    );
    check(
        annotated(json!({ delay: "20m" })),
        &[&format!("metadata.annotations[{delay}]: is without effect as long as there is no {trigger}")],
    );
}

#[test]
fn resources_given_twice() {
    let container = |name: &str, resources: Value| json!({ "spec": { "containers": [{ "name": name, "resources": resources }] } });
    let own = json!({ "limits": { "memory": "4Gi" } });
    let set = |template: Value| json!({ "spec": { "nodeSets": [{ "name": "a", "count": 1, "resources": { "requests": { "memory": "2Gi" } }, "podTemplate": template }] } });
    check(set(container("elasticsearch", json!({}))), &[]);
    check(set(container("sidecar", own.clone())), &[]);
    check(
        set(container("elasticsearch", own.clone())),
        &[
            "spec.nodeSets[0].resources: takes the place of what the pod template gives to the container elasticsearch",
        ],
    );
    let both = |name: &str| json!({ "spec": { "resources": { "limits": { "cpu": 1 } }, "podTemplate": container(name, own.clone()) } });
    assert_eq!(
        validate::kibana_warnings(&objects::kibana(both("kibana")))[0].to_string(),
        "spec.resources: takes the place of what the pod template gives to the container kibana"
    );
    assert_eq!(
        validate::apm_server_warnings(&objects::apm_server(both("apm-server")))[0].to_string(),
        "spec.resources: takes the place of what the pod template gives to the container apm-server"
    );
}

#[test]
fn zones_and_fips() {
    let affinity = |operator: &str, values: Value| {
        json!({ "spec": { "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "topology.kubernetes.io/zone", "operator": operator, "values": values }] }],
        } } } } })
    };
    let set = |template: Value| json!({ "spec": { "nodeSets": [{ "name": "a", "count": 1, "zoneAwareness": { "zones": ["x"] }, "podTemplate": template }] } });
    let said = "spec.nodeSets[0].zoneAwareness: the pod template's node affinity excludes zones by topology.kubernetes.io/zone";
    check(set(affinity("NotIn", json!(["x"]))), &[said]);
    check(set(affinity("NotIn", json!(["y"]))), &[]);
    check(set(affinity("DoesNotExist", Value::Null)), &[said]);
    let fips = json!({ "xpack.security.fips_mode.enabled": true });
    check(
        json!({ "spec": { "nodeSets": [{ "name": "a", "count": 1, "config": fips }, { "name": "b", "count": 1 }] } }),
        &[
            "spec.nodeSets: xpack.security.fips_mode.enabled is set for some groups of nodes and not for others",
        ],
    );
}

#[test]
fn what_is_asked_for_and_not_done_is_said() {
    let target = json!([{ "name": "monitoring", "namespace": "observability" }]);
    let beats = json!({ "spec": { "monitoring": {
        "metrics": { "elasticsearchRefs": target }, "logs": { "elasticsearchRefs": target },
    } } });
    check(beats.clone(), &[]);
    check(json!({ "spec": { "monitoring": { "metrics": {}, "logs": { "elasticsearchRefs": [] } } } }), &[]);
    let other = json!({ "name": "other", "elasticsearchRef": { "name": "other" } });
    check(json!({ "spec": { "remoteClusters": [other] } }), &[]);
    let mut by_key = other.clone();
    by_key["apiKey"] = json!({ "access": { "search": { "names": ["logs"] } } });
    check(
        json!({ "spec": { "remoteClusters": [other, by_key] } }),
        &[
            "spec.remoteClusters[1].apiKey: this operator makes no API keys: what is connected stays so, and new ones are yours \
             to connect",
        ],
    );
    check(json!({ "spec": { "remoteClusters": [] } }), &[]);
    let annotation = "eck.k8s.elastic.co/file-based-secure-settings";
    check(
        json!({ "metadata": { "annotations": { annotation: "true" } } }),
        &[&format!(
            "metadata.annotations[{annotation}]: has no effect: this operator puts secure settings into the keystore"
        )],
    );
    let fips = |version: &str| {
        let mut object = config(json!({ "xpack.security.fips_mode.enabled": true }));
        object["spec"]["version"] = json!(version);
        object
    };
    check(fips("9.3.0"), &[]);
    check(
        fips("9.4.0"),
        &[
            "spec.nodeSets[0].config.xpack.security.fips_mode.enabled: this operator gives the keystore no password, which this \
           version wants in FIPS mode",
        ],
    );

    let kibana = |patch: Value| {
        let found = validate::kibana_warnings(&objects::kibana(patch));
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(kibana(beats), [""; 0]);
    let reference = json!({ "name": "e" });
    assert_eq!(
        kibana(json!({ "spec": { "enterpriseSearchRef": reference, "packageRegistryRef": reference } })),
        [
            "spec.enterpriseSearchRef: this operator doesn't know that kind: set enterpriseSearch.host in spec.config instead",
            "spec.packageRegistryRef: this operator doesn't know that kind: set xpack.fleet.registryUrl in spec.config instead",
        ]
    );
    let certificate =
        json!({ "spec": { "elasticsearchRef": { "name": "e", "clientCertificateSecretName": "own" } } });
    let said = "spec.elasticsearchRef.clientCertificateSecretName: has no effect: clusters of this operator ask for no certificates of \
                clients";
    assert_eq!(kibana(certificate.clone()), [said]);
    assert_eq!(validate::apm_server_warnings(&objects::apm_server(certificate))[0].to_string(), said);
}
