//! `examples/secure-metrics` as a person applies it, and the guard started with exactly what the applied StatefulSet says.

use std::fs;
use std::path::Path;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::runtime::wait;
use parapet_testbed::{Authority, Leaf};
use serde_json::{Value, json};

use crate::curl::{status, status_with};
use crate::prometheus::{Prometheus, address};
use crate::upstream::{Upstream, written};
use crate::world::{Guard, What, World};

const SYSTEM: &str = "elastic-system";
const OPERATOR: &str = "elastic-operator";
/// The Service's name, which the certificate of `own-certificate/` has.
const SERVICE: &str = "elastic-operator-metrics.elastic-system.svc";

/// The text of a file of the example.
fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/secure-metrics").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All three ways one after the other: they are about the same objects.
#[tokio::test]
async fn the_recipe_works_with_a_sidecar_an_own_certificate_and_in_process() {
    let Some(world) = World::with_upstream(SYSTEM, Upstream::start().await).await else { return };
    world.cluster.define(include_str!("service-monitor-kind.yaml")).await.unwrap();
    world.cluster.namespace("monitoring").await.unwrap();
    world.cluster.kwok().await.unwrap();
    let readers =
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: prometheus, namespace: monitoring}}";
    apply(&world, readers).await;
    apply(&world, include_str!("operator.yaml")).await;
    let token = world.cluster.token("monitoring", "prometheus", &[]).await.unwrap();
    let stranger = world.token().await;

    sidecar(&world, &token, &stranger).await;
    own_certificate(&world, &token).await;
    in_process(&world, &token, &stranger).await;
}

async fn sidecar(world: &World, token: &str, stranger: &str) {
    for file in ["sidecar/config.yaml", "sidecar/service.yaml"] {
        apply(world, &example(file)).await;
    }
    assert!(
        !world
            .is_allowed(&world.user(OPERATOR), What::Create("authorization.k8s.io", "subjectaccessreviews"))
            .await
    );
    apply(world, &example("sidecar/rbac.yaml")).await;
    world
        .wait_until_allowed(&world.user(OPERATOR), What::Create("authentication.k8s.io", "tokenreviews"))
        .await;
    let container = patched(world, "sidecar/statefulset-patch.yaml").await;
    let monitor = apply(world, &example("sidecar/service-monitor.yaml")).await.remove(0);

    let guard = started(world, &container, &[]).await;
    let url = format!("{}/metrics", guard.url);
    // Nobody has the role yet.
    assert_eq!(status(&url).await, 401);
    assert_eq!(status_with(token, &url).await, 403);
    assert!(world.upstream.seen().is_empty());
    apply(world, &example("prometheus/rbac.yaml")).await;
    world.wait_until_allowed("system:serviceaccount:monitoring:prometheus", What::Get("/metrics")).await;
    // Another guard, since this one remembers the refusal.
    drop(guard);
    let guard = started(world, &container, &[]).await;
    let url = format!("{}/metrics", guard.url);
    assert_eq!(status_with(token, &url).await, 200);
    assert_eq!(status_with(stranger, &url).await, 403);
    behind(scraped(world, &guard, &monitor, token, None).await).await;
}

async fn own_certificate(world: &World, token: &str) {
    let authority = Authority::new("metrics").unwrap();
    let pair = authority.sign(Leaf { common_name: SERVICE, organization: None, names: &[SERVICE] }).unwrap();
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "eck-metrics-tls-certificate", "namespace": SYSTEM},
        "stringData": {"tls.crt": pair.certificate, "tls.key": pair.key},
    });
    apply(world, &secret.to_string()).await;
    let container = patched(world, "own-certificate/statefulset-patch.yaml").await;
    assert_eq!(container.volume_mounts.as_ref().unwrap()[0].mount_path, "/tls");
    let monitor = apply(world, &example("own-certificate/service-monitor.yaml")).await.remove(0);
    let (certificate, key) = written(&pair, world.cluster.sandbox(), "own-certificate");
    let guard = started(world, &container, &[("/tls/tls.crt", &certificate), ("/tls/tls.key", &key)]).await;
    assert_eq!(status_with(token, &format!("{}/metrics", guard.url)).await, 200);
    behind(scraped(world, &guard, &monitor, token, Some(&authority)).await).await;
}

