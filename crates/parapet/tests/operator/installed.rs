//! The chart and the manifests on a real API server: installed, changed, patched as documentation says, and removed.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use parapet_testbed::Cluster;
use serde_json::Value;

use crate::rights::works_with_what_is_installed;
use crate::world::{OPERATOR, SYSTEM, chart, helm, own, text_of};

const KINDS: [&str; 3] = [
    "elasticsearches.elasticsearch.k8s.elastic.co",
    "kibanas.kibana.k8s.elastic.co",
    "apmservers.apm.k8s.elastic.co",
];
/// Of the Prometheus operator, as much as monitors need.
const MONITORS: &str = include_str!("../guard/service-monitor-kind.yaml");
/// Of Istio, as much as its rules need.
const MESH: &str = include_str!("mesh-kinds.yaml");
/// What is off by default and needs rights of its own.
const EVERYTHING: [&str; 2] = ["--set=config.networkPolicies=all", "--set=refs.enforceRBAC=true"];
/// A mesh, and who may refer to Elasticsearch: Kibana and APM Server, by the role that the chart makes for readers.
const SURROUNDINGS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: applications, labels: {istio-injection: enabled}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: applications-view}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: elastic-operator-view}
subjects:
- {kind: ServiceAccount, name: default, namespace: applications}
";

#[tokio::test]
async fn the_chart_is_installed_works_is_changed_and_goes() {
    let Some(cluster) = own().await else { return };
    cluster.define(MONITORS).await.unwrap();
    cluster.define(MESH).await.unwrap();
    mesh_is_served(&cluster).await;
    let (chart, namespace) = (chart(), format!("--namespace={SYSTEM}"));
    let fixed = [&*chart, &namespace, "--create-namespace", "--wait", "--timeout=120s"];

    helm(&cluster, &[&["install", OPERATOR], &fixed[..], &EVERYTHING].concat()).await.unwrap();
    let pod = running_pod(&cluster).await;
    assert_eq!(pod.metadata.labels.unwrap()["control-plane"], OPERATOR);
    assert_eq!(containers(pod.spec.unwrap()), ["manager"]);
    let kinds: Api<CustomResourceDefinition> = Api::all(cluster.client().await.unwrap());
    for kind in KINDS {
        await_condition(kinds.clone(), kind, conditions::is_crd_established()).await.unwrap();
    }
    // With the rights that the chart gave it, and no others.
    cluster.apply(SURROUNDINGS, "default").await.unwrap();
    cluster.apply(&text_of("examples/elastic/destination-rule.yaml"), "applications").await.unwrap();
    works_with_what_is_installed(&cluster, SYSTEM, "applications").await;
    let policies: Api<NetworkPolicy> = Api::namespaced(cluster.client().await.unwrap(), "applications");
    assert_eq!(policies.list(&ListParams::default()).await.unwrap().items.len(), 3);
    mesh_is_looked_at(&cluster).await;

    let secure = ["--set-string=config.metrics.port=8080", "--set=config.metrics.secureMode.enabled=true"];
    helm(&cluster, &[&["upgrade", OPERATOR], &fixed[..], &secure].concat()).await.unwrap();
    assert!(config(&cluster).await.contains("metrics-secure: true"));
    let services: Api<Service> = Api::namespaced(cluster.client().await.unwrap(), SYSTEM);
    let service = services.get("elastic-operator-metrics").await.unwrap().spec.unwrap();
    let port = service.ports.unwrap().remove(0);
    assert_eq!((port.name.as_deref(), port.port), (Some("https"), 8080));
    assert_eq!(service.selector.unwrap()["control-plane"], OPERATOR);
    let monitor = monitors(&cluster).await.get(OPERATOR).await.unwrap();
    assert_eq!(monitor.data["spec"]["endpoints"][0]["scheme"], "https");

    helm(&cluster, &["uninstall", OPERATOR, &namespace, "--wait"]).await.unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(cluster.client().await.unwrap(), SYSTEM);
    assert_eq!(sets.get_opt(OPERATOR).await.unwrap(), None);
    assert!(monitors(&cluster).await.get_opt(OPERATOR).await.unwrap().is_none());
    // What users made stays, and so do its definitions.
    assert_eq!(
        kinds
            .list(&ListParams::default().labels(&format!("control-plane={OPERATOR}")))
            .await
            .unwrap()
            .items
            .len(),
        3
    );
}

