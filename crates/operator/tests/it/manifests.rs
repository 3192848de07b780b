//! Manifests as people have them become the objects that they expect.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Api, ResourceExt as _};
use parapet_api::{ApmServer, AssociationState, Elasticsearch, Kibana, Phase};

use crate::world::World;

const ELASTICSEARCH: &str = r#"
apiVersion: elasticsearch.k8s.elastic.co/v1
kind: Elasticsearch
metadata: {name: elastic-istio}
spec:
  version: 8.15.3
  http: {tls: {selfSignedCertificate: {disabled: true}}}
  nodeSets:
  - name: default
    count: 3
    podTemplate:
      metadata:
        annotations:
          traffic.sidecar.istio.io/includeInboundPorts: "*"
          traffic.sidecar.istio.io/excludeOutboundPorts: "9300"
          traffic.sidecar.istio.io/excludeInboundPorts: "9300"
      spec: {automountServiceAccountToken: true}
"#;

const OTHERS: &str = r#"
apiVersion: kibana.k8s.elastic.co/v1
kind: Kibana
metadata: {name: elastic-istio}
spec:
  version: 8.15.3
  count: 1
  elasticsearchRef: {name: elastic-istio}
  http: {tls: {selfSignedCertificate: {disabled: true}}}
  podTemplate: {spec: {automountServiceAccountToken: true}}
---
apiVersion: apm.k8s.elastic.co/v1
kind: ApmServer
metadata: {name: elastic-istio}
spec:
  version: 8.15.3
  count: 1
  elasticsearchRef: {name: elastic-istio}
  http: {tls: {selfSignedCertificate: {disabled: true}}}
  podTemplate:
    metadata: {annotations: {sidecar.istio.io/rewriteAppHTTPProbers: "true"}}
    spec: {automountServiceAccountToken: true}
"#;

