//! Against a real API server, with the rights to `get` and `watch` one Secret and nothing else.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use parapet_secrets::{
    Configuration, Metrics, Need, Options, Providers, Reason, Scope, SecretError, Settings, Store, Version,
};
use parapet_testbed::Cluster;
use serde_json::json;

use crate::world::{becomes, reference, status_of, text, value};

/// What docs/secrets.md says to paste, for one Secret.
const RIGHTS: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: parapet}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: parapet-secrets}
rules:
  - {apiGroups: [''], resources: [secrets], resourceNames: [db], verbs: [get, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: parapet-secrets}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: parapet-secrets}
subjects: [{kind: ServiceAccount, name: parapet, namespace: NAMESPACE}]
";

struct World {
    cluster: &'static Cluster,
    namespace: &'static str,
    secrets: Api<Secret>,
    store: Store,
}

impl World {
    async fn new(namespace: &'static str) -> Option<Self> {
        let cluster = Cluster::shared().await?;
        cluster.namespace(namespace).await.unwrap();
        cluster.apply(&RIGHTS.replace("NAMESPACE", namespace), namespace).await.unwrap();
        let kubeconfig = cluster.kubeconfig_of(namespace, "parapet").await.unwrap();
        let yaml = format!(
            "providers: {{p: {{kubernetes: {{kubeconfig: '{}', namespace: {namespace}}}}}}}",
            kubeconfig.display()
        );
        let configuration: Configuration = serde_saphyr::from_str(&yaml).unwrap();
        let providers = Providers::open(&configuration, &Metrics::default()).await.unwrap();
        // Long refreshes: what arrives was watched.
        let mut options = Options::new(providers, Settings::default(), Metrics::default());
        options.chance = Arc::new(|| 0.0);
        let secrets = Api::namespaced(cluster.client().await.unwrap(), namespace);
        Some(Self { cluster, namespace, secrets, store: Store::new(options) })
    }

    async fn put(&self, name: &str, password: &str) -> String {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"password": password}});
        let apply = PatchParams::apply("test").force();
        let made = self.secrets.patch(name, &apply, &Patch::Apply(secret)).await.unwrap();
        made.metadata.resource_version.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_read_and_each_change_arrives_by_its_watch() {
    let Some(world) = World::new("secrets-watch").await else { return };
    let first = world.put("db", "1").await;
    let mut used =
        world.store.watch(&Scope::Own, &reference("p:db#password"), Need::Required, "test").unwrap();
    world.store.started().await.unwrap();
    assert_eq!(used.latest().unwrap().version(), &Version::new(first));
    for round in 2..=20 {
        let version = world.put("db", &round.to_string()).await;
        becomes(&mut used, &round.to_string()).await;
        assert_eq!(used.latest().unwrap().version(), &Version::new(version));
    }
    world.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_stays_in_use_and_its_return_is_seen() {
    let Some(world) = World::new("secrets-deleted").await else { return };
    world.put("db", "old").await;
    let path = format!("p:{}/db", world.namespace);
    let full = reference(&format!("{path}#password"));
    let mut used = world.store.watch(&Scope::Own, &full, Need::Required, "test").unwrap();
    becomes(&mut used, "old").await;
    world.secrets.delete("db", &DeleteParams::default()).await.unwrap();
    while status_of(&world.store, &path).last_failure != Some(Reason::Missing) {
        tokio::task::yield_now().await;
    }
    assert_eq!(value(&used).as_deref(), Some("old"));
    world.put("db", "new").await;
    becomes(&mut used, "new").await;
    world.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_the_documentation_gives_are_enough_and_reach_no_other_secret() {
    let Some(world) = World::new("secrets-rights").await else { return };
    world.put("other", "x").await;
    let mut used =
        world.store.watch(&Scope::Own, &reference("p:other#password"), Need::Optional, "test").unwrap();
    while status_of(&world.store, "p:other").last_failure != Some(Reason::Denied) {
        tokio::task::yield_now().await;
    }
    assert_eq!(value(&used), None);
    // Rights that come later are found by asking again.
    let more = RIGHTS.replace("NAMESPACE", world.namespace).replace("[db]", "[db, other]");
    world.cluster.apply(&more, world.namespace).await.unwrap();
    world.store.refresh_now();
    becomes(&mut used, "x").await;
    assert_eq!(text(&used.latest().unwrap(), "password"), "x");
    world.store.close().await;
}

#[tokio::test]
async fn a_kubeconfig_that_is_none_is_named_and_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, "users: {token: hunter2}").unwrap();
    let yaml = format!("providers: {{k: {{kubernetes: {{kubeconfig: '{}'}}}}}}", path.display());
    let configuration: Configuration = serde_saphyr::from_str(&yaml).unwrap();
    let error = Providers::open(&configuration, &Metrics::default()).await.map(drop).unwrap_err();
    assert!(matches!(error, SecretError::Configuration { .. }));
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
