//! The definitions on a real API server: what `kubectl get` prints, what is dropped, what is refused.

use anyhow::{Context as _, Result};
use kube::api::{Api, DynamicObject, ObjectMeta, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use parapet_api::Kind;
use parapet_testbed::Cluster;
use serde_json::{Value, json};

async fn prepared(namespace: &str) -> Result<Option<(&'static Cluster, Client)>> {
    let Some(cluster) = Cluster::shared().await else { return Ok(None) };
    for crd in parapet_api::crds() {
        cluster.define(&serde_json::to_string(&crd)?).await?;
    }
    cluster.namespace(namespace).await?;
    Ok(Some((cluster, cluster.client().await?)))
}

fn api(client: &Client, kind: Kind, version: &str, namespace: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(kind.group(), version, kind.name());
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&gvk, kind.plural()))
}

fn object(kind: Kind, name: &str, spec: &Value) -> DynamicObject {
    let types =
        kube::api::TypeMeta { api_version: format!("{}/v1", kind.group()), kind: kind.name().to_owned() };
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    DynamicObject { types: Some(types), metadata, data: json!({ "spec": spec }) }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_prints_the_documented_columns() -> Result<()> {
    let Some((_, client)) = prepared("columns").await? else { return Ok(()) };
    for (kind, expected) in [
        (Kind::Elasticsearch, &["NAME", "HEALTH", "NODES", "VERSION", "PHASE", "AGE"][..]),
        (Kind::Kibana, &["NAME", "HEALTH", "NODES", "VERSION", "AGE"]),
        (Kind::ApmServer, &["NAME", "HEALTH", "NODES", "VERSION", "AGE"]),
    ] {
        for version in ["v1", "v1beta1"] {
            let path = format!("/apis/{}/{version}/namespaces/columns/{}", kind.group(), kind.plural());
            let request = http::Request::get(path)
                .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
                .body(Vec::new())?;
            let table: Value = client.request(request).await?;
            let columns = table["columnDefinitions"].as_array().context("columns")?;
            let names: Vec<_> = columns
                .iter()
                .map(|column| column["name"].as_str().unwrap_or_default().to_uppercase())
                .collect();
            assert_eq!(names, expected, "{} {version}", kind.name());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_programs_write_is_taken_and_nothing_is_added() -> Result<()> {
    let Some((_, client)) = prepared("pruning").await? else { return Ok(()) };
    let spec = json!({
        "version": "8.15.3", "auth": {}, "transport": null, "unknown": 1,
        "http": { "service": { "metadata": { "creationTimestamp": null }, "spec": {} }, "tls": { "selfSignedCertificate": null } },
        "nodeSets": [{
            "name": "default", "count": 1, "config": { "any.thing": { "at": ["all", 1, 1.5, null] }, "node.store.allow_mmap": false },
            "podTemplate": { "metadata": { "creationTimestamp": null, "annotations": { "a": "b" } }, "spec": { "anything": "goes", "containers": null } },
            "volumeClaimTemplates": [{ "metadata": { "name": "elasticsearch-data", "creationTimestamp": null }, "spec": { "resources": { "requests": { "storage": 1 } } }, "status": {} }],
        }],
    });
    let objects = api(&client, Kind::Elasticsearch, "v1", "pruning");
    let made = objects.create(&PostParams::default(), &object(Kind::Elasticsearch, "pruned", &spec)).await?;
    let expected = json!({
        "version": "8.15.3", "auth": {},
        "http": { "service": { "metadata": {}, "spec": {} }, "tls": {} },
        "nodeSets": [{
            "name": "default", "count": 1, "config": { "any.thing": { "at": ["all", 1, 1.5, null] }, "node.store.allow_mmap": false },
            "podTemplate": { "metadata": { "creationTimestamp": null, "annotations": { "a": "b" } }, "spec": { "anything": "goes", "containers": null } },
            "volumeClaimTemplates": [{ "metadata": { "name": "elasticsearch-data" }, "spec": { "resources": { "requests": { "storage": 1 } } } }],
        }],
    });
    assert_eq!(made.data["spec"], expected);
    let es: parapet_api::Elasticsearch = serde_json::from_value(serde_json::to_value(&made)?)?;
    assert_eq!(es.spec.node_sets[0].count, 1);
    assert_eq!(es.metadata.generation, Some(1));
    let again = api(&client, Kind::Elasticsearch, "v1beta1", "pruning").get("pruned").await?;
    assert_eq!(again.data["spec"], expected, "the older version shows the same");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schema_knows_to_be_wrong_is_refused() -> Result<()> {
    let Some((_, client)) = prepared("refusing").await? else { return Ok(()) };
    let node_sets = json!([{ "name": "default", "count": 1 }]);
    for (kind, spec, path) in [
        (Kind::Elasticsearch, json!({ "nodeSets": node_sets }), "spec.version"),
        (Kind::Elasticsearch, json!({ "version": "8.15.3" }), "spec.nodeSets"),
        (Kind::Elasticsearch, json!({ "version": "8.15.3", "nodeSets": [] }), "spec.nodeSets"),
        (
            Kind::Elasticsearch,
            json!({ "version": "8.15.3", "nodeSets": [{ "name": "a".repeat(24) }] }),
            "spec.nodeSets[0].name",
        ),
        (
            Kind::Elasticsearch,
            json!({ "version": "8.15.3", "nodeSets": [{ "count": 1 }] }),
            "spec.nodeSets[0].name",
        ),
        (
            Kind::Elasticsearch,
            json!({ "version": "8.15.3", "nodeSets": node_sets, "volumeClaimDeletePolicy": "Never" }),
            "spec.volumeClaimDeletePolicy",
        ),
        (
            Kind::Elasticsearch,
            json!({ "version": "8.15.3", "nodeSets": [{ "name": "a", "zoneAwareness": { "zones": [] } }] }),
            "zones",
        ),
        (
            Kind::Elasticsearch,
            json!({ "version": "8.15.3", "nodeSets": node_sets, "secureSettings": [{}] }),
            "secretName",
        ),
        (
            Kind::Elasticsearch,
            json!({ "version": "8.15.3", "nodeSets": node_sets, "remoteClusters": [{ "name": "" }] }),
            "spec.remoteClusters[0].name",
        ),
        (Kind::Kibana, json!({ "count": 1 }), "spec.version"),
        (Kind::Kibana, json!({ "version": "8.15.3", "count": "1" }), "spec.count"),
        (
            Kind::Kibana,
            json!({ "version": "8.15.3", "resources": { "limits": { "memory": "lots" } } }),
            "spec.resources.limits.memory",
        ),
        (Kind::ApmServer, json!({ "version": 8 }), "spec.version"),
    ] {
        let made = api(&client, kind, "v1", "refusing")
            .create(&PostParams::default(), &object(kind, "x", &spec))
            .await;
        let error = made.err().with_context(|| format!("{spec} was taken"))?.to_string();
        assert!(error.contains(path), "{error} names {path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_scaled_by_the_subresource() -> Result<()> {
    let Some((_, client)) = prepared("scaling").await? else { return Ok(()) };
    for kind in [Kind::Kibana, Kind::ApmServer] {
        let objects = api(&client, kind, "v1", "scaling");
        let made = object(kind, "x", &json!({ "version": "8.15.3", "count": 1 }));
        objects.create(&PostParams::default(), &made).await?;
        let patch = kube::api::Patch::Merge(json!({ "spec": { "replicas": 3 } }));
        objects.patch_scale("x", &Default::default(), &patch).await?;
        assert_eq!(objects.get("x").await?.data["spec"]["count"], 3, "{}", kind.name());
    }
    let es = api(&client, Kind::Elasticsearch, "v1", "scaling");
    let spec = json!({ "version": "8.15.3", "nodeSets": [{ "name": "default", "count": 1 }] });
    let made = es.create(&PostParams::default(), &object(Kind::Elasticsearch, "x", &spec)).await?;
    assert!(es.get_scale(&made.name_any()).await.is_err(), "an Elasticsearch has more than one number");
    Ok(())
}