/// All objects of one kind in the namespace, by name.
async fn all<K>(world: &World) -> Result<BTreeMap<String, K>>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api = Api::<K>::namespaced(world.client.clone(), &world.namespace);
    Ok(api.list(&Default::default()).await?.into_iter().map(|object| (object.name_any(), object)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_of_the_mesh_become_the_documented_objects_and_then_nothing_is_written() -> Result<()> {
    let Some(world) = World::start("mesh-manifests").await? else { return Ok(()) };
    world.apply(ELASTICSEARCH).await?;
    world.apply(OTHERS).await?;

    let set: StatefulSet = world.until("elastic-istio-es-default", |_| true).await?;
    let spec = set.spec.context("a specification")?;
    assert_eq!(spec.replicas, Some(3));
    assert_eq!(spec.update_strategy.and_then(|one| one.type_).as_deref(), Some("OnDelete"));
    let template = spec.template;
    let annotations = template.metadata.and_then(|meta| meta.annotations).unwrap_or_default();
    assert_eq!(annotations["traffic.sidecar.istio.io/excludeInboundPorts"], "9300");
    let pod = template.spec.context("a pod")?;
    assert_eq!(pod.automount_service_account_token, Some(true));
    let main = pod.containers.iter().find(|one| one.name == "elasticsearch").context("the main container")?;
    let ports: Vec<_> =
        main.ports.iter().flatten().map(|port| port.name.as_deref().unwrap_or_default()).collect();
    assert_eq!(ports, ["http", "transport"]);

    let kibana: Deployment = world.until("elastic-istio-kb", |_| true).await?;
    let apm: Deployment = world.until("elastic-istio-apm-server", |_| true).await?;
    for deployment in [kibana, apm] {
        let pod = deployment.spec.and_then(|spec| spec.template.spec).context("a pod")?;
        assert_eq!(pod.automount_service_account_token, Some(true));
    }

    world
        .until::<Elasticsearch>("elastic-istio", |es| {
            let status = es.status.as_ref();
            status.and_then(|status| status.phase) == Some(Phase::ApplyingChanges)
                && status.and_then(|status| status.version.as_deref()) == Some("8.15.3")
        })
        .await?;
    let established = Some(AssociationState::Established);
    world
        .until::<Kibana>("elastic-istio", |kibana| {
            let status = kibana.status.clone().unwrap_or_default();
            status.elasticsearch_association_status == established && status.selector.is_some()
        })
        .await?;
    world
        .until::<ApmServer>("elastic-istio", |apm| {
            let status = apm.status.clone().unwrap_or_default();
            status.elasticsearch_association_status == established && status.service.is_some()
        })
        .await?;
    has_what_applications_read(&world).await?;
    nothing_is_written(&world).await
}

/// What clients depend on is the names and keys.
async fn has_what_applications_read(world: &World) -> Result<()> {
    let secrets = all::<Secret>(world).await?;
    let keys = |name: &str| -> Result<Vec<String>> {
        let secret = secrets.get(name).with_context(|| format!("no Secret {name}"))?;
        Ok(secret.data.iter().flatten().map(|(key, _)| key.clone()).collect())
    };
    assert_eq!(keys("elastic-istio-es-elastic-user")?, ["elastic"]);
    assert_eq!(keys("elastic-istio-es-http-certs-public")?, ["ca.crt", "tls.crt"]);
    assert_eq!(keys("elastic-istio-es-http-certs-internal")?, ["ca.crt", "tls.crt", "tls.key"]);
    assert_eq!(
        keys("elastic-istio-es-xpack-file-realm")?,
        ["roles.yml", "service_tokens", "users", "users_roles"]
    );
    assert_eq!(keys("elastic-istio-es-default-es-config")?, ["elasticsearch.yml"]);
    assert_eq!(keys("elastic-istio-apm-token")?, ["secret-token"]);
    assert_eq!(keys("elastic-istio-kibana-user")?, ["hash", "name", "serviceAccount", "token"]);
    assert!(!secrets.contains_key("elastic-istio-kb-http-certs-internal"), "Kibana has no TLS");
    let config = &secrets["elastic-istio-kb-config"].data.as_ref().context("data")?["kibana.yml"].0;
    let config = String::from_utf8(config.clone())?;
    assert!(config.contains("http://elastic-istio-es-http.mesh-manifests.svc:9200"), "the URL has no TLS");
    let services = all::<Service>(world).await?;
    let port = |name: &str| -> Option<String> {
        services.get(name)?.spec.as_ref()?.ports.as_ref()?.first()?.name.clone()
    };
    for name in ["es-http", "es-internal-http", "es-default", "kb-http", "apm-http"] {
        assert_eq!(port(&format!("elastic-istio-{name}")).as_deref(), Some("http"), "{name}");
    }
    assert_eq!(port("elastic-istio-es-transport").as_deref(), Some("tls-transport"));
    assert!(all::<ConfigMap>(world).await?.contains_key("elastic-istio-es-scripts"));
    assert!(all::<PodDisruptionBudget>(world).await?.contains_key("elastic-istio-es-default"));
    Ok(())
}

/// Further passes leave every version where it is, and ask for nothing to be written.
async fn nothing_is_written(world: &World) -> Result<()> {
    let operator = world.operator().await;
    let operator = operator.as_ref().context("an operator")?;
    // What was under way may end.
    loop {
        let before = operator.meddler.writes().len();
        operator.look_at_all(1).await;
        if operator.meddler.writes().len() == before {
            break;
        }
    }
    let (before, written) = (versions(world).await?, operator.meddler.writes().len());
    operator.look_at_all(5).await;
    ensure!(operator.meddler.writes().len() == written);
    assert_eq!(before, versions(world).await?);
    Ok(())
}

/// Versions of what the operator alone writes; controllers write statuses of the others.
async fn versions(world: &World) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut add = |kind: &str, name: String, version: Option<String>| {
        found.insert(format!("{kind} {name}"), version.unwrap_or_default());
    };
    for (name, object) in all::<Secret>(world).await? {
        add("Secret", name, object.metadata.resource_version);
    }
    for (name, object) in all::<Service>(world).await? {
        add("Service", name, object.metadata.resource_version);
    }
    for (name, object) in all::<ConfigMap>(world).await? {
        add("ConfigMap", name, object.metadata.resource_version);
    }
    for (name, object) in all::<Elasticsearch>(world).await? {
        add("Elasticsearch", name, object.metadata.resource_version);
    }
    for (name, object) in all::<StatefulSet>(world).await? {
        add("StatefulSet", name, object.metadata.generation.map(|generation| generation.to_string()));
    }
    for (name, object) in all::<Deployment>(world).await? {
        add("Deployment", name, object.metadata.generation.map(|generation| generation.to_string()));
    }
    Ok(found)
}
