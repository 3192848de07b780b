//! What is a difference and what isn't.

mod leaves;
mod older;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use parapet_api::labels::TEMPLATE_HASH;
use parapet_elastic::compare::{self, Compare, changed, differences};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::built;

/// The hash of an operator that isn't ours.
pub(crate) const FOREIGN: &str = "3646914737";

fn stateful_set(version: &str, spec: &str, node_set: &str) -> StatefulSet {
    built::stateful_sets(&built::elasticsearch(version, spec, node_set)).remove(0)
}

/// The object as another operator left it: with a hash that says nothing to us.
pub(crate) fn adopted<K: Compare>(mut object: K) -> K {
    object.meta_mut().labels.get_or_insert_default().insert(TEMPLATE_HASH.to_owned(), FOREIGN.to_owned());
    object
}

/// The object after `change` of its JSON.
pub(crate) fn with<K: Compare + DeserializeOwned>(object: &K, change: impl FnOnce(&mut Value)) -> K {
    let mut value = json!(object);
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn paths<K: Compare>(live: &K, desired: &K) -> Vec<String> {
    let found = differences(live, desired);
    assert_eq!(found.is_empty(), changed(live, desired).is_none());
    found.into_iter().map(|one| one.path).collect()
}

#[test]
fn differences_are_named_by_where_they_are() {
    let live = adopted(stateful_set("8.15.3", "", ""));
    let main = "spec.template.spec.containers[elasticsearch]";
    let pod = |spec: &str| format!("podTemplate: {{spec: {spec}}}");
    let container = |fields: &str| pod(&format!("{{containers: [{{name: elasticsearch, {fields}}}]}}"));
    for (node_set, expected) in [
        (pod("{priorityClassName: high}"), vec!["spec.template.spec.priorityClassName".to_owned()]),
        (container("workingDir: /w"), vec![format!("{main}.workingDir")]),
        (container("livenessProbe: {exec: {command: [x]}}"), vec![format!("{main}.livenessProbe")]),
        (
            pod("{terminationGracePeriodSeconds: 30}"),
            vec!["spec.template.spec.terminationGracePeriodSeconds".to_owned()],
        ),
        (
            "podTemplate: {metadata: {annotations: {a.example/b: c}}}".to_owned(),
            vec!["spec.template.metadata.annotations[a.example/b]".to_owned()],
        ),
        (pod("{containers: [{name: side}]}"), vec!["spec.template.spec.containers[side]".to_owned()]),
        // What the API server would fill in is none.
        (pod("{dnsPolicy: ClusterFirst, restartPolicy: Always, schedulerName: default-scheduler}"), vec![]),
        (container("imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log"), vec![]),
        (container("resources: {requests: {memory: 2048Mi}, limits: {memory: '2147483648'}}"), {
            // Init containers take the same amounts.
            vec![]
        }),
    ] {
        assert_eq!(paths(&live, &stateful_set("8.15.3", "", &node_set)), expected, "{node_set}");
    }
}

#[test]
fn what_was_written_once_is_not_written_again_although_a_webhook_changed_it() {
    let desired = stateful_set("8.15.3", "", "");
    let live = with(&desired, |set| {
        set["spec"]["template"]["spec"]["imagePullSecrets"] = json!([{ "name": "from-a-webhook" }]);
        set["spec"]["template"]["metadata"]["annotations"]["restartedAt"] = json!("now");
    });
    assert!(changed(&live, &desired).is_none());
    assert!(changed(&adopted(live.clone()), &desired).is_some());
    // Somebody scaled it.
    let scaled = with(&live, |set| set["spec"]["replicas"] = json!(7));
    assert_eq!(changed(&scaled, &desired).unwrap().spec.unwrap().replicas, Some(1));
}

#[test]
fn what_is_written_has_a_new_hash_and_what_is_not_keeps_its_own() {
    let live = adopted(stateful_set("8.15.3", "", ""));
    assert!(changed(&live, &stateful_set("8.15.3", "", "")).is_none());
    let wanted = changed(&live, &stateful_set("8.16.0", "", "")).unwrap();
    let hash = wanted.metadata.labels.unwrap()[TEMPLATE_HASH].clone();
    assert_ne!(hash, FOREIGN);
    assert_eq!(hash, stateful_set("8.16.0", "", "").metadata.labels.unwrap()[TEMPLATE_HASH]);
}

#[test]
fn others_labels_annotations_and_owners_stay() {
    let desired = stateful_set("8.15.3", "", "");
    let live = with(&adopted(desired.clone()), |set| {
        let meta = &mut set["metadata"];
        meta["resourceVersion"] = json!("17");
        meta["managedFields"] = json!([{ "manager": "a" }]);
        meta["labels"]["theirs"] = json!("x");
        meta["annotations"] = json!({ "theirs": "y" });
        let theirs = json!({ "apiVersion": "v1", "kind": "A", "name": "a", "uid": "other" });
        meta["ownerReferences"].as_array_mut().unwrap().insert(0, theirs);
    });
    assert!(changed(&live, &desired).is_none());
    let desired = with(&desired, |set| set["metadata"]["labels"]["ours"] = json!("z"));
    let meta = changed(&live, &desired).unwrap().metadata;
    assert_eq!(meta.resource_version.as_deref(), Some("17"));
    assert_eq!(meta.managed_fields, None);
    let labels = meta.labels.unwrap();
    assert_eq!((labels["theirs"].as_str(), labels["ours"].as_str()), ("x", "z"));
    assert_eq!(meta.annotations.unwrap()["theirs"], "y");
    let owners: Vec<String> = meta.owner_references.unwrap().into_iter().map(|owner| owner.uid).collect();
    assert_eq!(owners, ["other", built::UID]);
}

#[test]
fn an_owner_that_is_missing_is_a_difference() {
    let desired = stateful_set("8.15.3", "", "");
    let live = with(&adopted(desired.clone()), |set| {
        set["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    });
    assert_eq!(paths(&live, &desired), ["metadata.ownerReferences"]);
}

#[test]
fn claims_and_selectors_of_a_stateful_set_are_never_sent_changed() {
    let live = adopted(stateful_set("8.15.3", "", ""));
    let desired = with(&stateful_set("8.15.3", "", ""), |set| {
        set["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = json!("9Gi");
        set["spec"]["serviceName"] = json!("other");
        set["spec"]["podManagementPolicy"] = json!("OrderedReady");
        set["spec"]["selector"]["matchLabels"] = json!({ "a": "b" });
    });
    assert!(changed(&live, &desired).is_none());
}

#[test]
fn order_is_a_difference_only_where_it_says_something() {
    let reversed = |path: &'static str| {
        let desired = stateful_set(
            "8.15.3",
            "",
            "podTemplate: {spec: {containers: [{name: elasticsearch, env: [{name: A, value: a}]}]}}",
        );
        let live = with(&adopted(desired.clone()), |set| {
            let list = set["spec"]["template"]["spec"].pointer_mut(path).unwrap();
            list.as_array_mut().unwrap().reverse();
        });
        !paths(&live, &desired).is_empty()
    };
    for (path, differs) in [
        ("/volumes", false),
        ("/containers/0/volumeMounts", false),
        ("/containers/0/ports", false),
        ("/containers/0/env", false),
        ("/initContainers", true),
        ("/containers/0/lifecycle/preStop/exec/command", true),
    ] {
        assert_eq!(reversed(path), differs, "{path}");
    }
    // Variables that refer to others depend on their order.
    let env = "podTemplate: {spec: {containers: [{name: elasticsearch, env: [{name: A, value: a}, {name: B, value: $(A)}]}]}}";
    let desired = stateful_set("8.15.3", "", env);
    let live = with(&adopted(desired.clone()), |set| {
        set["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().swap(0, 1);
    });
    assert_ne!(paths(&live, &desired), [""; 0]);
}

#[test]
fn selectors_of_everything_are_not_selectors_of_nothing() {
    let with_term = |term: &str| {
        stateful_set(
            "8.15.3",
            "",
            &format!(
                "podTemplate: {{spec: {{affinity: {{podAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}}}}}"
            ),
        )
    };
    let live = adopted(with_term("{topologyKey: a, labelSelector: {}, namespaceSelector: {}}"));
    assert_ne!(paths(&live, &with_term("{topologyKey: a, labelSelector: {}}")), [""; 0]);
    assert_ne!(paths(&live, &with_term("{topologyKey: a, namespaceSelector: {}}")), [""; 0]);
}

#[test]
fn another_script_makes_the_same_keystore() {
    let desired = stateful_set("8.15.3", "secureSettings: [{secretName: a}],", "");
    let live = with(&adopted(desired.clone()), |set| {
        let init = set["spec"]["template"]["spec"]["initContainers"].as_array_mut().unwrap();
        let keystore = init.iter_mut().find(|one| one["name"] == "elastic-internal-init-keystore").unwrap();
        keystore["command"][3] = json!("another script");
    });
    assert!(changed(&live, &desired).is_none());
}

fn secret(data: Value) -> Secret {
    serde_json::from_value(json!({ "metadata": { "name": "s" }, "type": "Opaque", "data": data })).unwrap()
}

#[test]
fn secrets_are_compared_whole_and_never_shown() {
    let live = secret(json!({ "a": "b2xkLXNlY3JldA==", "gone": "Z29uZS1zZWNyZXQ=" }));
    let desired = secret(json!({ "a": "bmV3LXNlY3JldA==", "added": "YWRkZWQtc2VjcmV0" }));
    assert_eq!(paths(&live, &desired), ["data.a", "data.added", "data.gone"]);
    let shown = format!("{:?}", differences(&live, &desired));
    let text: Vec<String> = differences(&live, &desired).iter().map(ToString::to_string).collect();
    for value in ["b2xkLXNlY3JldA", "bmV3LXNlY3JldA", "YWRkZWQtc2VjcmV0", "Z29uZS1zZWNyZXQ"] {
        assert!(!shown.contains(value) && !text.join("\n").contains(value), "{shown}");
    }
    assert_eq!(text[2], "data.gone: \"(hidden)\" becomes nothing");
    let whole = Secret { data: None, ..desired.clone() };
    assert!(!format!("{:?}", differences(&live, &whole)).contains("b2xkLXNlY3JldA"));
    assert!(changed(&live, &live.clone()).is_none());
    let wanted = changed(&live, &desired).unwrap();
    assert_eq!(wanted.data, desired.data);
}

#[test]
fn config_maps_lose_keys_that_are_not_wanted() {
    let map = |data: Value| -> ConfigMap {
        serde_json::from_value(json!({ "metadata": {}, "data": data })).unwrap()
    };
    assert_eq!(paths(&map(json!({ "a": "1", "b": "2" })), &map(json!({ "a": "1" }))), ["data.b"]);
    assert_eq!(paths(&map(json!({ "a": "" })), &map(json!({}))), ["data"]);
}

fn service(spec: Value) -> Service {
    serde_json::from_value(json!({ "metadata": { "name": "s" }, "spec": spec })).unwrap()
}

#[test]
fn what_the_api_server_assigned_to_a_service_is_kept() {
    let live = service(json!({ "type": "LoadBalancer", "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"],
        "sessionAffinity": "ClientIP", "sessionAffinityConfig": { "clientIP": { "timeoutSeconds": 10800 } },
        "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local", "healthCheckNodePort": 31000,
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "allocateLoadBalancerNodePorts": true,
        "loadBalancerClass": "a/b", "trafficDistribution": "PreferClose",
        "ports": [{ "name": "https", "port": 9200, "protocol": "TCP", "targetPort": 9200, "nodePort": 32000 }] }));
    let desired = service(json!({ "ports": [{ "name": "https", "port": 9200 }] }));
    assert_eq!(differences(&live, &desired), []);
    // Another port number of the node is the user's to want; a renamed port keeps what was assigned to it.
    let renamed = service(json!({ "ports": [{ "name": "http", "port": 9200 }] }));
    let wanted = changed(&live, &renamed).unwrap();
    assert_eq!(wanted.spec.unwrap().ports.unwrap()[0].node_port, Some(32000));
    assert_eq!(paths(&live, &renamed), ["spec.ports[http]", "spec.ports[https]"]);
    let elsewhere = service(json!({ "ports": [{ "name": "https", "port": 9200, "nodePort": 32001 }] }));
    assert_eq!(paths(&live, &elsewhere), ["spec.ports[https].nodePort"]);
}

#[test]
fn fields_that_belong_to_a_type_go_with_it() {
    let live =
        service(json!({ "type": "LoadBalancer", "clusterIP": "10.0.0.9", "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 31000, "allocateLoadBalancerNodePorts": true,
        "ports": [{ "port": 1, "nodePort": 32000, "protocol": "TCP", "targetPort": 1 }] }));
    let wanted = changed(&live, &service(json!({ "type": "ClusterIP", "ports": [{ "port": 1 }] })))
        .unwrap()
        .spec
        .unwrap();
    assert_eq!(wanted.cluster_ip.as_deref(), Some("10.0.0.9"));
    assert_eq!((wanted.external_traffic_policy, wanted.health_check_node_port), (None, None));
    assert_eq!(wanted.ports.unwrap()[0].node_port, None);
}

#[test]
fn deployments_have_their_own_defaults() {
    let desired = built::kibana(&built::resource(include_str!("manifests/kibana-mesh.yaml")));
    let live: Deployment = with(&adopted(desired.clone()), |deployment| {
        deployment["spec"]["progressDeadlineSeconds"] = json!(600);
        deployment["spec"]["revisionHistoryLimit"] = json!(10);
        deployment["spec"]["strategy"] = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } });
        deployment["metadata"]["annotations"] = json!({ "deployment.kubernetes.io/revision": "4" });
        deployment["status"] = json!({ "replicas": 1 });
    });
    assert!(changed(&live, &desired).is_none());
    let slow =
        with(&live, |deployment| deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] = json!(1));
    assert_eq!(paths(&slow, &desired), ["spec.strategy.rollingUpdate.maxSurge"]);
}

