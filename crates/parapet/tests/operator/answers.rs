//! `parapet operator adopt --dry-run` and `explain`, as people call them: what they print, and their exit codes.

use std::process::Command;

use parapet_testbed::Cluster;
use serde_json::Value;

use crate::world::shared;

/// A Kibana that nobody looks after: nothing of it is there.
const KIBANA: &str = "{apiVersion: kibana.k8s.elastic.co/v1, kind: Kibana, metadata: {name: kb}, spec: {version: 8.15.3, count: 1}}";
/// One that the operator leaves alone.
const ALONE: &str = "{apiVersion: kibana.k8s.elastic.co/v1, kind: Kibana, spec: {version: 8.15.3, count: 1},
  metadata: {name: alone, annotations: {eck.k8s.elastic.co/managed: 'false'}}}";

/// The exit code and what was printed.
fn run(cluster: &Cluster, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_parapet"))
        .arg("operator")
        .args(arguments)
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .env_remove("OPERATOR_NAMESPACE")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_an_explanation_say_it_with_their_exit_codes() {
    let Some(cluster) = shared().await else { return };
    for namespace in ["answers", "answers-alone", "answers-empty"] {
        cluster.namespace(namespace).await.unwrap();
    }
    cluster.apply(KIBANA, "answers").await.unwrap();
    cluster.apply(ALONE, "answers-alone").await.unwrap();

    let (code, text, errors) = run(cluster, &["adopt", "--dry-run", "answers"]);
    assert_eq!(code, 1, "{errors}");
    assert!(text.contains("Deployment kb-kb would be made: it isn't there."), "{text}");
    assert!(text.contains("no pod would restart"), "{text}");
    let (code, text, errors) = run(cluster, &["adopt", "--dry-run", "answers/kb", "-o", "json"]);
    assert_eq!(code, 1, "{errors}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["applications"][0]["verdict"], "changes", "{text}");
    let (code, text, _) = run(cluster, &["adopt", "--dry-run", "answers-empty"]);
    assert_eq!(
        (code, text.lines().next()),
        (0, Some("There is no Elasticsearch, Kibana or APM Server here."))
    );
    let (code, text, _) = run(cluster, &["adopt", "--dry-run", "answers-alone/alone"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("it is left alone"), "{text}");
    let (code, _, errors) = run(cluster, &["adopt", "answers"]);
    assert_eq!(code, 2);
    assert!(errors.contains("--dry-run"), "{errors}");

    let (code, text, errors) = run(cluster, &["explain", "answers/kb"]);
    assert_eq!(code, 1, "{errors}");
    assert!(text.contains("No operator has looked at it yet."), "{text}");
    let (code, text, _) = run(cluster, &["explain", "answers-alone/alone", "--kind", "kibana", "-o", "json"]);
    assert_eq!(code, 1);
    let explained: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(explained[0]["application"], "Kibana answers-alone/alone", "{text}");
    let (code, _, errors) = run(cluster, &["explain", "answers/none"]);
    assert_eq!(code, 2);
    assert!(errors.contains("there is no application answers/none"), "{errors}");
}
