//! Every rule about an object by itself, one row each.

use parapet_api::validate::{self, Rules};
use serde_json::{Value, json};

use crate::objects;

fn rules() -> Rules {
    Rules {
        exposed_node_labels: vec![regex::Regex::new("topology.kubernetes.io/.*").unwrap()],
        ..objects::rules()
    }
}

/// An Elasticsearch with a change, and what is said of it, in full.
#[track_caller]
fn check(patch: Value, expect: &[&str]) {
    check_under(&rules(), patch, expect);
}

#[track_caller]
fn check_under(rules: &Rules, patch: Value, expect: &[&str]) {
    let found = validate::elasticsearch(&objects::elasticsearch(patch), rules);
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
}

#[track_caller]
fn check_kibana(patch: Value, expect: &[&str]) {
    let found = validate::kibana(&objects::kibana(patch), &rules());
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
}

#[track_caller]
fn check_apm_server(patch: Value, expect: &[&str]) {
    let found = validate::apm_server(&objects::apm_server(patch), &rules());
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expect);
}

fn one_set(set: Value) -> Value {
    json!({ "spec": { "nodeSets": [set] } })
}

fn annotated(key: &str, value: &str) -> Value {
    json!({ "metadata": { "annotations": { key: value } } })
}

#[test]
fn nothing_is_wrong_with_an_ordinary_object() {
    check(json!({}), &[]);
    check_kibana(json!({}), &[]);
    check_apm_server(json!({}), &[]);
}