/// Source document 004, step by step, on what the manifests made: its patches fit.
#[tokio::test]
async fn the_manifests_are_applied_and_the_documented_patches_fit() {
    let Some(cluster) = own().await else { return };
    cluster.define(&text_of("deploy/operator/crds.yaml")).await.unwrap();
    cluster.define(MONITORS).await.unwrap();
    apply(&cluster, "deploy/operator/operator.yaml").await;
    assert_eq!(containers(running_pod(&cluster).await.spec.unwrap()), ["manager"]);
    let sidecar = "examples/secure-metrics/sidecar";
    for file in ["config", "rbac", "service", "service-monitor"] {
        apply(&cluster, &format!("{sidecar}/{file}.yaml")).await;
    }
    for patch in [
        &format!("{sidecar}/statefulset-patch.yaml"),
        "examples/secure-metrics/own-certificate/statefulset-patch.yaml",
    ] {
        let set = patched(&cluster, patch).await;
        let pod = set.spec.unwrap().template.spec.unwrap();
        let volumes: Vec<&str> = pod.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
        for name in ["conf", "cert"] {
            assert!(volumes.contains(&name), "{volumes:?}");
        }
        let ports = |name: &str| -> Vec<String> {
            let container = pod.containers.iter().find(|container| container.name == name).unwrap();
            container.ports.iter().flatten().filter_map(|port| port.name.clone()).collect()
        };
        assert_eq!(ports("kube-rbac-proxy"), ["metrics"]);
        assert!(!ports("manager").contains(&"metrics".to_owned()), "the Service targets that name");
        assert_eq!(containers(pod), ["kube-rbac-proxy", "manager"]);
    }
    // Definitions that others made are left as they are, by whatever is installed besides.
    let before = definitions(&cluster).await;
    let other = ["--namespace=other", "--create-namespace", "--set=fullnameOverride=other-operator"];
    helm(&cluster, &[&["install", "other", &chart()], &other[..]].concat()).await.unwrap();
    assert_eq!(definitions(&cluster).await, before);
    // And the mesh's, of source document 002.
    let set = patched(&cluster, "examples/istio/operator/statefulset-patch.yaml").await;
    let annotations = set.spec.unwrap().template.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations["traffic.sidecar.istio.io/excludeInboundPorts"], "9443");
}

/// Waits until the kinds of the mesh can be read: for seconds after they are established the API server refuses that with 429,
/// and the operator, which knows nothing of the mesh then, says nothing of it until it looks again.
async fn mesh_is_served(cluster: &Cluster) {
    let client = cluster.client().await.unwrap();
    for (group, kind) in
        [("networking.istio.io", "DestinationRule"), ("security.istio.io", "PeerAuthentication")]
    {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
        let all = Api::<DynamicObject>::all_with(client.clone(), &resource);
        loop {
            match all.list(&ListParams::default()).await {
                Ok(_) => break,
                Err(kube::Error::Api(status)) if status.code == 429 => {}
                Err(error) => panic!("{kind}: {error}"),
            }
        }
    }
}

/// Waits until the status says how the mesh fits: the pass that made the last object writes it after that.
async fn mesh_is_looked_at(cluster: &Cluster) {
    let kind = GroupVersionKind::gvk("elasticsearch.k8s.elastic.co", "v1", "Elasticsearch");
    let resource = ApiResource::from_gvk_with_plural(&kind, "elasticsearches");
    let all: Api<DynamicObject> =
        Api::namespaced_with(cluster.client().await.unwrap(), "applications", &resource);
    let says = |found: Option<&DynamicObject>| {
        let conditions = found.and_then(|found| found.data["status"]["conditions"].as_array());
        conditions.into_iter().flatten().any(|condition| condition["type"] == "MeshReady")
    };
    await_condition(all, "elastic-istio", says).await.unwrap();
}

/// The definitions' versions, by name.
async fn definitions(cluster: &Cluster) -> Vec<(Option<String>, Option<String>)> {
    let kinds: Api<CustomResourceDefinition> = Api::all(cluster.client().await.unwrap());
    let all = kinds.list(&ListParams::default()).await.unwrap().items.into_iter();
    all.map(|kind| (kind.metadata.name, kind.metadata.resource_version)).collect()
}

async fn apply(cluster: &Cluster, file: &str) {
    cluster.apply(&text_of(file), SYSTEM).await.unwrap_or_else(|error| panic!("{file}: {error:#}"));
}

/// Patches the StatefulSet as `kubectl patch --patch-file` does.
async fn patched(cluster: &Cluster, file: &str) -> StatefulSet {
    let sets: Api<StatefulSet> = Api::namespaced(cluster.client().await.unwrap(), SYSTEM);
    let patch: Value = serde_saphyr::from_str(&text_of(file)).unwrap();
    let params = PatchParams::default().validation_strict();
    sets.patch(OPERATOR, &params, &Patch::Strategic(&patch)).await.unwrap()
}

/// The pod of the StatefulSet, by the name that documentation has for it.
async fn running_pod(cluster: &Cluster) -> Pod {
    let pods: Api<Pod> = Api::namespaced(cluster.client().await.unwrap(), SYSTEM);
    await_condition(pods, "elastic-operator-0", conditions::is_pod_running()).await.unwrap().unwrap()
}

fn containers(pod: k8s_openapi::api::core::v1::PodSpec) -> Vec<String> {
    let mut names: Vec<String> = pod.containers.into_iter().map(|container| container.name).collect();
    names.sort();
    names
}

async fn config(cluster: &Cluster) -> String {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client().await.unwrap(), SYSTEM);
    maps.get(OPERATOR).await.unwrap().data.unwrap().remove("eck.yaml").unwrap()
}

async fn monitors(cluster: &Cluster) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor");
    Api::namespaced_with(cluster.client().await.unwrap(), SYSTEM, &ApiResource::from_gvk(&kind))
}
