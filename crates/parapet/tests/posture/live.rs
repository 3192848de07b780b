//! A live cluster: the same answers as from the manifests that were applied to it, and what a missing permission costs.

use std::collections::BTreeSet;
use std::time::Duration;

use parapet_manifest::Loaded;
use parapet_manifest::cluster::{ClusterError, ClusterLimits, load};
use parapet_testbed::Cluster;

use crate::run::{Folder, Said};

const OBJECTS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: posture-live, labels: {team: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: posture-live}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: registry.example/web:1, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: posture-live}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: registry.example/db:1, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: otel, namespace: posture-live}
spec:
  selector: {matchLabels: {app: otel}}
  template:
    metadata: {labels: {app: otel}}
    spec: {containers: [{name: otel, image: 'otel/opentelemetry-collector:0.130.0', securityContext: {privileged: true}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: posture-live}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - from: [{namespaceSelector: {matchLabels: {team: shop}}, podSelector: {matchLabels: {app: web}}}]
    ports: [{port: sql}]
";

/// May list everything that is asked for but NetworkPolicies and Secrets.
const READER: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: posture-live}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: posture-reader}
rules:
- {apiGroups: [''], resources: [namespaces, nodes, pods, replicationcontrollers, services, serviceaccounts, configmaps, persistentvolumes], verbs: [list]}
- {apiGroups: [apps, batch, policy.networking.k8s.io, rbac.authorization.k8s.io, admissionregistration.k8s.io], resources: ['*'], verbs: [list]}
- {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: posture-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: posture-reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: posture-live}]
";

/// As the API server itself keeps it.
const API_SERVER: &str = "\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.7], conditions: {ready: true}}]
ports: [{name: https, port: 6443, protocol: TCP}]
";

/// Rule, kind and name of everything found in the namespace, and whether something was not read.
fn findings(said: &Said) -> (BTreeSet<(String, String, String)>, bool) {
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let here = findings.filter(|finding| finding["object"]["namespace"] == "posture-live");
    let of = |finding: &serde_json::Value| {
        (text(&finding["rule"]), text(&finding["object"]["kind"]), text(&finding["object"]["name"]))
    };
    (here.map(of).collect(), report["incomplete"].as_bool().unwrap())
}

