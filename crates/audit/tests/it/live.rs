//! What a live cluster holds and isn't read: nothing is said of it, but that.

use parapet_audit::{Audit, audit};
use parapet_manifest::{Limits, load_text};

use crate::fixtures::options;

const SECRETS: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: elastic, namespace: obs}
type: Opaque
---
apiVersion: v1
kind: Secret
metadata: {name: kibana-tls, namespace: obs}
type: kubernetes.io/tls
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kibana, namespace: obs}
spec:
  template:
    metadata: {labels: {app: kibana}}
    spec:
      containers:
        - name: kibana
          image: kibana:9.0.0
          env: [{name: ELASTICSEARCH_PASSWORD, valueFrom: {secretKeyRef: {name: elastic, key: password}}}]
";

fn looked_at(file: &str, text: &str) -> Audit {
    let loaded = load_text(file, text.as_bytes(), &Limits::default());
    audit(&loaded.documents, loaded.problems, &options())
}

fn found(audit: &Audit, id: &str) -> usize {
    audit.findings.iter().filter(|finding| finding.rule.id == id).count()
}

#[test]
fn keys_and_certificates_that_were_not_read_are_not_missing_and_that_is_said() {
    // In a file they would be there if they were.
    let manifest = looked_at("m.yaml", SECRETS);
    assert_eq!((found(&manifest, "OBS-SEC-09"), found(&manifest, "OBS-SEC-10")), (1, 2));
    assert!(manifest.problems.is_empty());

    let live = looked_at("cluster", SECRETS);
    assert_eq!((found(&live, "OBS-SEC-09"), found(&live, "OBS-SEC-10")), (0, 0));
    let said: Vec<&str> = live.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(said.len() == 1 && said[0].contains("--read-secrets"), "{said:?}");
    assert!(!live.incomplete);

    let read = SECRETS.replace(
        "type: kubernetes.io/tls\n",
        "type: kubernetes.io/tls\ndata: {tls.crt: bm8=, tls.key: bm8=}\n",
    );
    let read = looked_at("cluster", &read);
    assert_eq!((found(&read, "OBS-SEC-10"), read.problems.len()), (2, 0));
}