#[test]
fn versions() {
    for fine in ["7.17.0", "8.0.0", "9.1.0", "9.0.0-SNAPSHOT"] {
        check(json!({ "spec": { "version": fine } }), &[]);
    }
    check(
        json!({ "spec": { "version": "latest" } }),
        &[r#"spec.version: Invalid value: "latest": "latest" is not a version like 8.15.3"#],
    );
    check(
        json!({ "spec": { "version": "6.8.0" } }),
        &[r#"spec.version: Invalid value: "6.8.0": is not supported: 7.0.0 to 9.99.99 are"#],
    );
    check(
        json!({ "spec": { "version": "10.0.0" } }),
        &[r#"spec.version: Invalid value: "10.0.0": is not supported: 7.0.0 to 9.99.99 are"#],
    );
    let rules = Rules { ubi_only: true, ..rules() };
    check_under(
        &rules,
        json!({ "spec": { "version": "7.9.0" } }),
        &[r#"spec.version: Invalid value: "7.9.0": is not supported: 7.10.0 to 9.99.99 are"#],
    );
    check_kibana(
        json!({ "spec": { "version": "7.0.0" } }),
        &[r#"spec.version: Invalid value: "7.0.0": is not supported: 7.1.0 to 9.99.99 are"#],
    );
    check_apm_server(json!({ "spec": { "version": "7.0.0" } }), &[]);
}

#[test]
fn names() {
    let long = "a".repeat(36);
    check(json!({ "metadata": { "name": long } }), &[]);
    let longer = "a".repeat(37);
    check(
        json!({ "metadata": { "name": longer } }),
        &[&format!(r#"metadata.name: Invalid value: "{longer}": is longer than 36 characters"#)],
    );
    check_kibana(
        json!({ "metadata": { "name": longer } }),
        &[&format!(r#"metadata.name: Invalid value: "{longer}": is longer than 36 characters"#)],
    );
    check_apm_server(
        json!({ "metadata": { "name": longer } }),
        &[&format!(r#"metadata.name: Invalid value: "{longer}": is longer than 36 characters"#)],
    );
    check(
        json!({ "spec": { "nodeSets": [{ "name": "a", "count": 1 }, { "name": "a", "count": 1 }] } }),
        &[r#"spec.nodeSets[1].name: Duplicate value: "a": each group of nodes needs a name of its own"#],
    );
    for bad in ["Default", "-a", "a-", "a_b", ""] {
        let reason = "must be lower-case letters, digits and dashes, with no dash at either end";
        check(
            one_set(json!({ "name": bad, "count": 1 })),
            &[&format!(r#"spec.nodeSets[0].name: Invalid value: "{bad}": {reason}"#)],
        );
    }
    // The schema refuses this one too, where there is one.
    let long_set = "b".repeat(24);
    check(
        one_set(json!({ "name": long_set, "count": 1 })),
        &[&format!(r#"spec.nodeSets[0].name: Invalid value: "{long_set}": is longer than 23 characters"#)],
    );
    let (owner, set) = ("a".repeat(36), "b".repeat(13));
    check(
        json!({ "metadata": { "name": owner }, "spec": { "nodeSets": [{ "name": set, "count": 1 }] } }),
        &[&format!(
            r#"spec.nodeSets[0].name: Invalid value: "{set}": the StatefulSet {owner}-es-{set} would have 53 characters, 52 are the most; shorten this name or the cluster's"#
        )],
    );
}

#[test]
fn roles() {
    let no_master = "spec.nodeSets: Invalid value: \"\": no group with at least one node is master-eligible; one must \
                     be, and not voting-only";
    for fine in [
        json!({}),
        json!({ "node.roles": ["master", "data"] }),
        json!({ "node": { "roles": ["master"] } }),
        json!({ "node.roles": "master, data" }),
        json!({ "node.master": "true", "node.data": false }),
    ] {
        check(one_set(json!({ "name": "a", "count": 1, "config": fine })), &[]);
    }
    for without in [
        json!({ "node.roles": [] }),
        json!({ "node.roles": ["data"] }),
        json!({ "node.roles": ["master", "voting_only"] }),
        json!({ "node.master": false }),
        json!({ "node.voting_only": true }),
    ] {
        check(one_set(json!({ "name": "a", "count": 1, "config": without })), &[no_master]);
    }
    check(one_set(json!({ "name": "a", "count": 0 })), &[no_master]);
    check(
        one_set(
            json!({ "name": "a", "count": 1, "config": { "node.roles": ["master"], "node.data": true } }),
        ),
        &[
            r#"spec.nodeSets[0].config.node.roles: Invalid value: ["master"]: can't be used together with node.data"#,
        ],
    );
    check(
        json!({ "spec": { "version": "7.8.0", "nodeSets": [{ "name": "a", "count": 1, "config": { "node.roles": ["master"] } }] } }),
        &[r#"spec.nodeSets[0].config.node.roles: Invalid value: ["master"]: needs version 7.9.0 or later"#],
    );
    check(
        one_set(json!({ "name": "a", "count": 1, "config": { "node.roles": 3 } })),
        &["spec.nodeSets[0].config.node.roles: Invalid value: 3: must be a list of names"],
    );
    check(
        one_set(json!({ "name": "a", "count": 1, "config": { "node": 3, "node.roles": ["master"] } })),
        &[
            r#"spec.nodeSets[0].config: Invalid value: "node": "node" is a value in one place and has settings below it in another"#,
        ],
    );
}

#[test]
fn addresses() {
    let names = json!([{ "dns": "a" }, { "ip": "10.0.0.1" }, { "ip": "::1" }, { "ip": "10.0.0.300" }]);
    check(
        json!({ "spec": { "http": { "tls": { "selfSignedCertificate": { "subjectAltNames": names } } } } }),
        &[
            r#"spec.http.tls.selfSignedCertificate.subjectAltNames[3].ip: Invalid value: "10.0.0.300": is not an IP address"#,
        ],
    );
    check(
        json!({ "spec": { "transport": { "tls": { "subjectAltNames": names } } } }),
        &[r#"spec.transport.tls.subjectAltNames[3].ip: Invalid value: "10.0.0.300": is not an IP address"#],
    );
    check_kibana(
        json!({ "spec": { "http": { "tls": { "selfSignedCertificate": { "subjectAltNames": names } } } } }),
        &[
            r#"spec.http.tls.selfSignedCertificate.subjectAltNames[3].ip: Invalid value: "10.0.0.300": is not an IP address"#,
        ],
    );
}

#[test]
fn annotations() {
    check(
        annotated("elasticsearch.alpha.elastic.co/autoscaling-spec", "{}"),
        &[
            "metadata.annotations[elasticsearch.alpha.elastic.co/autoscaling-spec]: Forbidden: autoscaling by an \
           annotation is gone; remove it",
        ],
    );
    for fine in ["true", "false"] {
        check(annotated("eck.k8s.elastic.co/pause-orchestration", fine), &[]);
    }
    let pause = r#"metadata.annotations[eck.k8s.elastic.co/pause-orchestration]: Invalid value: "yes": must be "true" or "false""#;
    check(annotated("eck.k8s.elastic.co/pause-orchestration", "yes"), &[pause]);
    check_kibana(annotated("eck.k8s.elastic.co/pause-orchestration", "yes"), &[pause]);
    check_apm_server(annotated("eck.k8s.elastic.co/pause-orchestration", "yes"), &[pause]);
    let licence = r#"metadata.annotations[eck.k8s.elastic.co/license]: Invalid value: "enterprise": the operator has no enterprise licence"#;
    check(annotated("eck.k8s.elastic.co/license", "enterprise"), &[licence]);
    check(annotated("eck.k8s.elastic.co/license", "basic"), &[]);
    check_under(
        &Rules { enterprise: true, ..rules() },
        annotated("eck.k8s.elastic.co/license", "enterprise"),
        &[],
    );
    check(annotated("eck.k8s.elastic.co/downward-node-labels", "topology.kubernetes.io/zone"), &[]);
    let hidden = r#"metadata.annotations[eck.k8s.elastic.co/downward-node-labels]: Invalid value: "kubernetes.io/hostname": no expression of exposed-node-labels matches this label"#;
    check(
        annotated(
            "eck.k8s.elastic.co/downward-node-labels",
            "topology.kubernetes.io/zone, kubernetes.io/hostname",
        ),
        &[hidden],
    );
    check_under(
        &objects::rules(),
        annotated("eck.k8s.elastic.co/downward-node-labels", "kubernetes.io/hostname"),
        &[hidden],
    );
}

#[test]
fn volumes() {
    let claim = |name: &str| json!({ "metadata": { "name": name }, "spec": {} });
    let mounting = json!({ "spec": { "containers": [{ "name": "elasticsearch", "volumeMounts": [{ "name": "mine", "mountPath": "/d" }] }] } });
    check(
        one_set(
            json!({ "name": "a", "count": 1, "volumeClaimTemplates": [claim("elasticsearch-data"), claim("other")] }),
        ),
        &[],
    );
    check(
        one_set(
            json!({ "name": "a", "count": 1, "volumeClaimTemplates": [claim("mine")], "podTemplate": mounting }),
        ),
        &[],
    );
    check(
        one_set(json!({ "name": "a", "count": 1, "volumeClaimTemplates": [claim("mine")] })),
        &[
            r#"spec.nodeSets[0].volumeClaimTemplates[0].metadata.name: Invalid value: "mine": no container mounts this volume, and none is named elasticsearch-data"#,
        ],
    );
}

#[test]
fn monitoring() {
    let to = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "name": name })).collect() };
    check(json!({ "spec": { "monitoring": { "metrics": { "elasticsearchRefs": to(&["m"]) } } } }), &[]);
    check(
        json!({ "spec": { "version": "7.13.0", "monitoring": { "logs": { "elasticsearchRefs": to(&["m"]) } } } }),
        &[r#"spec.monitoring: Invalid value: "7.13.0": needs version 7.14.0 or later"#],
    );
    check(
        json!({ "spec": { "monitoring": { "metrics": { "elasticsearchRefs": to(&["m", "n"]) }, "logs": { "elasticsearchRefs": to(&["m", "n", "o"]) } } } }),
        &[
            "spec.monitoring.metrics.elasticsearchRefs: Invalid value: 2: there can be one cluster at most",
            "spec.monitoring.logs.elasticsearchRefs: Invalid value: 3: there can be one cluster at most",
        ],
    );
    check(
        json!({ "spec": { "monitoring": { "logs": { "elasticsearchRefs": [{ "name": "m", "secretName": "s" }] } } } }),
        &[
            "spec.monitoring.logs.elasticsearchRefs[0].name: Forbidden: can't be used together with secretName",
        ],
    );
    check_kibana(
        json!({ "spec": { "elasticsearchRef": null, "monitoring": { "metrics": { "elasticsearchRefs": to(&["m"]) } } } }),
        &[
            "spec.monitoring.metrics: Invalid value: \"\": metrics can only be collected beside an Elasticsearch that \
           spec.elasticsearchRef names",
        ],
    );
    check_kibana(
        json!({ "spec": { "elasticsearchRef": null, "monitoring": { "logs": { "elasticsearchRefs": to(&["m"]) } } } }),
        &[],
    );
    check_kibana(
        json!({ "spec": { "version": "7.13.0", "monitoring": { "metrics": { "elasticsearchRefs": to(&["m"]) } } } }),
        &[r#"spec.monitoring: Invalid value: "7.13.0": needs version 7.14.0 or later"#],
    );
}

#[test]
fn references() {
    check_kibana(json!({ "spec": { "elasticsearchRef": { "name": null, "secretName": "s" } } }), &[]);
    check_kibana(
        json!({ "spec": { "elasticsearchRef": { "name": "a", "secretName": "s", "namespace": "n", "serviceName": "x" } } }),
        &[
            "spec.elasticsearchRef.name: Forbidden: can't be used together with secretName",
            "spec.elasticsearchRef.namespace: Forbidden: can't be used together with secretName",
            "spec.elasticsearchRef.serviceName: Forbidden: can't be used together with secretName",
        ],
    );
    let nothing =
        |path: &str| format!("{path}.name: Required value: a namespace or a Service alone names nothing");
    for field in ["elasticsearchRef", "enterpriseSearchRef", "packageRegistryRef"] {
        let path = format!("spec.{field}");
        check_kibana(json!({ "spec": { field: { "name": null, "namespace": "n" } } }), &[&nothing(&path)]);
        check_kibana(json!({ "spec": { field: { "name": null, "serviceName": "n" } } }), &[&nothing(&path)]);
    }
    for field in ["elasticsearchRef", "kibanaRef"] {
        let path = format!("spec.{field}");
        check_apm_server(
            json!({ "spec": { field: { "name": null, "namespace": "n" } } }),
            &[&nothing(&path)],
        );
    }
    check_apm_server(
        json!({ "spec": { "version": "7.5.0", "kibanaRef": { "name": "k" } } }),
        &[r#"spec.kibanaRef: Invalid value: "7.5.0": needs version 7.5.1 or later"#],
    );
    check_apm_server(json!({ "spec": { "version": "7.5.1", "kibanaRef": { "name": "k" } } }), &[]);
}

#[test]
fn remote_clusters() {
    check(
        json!({ "spec": { "remoteClusters": [{ "name": "a", "elasticsearchRef": { "namespace": "n" } }] } }),
        &[
            "spec.remoteClusters[0].elasticsearchRef.name: Required value: a namespace or a Service alone names nothing",
        ],
    );
    let with_key = json!([{ "name": "a", "elasticsearchRef": { "name": "n" }, "apiKey": { "access": {} } }]);
    check(json!({ "spec": { "remoteClusters": with_key } }), &[]);
    check(
        json!({ "spec": { "version": "8.9.0", "remoteClusters": with_key, "remoteClusterServer": { "enabled": true } } }),
        &[
            r#"spec.remoteClusters[0].apiKey: Invalid value: "8.9.0": needs version 8.10.0 or later"#,
            r#"spec.remoteClusterServer: Invalid value: "8.9.0": needs version 8.10.0 or later"#,
        ],
    );
}

#[test]
fn client_certificates() {
    let asked = json!({ "spec": { "http": { "tls": { "client": { "authentication": true } } } } });
    let licence = "spec.http.tls.client.authentication: Forbidden: needs an enterprise licence, which the operator doesn't have";
    check(asked.clone(), &[licence]);
    let rules = Rules { enterprise: true, ..rules() };
    check_under(&rules, asked, &[]);
    check_under(
        &rules,
        json!({ "spec": { "http": { "tls": { "client": { "authentication": true }, "selfSignedCertificate": { "disabled": true } } } } }),
        &[
            "spec.http.tls.client.authentication: Invalid value: true: clients can't show certificates while TLS is off",
        ],
    );
}

#[test]
fn zones() {
    let set = |name: &str, zones: Value| json!({ "name": name, "count": 1, "zoneAwareness": zones });
    let sets = |sets: &[Value]| json!({ "spec": { "nodeSets": sets } });
    check(sets(&[set("a", json!({})), set("b", json!({ "zones": ["x"] }))]), &[]);
    check(
        sets(&[set("a", json!({})), set("b", json!({ "topologyKey": "topology.kubernetes.io/rack" }))]),
        &[
            r#"spec.nodeSets[1].zoneAwareness.topologyKey: Invalid value: "topology.kubernetes.io/rack": all groups of nodes must use one label; topology.kubernetes.io/zone is used above"#,
        ],
    );
    check(
        sets(&[set("a", json!({ "topologyKey": "rack" }))]),
        &[
            r#"spec.nodeSets[0].zoneAwareness.topologyKey: Invalid value: "rack": no expression of exposed-node-labels matches this label"#,
        ],
    );
    check_under(&objects::rules(), sets(&[set("a", json!({ "topologyKey": "rack" }))]), &[]);
    let affinity = |values: &[&str]| {
        json!({ "spec": { "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "topology.kubernetes.io/zone", "operator": "In", "values": values }] }],
        } } } } })
    };
    let with = |zones: &[&str], allowed: &[&str]| {
        sets(&[
            json!({ "name": "a", "count": 1, "zoneAwareness": { "zones": zones }, "podTemplate": affinity(allowed) }),
        ])
    };
    check(with(&["x", "y"], &["y", "z"]), &[]);
    check(
        with(&["x"], &["y"]),
        &[
            r#"spec.nodeSets[0].zoneAwareness.zones: Invalid value: ["x"]: the pod template's node affinity allows none of these zones"#,
        ],
    );
}

#[test]
fn several_mistakes_are_all_told() {
    let found = validate::elasticsearch(
        &objects::elasticsearch(json!({
            "metadata": { "name": "a".repeat(40) },
            "spec": { "version": "x", "nodeSets": [{ "name": "A", "count": 0 }] },
        })),
        &rules(),
    );
    let paths: Vec<_> = found.iter().map(|error| &*error.path).collect();
    assert_eq!(paths, ["metadata.name", "spec.version", "spec.nodeSets[0].name", "spec.nodeSets"]);
}