#[tokio::test]
async fn a_live_cluster_is_read_as_its_manifests_are_and_what_may_not_be_listed_is_said() {
    let Some(cluster) = Cluster::shared().await else { return };
    cluster.namespace("posture-live").await.unwrap();
    cluster.apply(OBJECTS, "posture-live").await.unwrap();
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: posture-live}, stringData: {key: hunter-2}}";
    cluster.apply(secret, "posture-live").await.unwrap();
    cluster.apply(READER, "posture-live").await.unwrap();
    let admin = cluster.kubeconfig().to_str().unwrap().to_owned();
    let reader = cluster.kubeconfig_of("posture-live", "reader").await.unwrap();
    let reader = reader.to_str().unwrap().to_owned();

    let folder = Folder::of(&[("objects.yaml", OBJECTS)]);
    let from_files = folder.parapet(&["reach", "list", "objects.yaml", "-n", "posture-live"]);
    let live = folder.parapet(&["reach", "list", "--kubeconfig", &admin, "-n", "posture-live"]);
    assert_eq!(live.code, 0, "{}", live.err);
    // The API server's own Service has no selector, which is worth a warning and costs nothing.
    assert!(!live.err.contains("error") && !live.err.contains("incomplete"), "{}", live.err);
    // Other tests have workloads in the same cluster.
    let own = |line: &&str| {
        line.starts_with('#')
            || line
                .split(" : ")
                .next()
                .unwrap_or_default()
                .split(" => ")
                .all(|end| end.starts_with("posture-live/") || end.ends_with("[External]"))
    };
    let lines: Vec<&str> = live.out.lines().filter(own).collect();
    assert_eq!(lines, from_files.out.lines().collect::<Vec<_>>());
    assert!(live.out.contains("posture-live/web[Deployment] => posture-live/db[StatefulSet] : TCP 5432"));

    // What applying manifests would change: nothing for those that are there, and what the policy's new port lets through.
    let same = folder.parapet(&["reach", "diff", "objects.yaml", "--kubeconfig", &admin]);
    assert_eq!(
        (same.code, same.out.lines().last()),
        (0, Some("# no difference")),
        "{}{}",
        same.out,
        same.err
    );
    folder.write("changed.yaml", &OBJECTS.replace("port: sql", "port: 9999"));
    let changed = folder.parapet(&["reach", "diff", "changed.yaml", "--kubeconfig", &admin]);
    assert_eq!(changed.code, 1, "{}", changed.err);
    let line = "diff-type: changed, source: posture-live/web[Deployment], destination: posture-live/db[StatefulSet], \
                cluster: TCP 5432, applied: TCP 9999";
    assert_eq!(changed.out.lines().skip(2).collect::<Vec<_>>(), [line]);
    let both = folder.parapet(&["reach", "diff", "objects.yaml", "changed.yaml", "--kubeconfig", &admin]);
    assert_eq!(both.code, 2, "{}", both.err);

    let words = ["audit", "-o", "json", "--exit-zero", "--kubeconfig"];
    let audited = folder.parapet(&[&words[..], &[&admin]].concat());
    let expected = folder.parapet(&["audit", "-o", "json", "--exit-zero", "objects.yaml"]);
    assert!(!audited.out.contains("hunter-2") && !audited.out.contains("aHVudGVyLTI"));
    let (found, incomplete) = findings(&audited);
    assert!(!incomplete, "{}", audited.err);
    let (wanted, _) = findings(&expected);
    assert!(wanted.iter().any(|(rule, ..)| rule == "OBS-POD-03"), "{wanted:?}");
    assert_eq!(found, wanted);

    let plugin =
        folder.kubectl_parapet(&["audit", "-o", "json", "--exit-zero", "-n", "posture-live"], &admin);
    let (of_namespace, _) = findings(&plugin);
    assert_eq!(of_namespace, wanted, "{}", plugin.err);

    // Without the permission to list NetworkPolicies the answer is what is left, and says that it is.
    let partly = folder.parapet(&["reach", "list", "--kubeconfig", &reader, "-n", "posture-live"]);
    assert_eq!(partly.code, 0, "{}", partly.err);
    let said = "cluster:NetworkPolicy:1:1: error: not allowed to list networkpolicies: grant the verb \"list\" on the \
                resource \"networkpolicies\" of the API group \"networking.k8s.io\"";
    assert!(partly.err.contains(said), "{}", partly.err);
    assert!(partly.err.contains("what follows is incomplete"), "{}", partly.err);
    assert!(partly.err.contains("cluster:Secret:1:1: warning"), "{}", partly.err);
    assert_eq!(partly.err.matches("not allowed to list").count(), 1, "{}", partly.err);
    let strict = folder.parapet(&["reach", "list", "--kubeconfig", &reader, "--fail"]);
    assert_eq!(strict.code, 2, "{}", strict.err);
    let audited = folder.parapet(&[&words[..], &[&reader]].concat());
    assert!(findings(&audited).1, "{}", audited.err);

    // Where the API server is, the cluster says itself, to those who may ask. This one listens on loopback alone, which is no
    // address that an API server writes down.
    cluster.apply(API_SERVER, "default").await.unwrap();
    folder.write(
        "flows.yaml",
        "flows: [{from: {workload: {namespace: posture-live, name: otel}}, to: apiServer}]\n",
    );
    let words = ["policy", "generate", "--flows", "flows.yaml", "--kubeconfig"];
    let made = folder.parapet(&[&words[..], &[&admin]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("192.0.2.7") && made.out.contains("cidr: 192.0.2.7/32"), "{}", made.err);
    let refused = folder.parapet(&[&words[..], &[&reader]].concat());
    assert_eq!(refused.code, 2, "{}", refused.err);
    for expected in
        ["cluster:EndpointSlice:1:1: warning: the API server's EndpointSlices", "with --api-server"]
    {
        assert!(refused.err.contains(expected), "{expected}: {}", refused.err);
    }

    let unknown = folder.parapet(&["reach", "list", "--kubeconfig", &admin, "--context", "no-such-context"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("no-such-context"), "{}", unknown.err);
}

/// A custom kind that matters.
const ADMIN_POLICIES: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: adminnetworkpolicies.policy.networking.k8s.io
  annotations: {api-approved.kubernetes.io: 'unapproved, for a test'}
spec:
  group: policy.networking.k8s.io
  names: {kind: AdminNetworkPolicy, listKind: AdminNetworkPolicyList, plural: adminnetworkpolicies, singular: adminnetworkpolicy}
  scope: Cluster
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

const ADMIN_POLICY: &str = "\
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: a}
spec: {priority: 1, subject: {namespaces: {matchLabels: {posture: nobody}}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}
";

/// Names of the kind, and what the API server made itself, so that other tests of the cluster change nothing.
fn of_itself(loaded: &Loaded, kind: &str) -> Vec<String> {
    let documents = loaded.documents.iter().filter(|document| &*document.kind == kind);
    let mut names: Vec<String> = documents.map(|document| document.name.to_string()).collect();
    names.retain(|name| name.starts_with("system:"));
    names
}

#[tokio::test]
async fn pages_make_up_the_whole_and_bounds_are_said() {
    let Some(cluster) = Cluster::shared().await else { return };
    cluster.define(ADMIN_POLICIES).await.unwrap();
    cluster.apply(ADMIN_POLICY, "default").await.unwrap();
    let client = cluster.client().await.unwrap();
    let limits = ClusterLimits::default();
    let whole = load(&client, &limits).await.unwrap();
    assert_eq!(whole.problems, []);
    let paged = load(&client, &ClusterLimits { page: 7, ..limits }).await.unwrap();
    let roles = of_itself(&whole, "ClusterRole");
    assert!(roles.len() > 20, "{roles:?}");
    assert_eq!(of_itself(&paged, "ClusterRole"), roles);
    let custom = whole.documents.iter().find(|document| &*document.kind == "AdminNetworkPolicy").unwrap();
    assert_eq!((&*custom.api_version, &*custom.file), ("policy.networking.k8s.io/v1alpha1", "cluster"));
    assert!(whole.documents.iter().all(|document| document.at("/metadata/managedFields").is_none()));

    let few = load(&client, &ClusterLimits { objects: 3, ..limits }).await.unwrap();
    assert_eq!(few.documents.len(), 3);
    assert!(
        few.incomplete() && few.problems[0].message.starts_with("too many objects: "),
        "{:?}",
        few.problems
    );
    let late = load(&client, &ClusterLimits { deadline: Duration::ZERO, ..limits }).await;
    assert!(matches!(late, Err(ClusterError::Deadline(_))), "{late:?}");
}