/// A process that asks for its own endpoint, with the rights that the manifests give the operator: the guard's own metrics
/// are behind the gate that every role puts before its endpoints, with nothing forwarded.
async fn in_process(world: &World, token: &str, stranger: &str) {
    // Here the rights are those of this generation's manifests alone.
    let bindings: Api<ClusterRoleBinding> = Api::all(world.cluster.client().await.unwrap());
    bindings.delete("elastic-operator-proxy-rolebinding", &DeleteParams::default()).await.unwrap();
    let reviews = What::Create("authentication.k8s.io", "tokenreviews");
    while world.is_allowed(&world.user(OPERATOR), reviews).await {
        tokio::task::yield_now().await;
    }
    for file in ["in-process/config.yaml", "in-process/service.yaml", "in-process/rbac.yaml"] {
        apply(world, &example(file)).await;
    }
    world.wait_until_allowed(&world.user(OPERATOR), reviews).await;
    let monitor = apply(world, &example("in-process/service-monitor.yaml")).await.remove(0);

    let port = parapet_testbed::free_port().unwrap();
    let upstream = format!("--upstream={}", world.upstream.url());
    let mut guard = world.guard_of(OPERATOR, &[&upstream, &format!("--proxy-endpoints-port={port}")]).await;
    let forwarded = world.upstream.seen().len();
    guard.url = format!("https://127.0.0.1:{port}");
    let url = format!("{}/metrics", guard.url);
    assert_eq!(status(&url).await, 401);
    assert_eq!(status_with(stranger, &url).await, 403);
    assert_eq!(status_with(token, &url).await, 200);
    let prometheus = scraped(world, &guard, &monitor, token, None).await;
    if let Some(prometheus) = prometheus {
        let refused = "sum(parapet_guard_requests_total{decision=%22refuse%22})";
        assert!(prometheus.value(refused).await.parse::<f64>().unwrap() >= 2.0);
    }
    assert_eq!(world.upstream.seen().len(), forwarded, "nothing was forwarded");
}

async fn apply(world: &World, manifest: &str) -> Vec<DynamicObject> {
    world.cluster.apply(manifest, SYSTEM).await.unwrap()
}

/// Patches the StatefulSet as `kubectl patch --patch-file` does, waits for its pod, and returns the sidecar.
async fn patched(world: &World, file: &str) -> Container {
    let sets: Api<StatefulSet> = Api::namespaced(world.cluster.client().await.unwrap(), SYSTEM);
    let patch: Value = serde_saphyr::from_str(&example(file)).unwrap();
    let params = PatchParams::default().validation_strict();
    let set = sets.patch(OPERATOR, &params, &Patch::Strategic(&patch)).await.unwrap();
    let generation = set.metadata.generation;
    let is_ready = |set: Option<&StatefulSet>| {
        let status = set.and_then(|set| set.status.as_ref());
        status.is_some_and(|status| {
            status.observed_generation >= generation
                && status.ready_replicas == Some(1)
                && status.current_revision == status.update_revision
        })
    };
    wait::await_condition(sets, OPERATOR, is_ready).await.unwrap();
    let containers = set.spec.unwrap().template.spec.unwrap().containers;
    assert!(
        containers.iter().any(|container| container.name == "manager"),
        "the patch adds, it replaces nothing"
    );
    let mut containers = containers.into_iter();
    let sidecar = containers.find(|container| container.name == "kube-rbac-proxy").unwrap();
    assert_eq!(sidecar.ports.as_ref().unwrap()[0].name.as_deref(), Some("metrics"));
    sidecar
}

/// The guard as the container would run it; only addresses and mounted files are this machine's.
async fn started(world: &World, container: &Container, files: &[(&str, &str)]) -> Guard {
    let upstream = world.upstream.url();
    let mut flags = Vec::new();
    for argument in container.args.as_ref().unwrap() {
        // Where it listens, the world says.
        if argument == "--secure-listen-address=0.0.0.0:8080" {
            continue;
        }
        let mut flag = argument.replace("http://127.0.0.1:8081", &upstream);
        for (mounted, here) in files {
            flag = flag.replace(mounted, here);
        }
        flags.push(flag);
    }
    assert_eq!(flags.len() + 1, container.args.as_ref().unwrap().len());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    world.guard_of(OPERATOR, &flags).await
}

/// Prometheus told what the ServiceMonitor says, as the Prometheus operator would tell it.
async fn scraped(
    world: &World,
    guard: &Guard,
    monitor: &DynamicObject,
    token: &str,
    ca: Option<&Authority>,
) -> Option<Prometheus> {
    let endpoint = &monitor.data["spec"]["endpoints"][0];
    assert_eq!((&endpoint["interval"], &endpoint["port"]), (&json!("30s"), &json!("https")));
    let tls = &endpoint["tlsConfig"];
    let mut tls_config = json!({"insecure_skip_verify": tls["insecureSkipVerify"]});
    if let Some(authority) = ca {
        assert_eq!(tls["caFile"], "/etc/prometheus/secrets/eck-metrics-ca/ca.crt");
        tls_config["ca_file"] = world.file("metrics-ca.crt", authority.certificate()).into();
        tls_config["server_name"] = tls["serverName"].clone();
    }
    let settings = json!({
        "metrics_path": endpoint["path"],
        "scheme": endpoint["scheme"],
        "bearer_token_file": world.file("token", token),
        "tls_config": tls_config,
    });
    let prometheus = Prometheus::scraping(world, address(&guard.url), settings).await?;
    assert_eq!(prometheus.first_scrape().await, Ok(()));
    Some(prometheus)
}

/// What Prometheus has stored came from behind the guard.
async fn behind(prometheus: Option<Prometheus>) {
    if let Some(prometheus) = prometheus {
        assert_eq!(prometheus.value("behind_the_guard").await, "1");
    }
}
