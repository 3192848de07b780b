//! Certificates of a live cluster are read only where somebody asks for it.

use parapet_testbed::Cluster;

use crate::run::{Folder, Said};

/// No workload: other tests of the cluster count all that there are.
const OBJECTS: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: kibana-tls, namespace: posture-tls}
type: kubernetes.io/tls
stringData: {tls.crt: not a certificate, tls.key: not a key, password: hunter-3}
---
apiVersion: v1
kind: Secret
metadata: {name: elastic, namespace: posture-tls}
stringData: {password: hunter-2}
";

/// Rules of what was found in the namespace, and the notes.
fn found(said: &Said) -> (Vec<String>, String) {
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let here = findings.filter(|finding| finding["object"]["namespace"] == "posture-tls");
    (
        here.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect(),
        report["problems"].to_string(),
    )
}

#[tokio::test]
async fn certificates_are_looked_at_only_if_that_is_asked_for() {
    let Some(cluster) = Cluster::shared().await else { return };
    cluster.namespace("posture-tls").await.unwrap();
    cluster.apply(OBJECTS, "posture-tls").await.unwrap();
    let admin = cluster.kubeconfig().to_str().unwrap().to_owned();
    let folder = Folder::of(&[]);
    let audit = |more: &[&str]| {
        let words = ["audit", "--kubeconfig", &admin, "-o", "json", "--exit-zero"];
        folder.parapet(&[&words[..], more].concat())
    };
    let without = audit(&[]);
    let (rules, problems) = found(&without);
    assert!(!rules.iter().any(|rule| rule == "OBS-SEC-10"), "{rules:?}");
    assert!(problems.contains("--read-secrets reads those of type kubernetes.io/tls"), "{problems}");

    let with = audit(&["--read-secrets"]);
    let (rules, problems) = found(&with);
    assert!(rules.iter().any(|rule| rule == "OBS-SEC-10"), "{rules:?}");
    assert!(!problems.contains("--read-secrets"), "{problems}");
    for said in [&without, &with] {
        assert!(!said.out.contains("hunter") && !said.err.contains("hunter"));
    }
}