#[test]
fn a_label_or_an_owner_that_is_gone_is_put_back_though_the_hash_says_that_nothing_changed() {
    let written = stateful_set("8.15.3", "", "");
    assert!(changed(&written, &written).is_none());
    for (gone, expected) in [
        ("/metadata/labels/common.k8s.elastic.co~1type", "metadata.labels[common.k8s.elastic.co/type]"),
        ("/metadata/ownerReferences/0", "metadata.ownerReferences"),
    ] {
        let live = with(&written, |object| {
            let (parent, key) = gone.rsplit_once('/').unwrap();
            match object.pointer_mut(parent).unwrap() {
                Value::Object(parent) => drop(parent.remove(&key.replace("~1", "/")).unwrap()),
                Value::Array(parent) => drop(parent.remove(key.parse().unwrap())),
                other => panic!("{other}"),
            }
        });
        let repaired = changed(&live, &written).unwrap();
        assert_eq!(repaired.metadata.labels, written.metadata.labels);
        assert_eq!(repaired.metadata.owner_references, written.metadata.owner_references);
        let found = paths(&live, &written);
        assert!(found.iter().any(|path| path.starts_with(expected)), "{found:?}");
    }
    // A value that somebody else gave it is theirs: the two would fight.
    let other =
        with(&written, |object| object["metadata"]["labels"]["common.k8s.elastic.co/type"] = json!("x"));
    assert!(changed(&other, &written).is_none());
}

#[test]
fn the_same_object_has_the_same_hash() {
    let hash =
        |node_set: &str| stateful_set("8.15.3", "", node_set).metadata.labels.unwrap()[TEMPLATE_HASH].clone();
    assert_eq!(hash(""), hash(""));
    assert_ne!(hash(""), hash("podTemplate: {spec: {priorityClassName: high}}"));
    let once = stateful_set("8.15.3", "", "");
    assert_eq!(compare::stamped(once.clone()), once);
}

#[test]
fn a_template_that_says_the_same_is_sent_as_it_is() {
    let live = with(&adopted(stateful_set("8.15.3", "", "")), |set| {
        let pod = &mut set["spec"]["template"]["spec"];
        pod["volumes"].as_array_mut().unwrap().reverse();
        pod["dnsPolicy"] = json!("ClusterFirst");
        pod["containers"][0]["resources"]["limits"]["memory"] = json!("2048Mi");
    });
    let desired = with(&stateful_set("8.15.3", "", ""), |set| set["spec"]["replicas"] = json!(5));
    let wanted = changed(&live, &desired).unwrap().spec.unwrap();
    assert_eq!(wanted.replicas, Some(5));
    assert_eq!(wanted.template, live.spec.unwrap().template);
}
