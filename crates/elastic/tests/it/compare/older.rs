//! Defaults that came with a later release restart nothing by themselves.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use parapet_elastic::compare::{changed, differences};
use serde_json::{Value, json};

use super::{adopted, stateful_set, with};
use crate::built;

fn kibana(version: &str, spec: &str) -> Deployment {
    built::kibana(&built::resource(&format!(
        "{{apiVersion: kibana.k8s.elastic.co/v1, kind: Kibana, metadata: {{name: k, namespace: n}}, spec: {{version: {version}, count: 1, {spec}}}}}"
    )))
}

fn pod(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]
}

fn unwatched(object: &mut Value) {
    object["spec"]["template"]["metadata"]["labels"]
        .as_object_mut()
        .unwrap()
        .remove("eck.k8s.elastic.co/watched");
}

/// As releases before 3.4 made it.
fn old_elasticsearch(version: &str) -> StatefulSet {
    with(&adopted(stateful_set(version, "", "")), |set| {
        unwatched(set);
        pod(set)["securityContext"] = json!({ "fsGroup": 1000 });
    })
}

/// As releases before 3.4 made it.
fn old_kibana(version: &str) -> Deployment {
    with(&adopted(kibana(version, "")), |deployment| {
        unwatched(deployment);
        let memory = json!({ "requests": { "memory": "1Gi" }, "limits": { "memory": "1Gi" } });
        pod(deployment)["containers"][0]["resources"] = memory;
        pod(deployment)["containers"][0]["readinessProbe"]["httpGet"]["path"] = json!("/login");
    })
}

#[test]
fn what_runs_with_older_defaults_goes_on() {
    assert_eq!(differences(&old_elasticsearch("8.15.3"), &stateful_set("8.15.3", "", "")), []);
    assert_eq!(differences(&old_kibana("8.16.0"), &kibana("8.16.0", "")), []);
}

#[test]
fn another_change_does_not_bring_the_newer_defaults_along() {
    let wanted =
        changed(&old_kibana("8.16.0"), &kibana("8.16.0", "podTemplate: {spec: {priorityClassName: a}}"))
            .unwrap();
    let pod = json!(wanted.spec.unwrap().template.spec);
    assert_eq!(pod["priorityClassName"], json!("a"));
    assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], json!("1Gi"));
    assert_eq!(pod["containers"][0]["readinessProbe"]["httpGet"]["path"], json!("/login"));
}

#[test]
fn a_new_version_of_the_stack_does() {
    let wanted = changed(&old_kibana("8.16.0"), &kibana("8.17.0", "")).unwrap();
    let template = json!(wanted.spec.unwrap().template);
    assert_eq!(template["metadata"]["labels"]["eck.k8s.elastic.co/watched"], json!("true"));
    assert_eq!(template["spec"]["containers"][0]["resources"]["limits"]["memory"], json!("2Gi"));
    assert_eq!(template["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"], json!("/api/status"));
    let wanted = changed(&old_elasticsearch("8.15.3"), &stateful_set("8.16.0", "", "")).unwrap();
    let pod = json!(wanted.spec.unwrap().template.spec);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], json!("RuntimeDefault"));
}

#[test]
fn what_the_user_asks_for_is_never_an_older_default() {
    let mine = "podTemplate: {spec: {containers: [{name: kibana, resources: {requests: {memory: 3Gi}, limits: {memory: 3Gi}}}]}}";
    let wanted = changed(&old_kibana("8.16.0"), &kibana("8.16.0", mine)).unwrap();
    let pod = json!(wanted.spec.unwrap().template.spec);
    assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], json!("3Gi"));
    let based = "config: {server.basePath: /kb, server.rewriteBasePath: true}";
    let wanted = changed(&old_kibana("8.16.0"), &kibana("8.16.0", based)).unwrap();
    let path =
        json!(wanted.spec.unwrap().template.spec)["containers"][0]["readinessProbe"]["httpGet"]["path"]
            .clone();
    assert_eq!(path, json!("/kb/api/status"));
    let secure =
        "podTemplate: {spec: {securityContext: {fsGroup: 7, seccompProfile: {type: RuntimeDefault}}}}";
    assert!(changed(&old_elasticsearch("8.15.3"), &stateful_set("8.15.3", "", secure)).is_some());
}
