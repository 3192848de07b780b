//! Manifests as people have them become the objects that they expect.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Container, PodTemplateSpec, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Api, ResourceExt as _};
use parapet_api::{ApmServer, AssociationState, Elasticsearch, Kibana};
use serde_json::{Value, json};

use crate::world::World;

/// What people apply.
const ELASTICSEARCH: &str = include_str!("../../../../examples/elastic/elasticsearch.yaml");
const PLUGINS: &str = include_str!("../../../../examples/elastic/elasticsearch-plugins.yaml");
const KIBANA: &str = include_str!("../../../../examples/elastic/kibana.yaml");
const APM_SERVER: &str = include_str!("../../../../examples/elastic/apm-server.yaml");
const DESTINATION_RULE: &str = include_str!("../../../../examples/elastic/destination-rule.yaml");

/// The documentation's annotations of Elasticsearch's pods; `out`: the ports of other machines that pass the mesh by.
fn annotations(out: &str) -> Value {
    json!({
        "traffic.sidecar.istio.io/includeInboundPorts": "*",
        "traffic.sidecar.istio.io/excludeOutboundPorts": out,
        "traffic.sidecar.istio.io/excludeInboundPorts": "9300",
    })
}

/// Object by object and field by field, as the documentation of the mesh has them.
fn documented() -> [(&'static str, Value); 5] {
    let tls_is_off = json!({ "tls": { "selfSignedCertificate": { "disabled": true } } });
    let elasticsearch = |out: &str, pod: Value| {
        json!({
            "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch",
            "metadata": { "name": "elastic-istio" },
            "spec": { "version": "8.15.3", "http": tls_is_off, "nodeSets": [{
                "name": "default", "count": 3,
                "podTemplate": { "metadata": { "annotations": annotations(out) }, "spec": pod },
            }] },
        })
    };
    let stateless = |group: &str, kind: &str, template: Value| {
        json!({
            "apiVersion": format!("{group}.k8s.elastic.co/v1"), "kind": kind, "metadata": { "name": "elastic-istio" },
            "spec": {
                "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": "elastic-istio" }, "http": tls_is_off,
                "podTemplate": template,
            },
        })
    };
    let token = json!({ "automountServiceAccountToken": true });
    let installs = json!({
        "automountServiceAccountToken": true,
        "initContainers": [{
            "name": "install-plugins",
            "command": ["sh", "-c", "bin/elasticsearch-plugin install --batch repository-gcs\n"],
        }],
    });
    let rewritten = json!({ "annotations": { "sidecar.istio.io/rewriteAppHTTPProbers": "true" } });
    [
        (ELASTICSEARCH, elasticsearch("9300", token.clone())),
        (PLUGINS, elasticsearch("9300,443", installs)),
        (KIBANA, stateless("kibana", "Kibana", json!({ "spec": token }))),
        (APM_SERVER, stateless("apm", "ApmServer", json!({ "metadata": rewritten, "spec": token }))),
        (
            DESTINATION_RULE,
            json!({
                "apiVersion": "networking.istio.io/v1alpha3", "kind": "DestinationRule",
                "metadata": { "name": "elastic-istio" },
                "spec": {
                    "host": "elastic-istio-es-http.default.svc.cluster.local",
                    "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" } },
                },
            }),
        ),
    ]
}

#[test]
fn the_examples_say_what_the_documentation_says_and_nothing_else() {
    for (manifest, expected) in documented() {
        let written: Vec<Value> = serde_saphyr::from_multiple(manifest).expect("it is YAML");
        assert_eq!(written, [expected]);
    }
}

/// The annotations of the example's pods, each as it is written.
fn has_annotations(template: &PodTemplateSpec, expected: &Value) -> Result<()> {
    let annotations =
        template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref()).context("annotations")?;
    for (name, value) in expected.as_object().context("annotations")? {
        ensure!(annotations.get(name).map(String::as_str) == value.as_str(), "{name}: {annotations:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_installed_by_an_init_container_with_the_image_and_folders_of_elasticsearch() -> Result<()>
{
    let Some(world) = World::start("mesh-plugins").await? else { return Ok(()) };
    world.apply(PLUGINS).await?;
    let set: StatefulSet = world.until("elastic-istio-es-default", |_| true).await?;
    let template = set.spec.context("a specification")?.template;
    has_annotations(&template, &annotations("9300,443"))?;
    let pod = template.spec.context("a pod")?;
    let main = pod.containers.iter().find(|one| one.name == "elasticsearch").context("the main container")?;
    let init = pod.init_containers.context("init containers")?;
    let names: Vec<&str> = init.iter().map(|one| one.name.as_str()).collect();
    ensure!(
        names == ["elastic-internal-init-filesystem", "elastic-internal-suspend", "install-plugins"],
        "{names:?}"
    );
    let installs = &init[2];
    let script = "bin/elasticsearch-plugin install --batch repository-gcs\n";
    ensure!(
        installs.command.as_deref() == Some(&["sh", "-c", script].map(str::to_owned)),
        "{:?}",
        installs.command
    );
    ensure!(installs.image == main.image && installs.resources == main.resources);
    let mounts = |container: &Container| -> BTreeSet<(String, String)> {
        let all = container.volume_mounts.iter().flatten();
        all.map(|mount| (mount.name.clone(), mount.mount_path.clone())).collect()
    };
    ensure!(mounts(main).is_subset(&mounts(installs)), "what it installs is there for Elasticsearch");
    let names = |container: &Container| -> BTreeSet<String> {
        container.env.iter().flatten().map(|one| one.name.clone()).collect()
    };
    ensure!(names(main).is_subset(&names(installs)));
    Ok(())
}

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
    world.testbed.kwok().await?;
    let world = world.with_volumes().await?;
    for manifest in [ELASTICSEARCH, KIBANA, APM_SERVER] {
        world.apply(manifest).await?;
    }

    let set: StatefulSet = world.until("elastic-istio-es-default", |_| true).await?;
    let spec = set.spec.context("a specification")?;
    assert_eq!(spec.replicas, Some(3));
    assert_eq!(spec.update_strategy.and_then(|one| one.type_).as_deref(), Some("OnDelete"));
    let template = spec.template;
    has_annotations(&template, &annotations("9300"))?;
    let pod = template.spec.context("a pod")?;
    assert_eq!(pod.automount_service_account_token, Some(true));
    let main = pod.containers.iter().find(|one| one.name == "elasticsearch").context("the main container")?;
    let ports: Vec<_> =
        main.ports.iter().flatten().map(|port| port.name.as_deref().unwrap_or_default()).collect();
    assert_eq!(ports, ["http", "transport"]);

    let kibana: Deployment = world.until("elastic-istio-kb", |_| true).await?;
    let apm: Deployment = world.until("elastic-istio-apm-server", |_| true).await?;
    for (deployment, annotations) in
        [(kibana, json!({})), (apm, json!({ "sidecar.istio.io/rewriteAppHTTPProbers": "true" }))]
    {
        let template = deployment.spec.context("a specification")?.template;
        has_annotations(&template, &annotations)?;
        assert_eq!(template.spec.context("a pod")?.automount_service_account_token, Some(true));
    }

    let es = world.until_ready("elastic-istio", 3).await?;
    assert_eq!(es.status.and_then(|status| status.version).as_deref(), Some("8.15.3"));
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
    world.rests().await?;
    let operator = world.operator().await;
    let operator = operator.as_ref().context("an operator")?;
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
