//! `deploy/operator`: the chart for those who don't use helm, with the names that other manifests go by.

use std::collections::BTreeSet;

use parapet_testbed::{Cluster, Versions};

use crate::world::{OPERATOR, SYSTEM, chart, definitions, documents, helm, is_committed};

const HEADING: &str = "# Made of charts/parapet-operator by `cargo xtask manifests`. Apply server-side:\n";

#[tokio::test]
async fn the_manifests_are_the_chart() {
    let Some(cluster) = Cluster::shared().await else { return };
    let (operator, definitions) = (operator(cluster).await, definitions());
    is_committed(
        "deploy/operator/crds.yaml",
        &format!("{HEADING}#   kubectl apply --server-side -f deploy/operator/crds.yaml\n{definitions}"),
    );
    is_committed(
        "deploy/operator/operator.yaml",
        &format!("{HEADING}#   kubectl apply --server-side -f deploy/operator/operator.yaml\n{operator}"),
    );
    let names: BTreeSet<String> = documents(&operator)
        .iter()
        .map(|document| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}", text(&document["kind"]), text(&document["metadata"]["name"]))
        })
        .collect();
    // What documentation, patches and scripts of others name.
    for name in [
        "Namespace elastic-system",
        "ServiceAccount elastic-operator",
        "ConfigMap elastic-operator",
        "Secret elastic-webhook-server-cert",
        "Service elastic-webhook-server",
        "ClusterRole elastic-operator",
        "ClusterRole elastic-operator-view",
        "ClusterRole elastic-operator-edit",
        "ClusterRoleBinding elastic-operator",
        "StatefulSet elastic-operator",
        "ValidatingWebhookConfiguration elastic-webhook.k8s.elastic.co",
    ] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
    assert!(!operator.to_lowercase().contains("helm"), "who applies it has no helm");
}

/// What helm renders, without helm's own labels, in a namespace that is made too.
async fn operator(cluster: &Cluster) -> String {
    let version = format!("--kube-version={}", Versions::read().unwrap().kubernetes);
    let namespace = format!("--namespace={SYSTEM}");
    let args = [
        "template",
        OPERATOR,
        &chart(),
        &namespace,
        &version,
        "--set=installCRDs=false",
        "--set=telemetry.distributionChannel=all-in-one",
    ];
    let rendered = helm(cluster, &args).await.unwrap();
    let of_helm = |line: &&str| {
        let line = line.trim_start();
        ["# Source:", "helm.sh/chart:", "app.kubernetes.io/managed-by:", "app.kubernetes.io/instance:"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let lines = rendered.lines().filter(|line| !of_helm(line));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {SYSTEM}\n{text}")
}
