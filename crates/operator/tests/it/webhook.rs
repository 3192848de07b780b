//! The webhook, asked by a real API server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use futures::channel::oneshot;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use parapet_api::Kind;
use parapet_api::validate::Rules;
use parapet_operator::settings::Validity;
use parapet_operator::webhook::certificates::{Keeper, KeeperError};
use parapet_operator::webhook::{self, Certificate, Served, Serving, Webhook, WebhookError};
use parapet_testbed::Cluster;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(86_400);

/// A webhook that the API server asks about one namespace.
struct Asked {
    client: Client,
    namespace: &'static str,
    keeper: Keeper,
    registry: Registry,
    stop: oneshot::Sender<()>,
    served: Served,
}

fn configuration(name: &str, namespace: &str, port: u16) -> Result<ValidatingWebhookConfiguration> {
    let mut webhooks = Vec::new();
    for kind in Kind::ALL {
        for version in ["v1", "v1beta1"] {
            let path = format!(
                "/validate-{}-{version}-{}",
                kind.group().replace('.', "-"),
                kind.name().to_lowercase()
            );
            webhooks.push(json!({
                "name": format!("elastic-{}-validation-{version}.k8s.elastic.co", kind.suffix()),
                "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail", "matchPolicy": "Exact",
                "clientConfig": { "url": format!("https://127.0.0.1:{port}{path}") },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
                "rules": [{ "apiGroups": [kind.group()], "apiVersions": [version], "operations": ["CREATE", "UPDATE"], "resources": [kind.plural()] }],
            }));
        }
    }
    Ok(serde_json::from_value(json!({ "metadata": { "name": name }, "webhooks": webhooks }))?)
}

impl Asked {
    async fn start(namespace: &'static str, managed: bool) -> Result<Option<Self>> {
        Self::start_with(namespace, managed, Rules::default()).await
    }

    async fn start_with(namespace: &'static str, managed: bool, rules: Rules) -> Result<Option<Self>> {
        let Some(cluster) = Cluster::shared().await else { return Ok(None) };
        for crd in parapet_api::crds() {
            cluster.define(&serde_json::to_string(&crd)?).await?;
        }
        cluster.namespace(namespace).await?;
        let client = cluster.client().await?;
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
        // Its port is known when it is served, which it is once its certificate is kept here.
        configurations.create(&PostParams::default(), &configuration(namespace, namespace, 1)?).await?;
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let mut secret = Secret::default();
        secret.metadata.name = Some("certificate".to_owned());
        secrets.create(&PostParams::default(), &secret).await?;
        let keeper = Keeper {
            client: client.clone(),
            namespace: namespace.to_owned(),
            secret: "certificate".to_owned(),
            configuration: namespace.to_owned(),
            validity: Validity { lifetime: DAY * 365, rotate_before: DAY },
        };
        let mut registry = Registry::default();
        let webhook = Webhook {
            rules,
            namespaces: Arc::new(move |_| managed),
            client: client.clone(),
            validate_storage_class: true,
            metrics: webhook::Metrics::register(&mut registry),
        };
        let serving = Serving {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            certificate: Certificate::Kept(keeper.clone()),
            webhook,
            options: parapet_pki::Options::new("webhook", parapet_pki::Metrics::register(&mut registry)),
            counted: webhook::Counted::default(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let served = webhook::serve(serving, stopped.map(drop).shared()).await?;
        let mut kept = configurations.get(namespace).await?;
        let there = configuration(namespace, namespace, served.address.port())?;
        for (webhook, there) in kept.webhooks.iter_mut().flatten().zip(there.webhooks.into_iter().flatten()) {
            webhook.client_config.url = there.client_config.url;
        }
        configurations.replace(namespace, &PostParams::default(), &kept).await?;
        let asked = Self { client, namespace, keeper, registry, stop, served };
        asked.effective().await?;
        Ok(Some(asked))
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(kind.group(), "v1", kind.name());
        let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural());
        Api::namespaced_with(self.client.clone(), self.namespace, &resource)
    }

    /// API servers read configurations in their own time, and tell nobody: until it asks, nothing is asked of it.
    async fn effective(&self) -> Result<()> {
        let path =
            format!("/apis/{}/v1/namespaces/{}/kibanas?dryRun=All", Kind::Kibana.group(), self.namespace);
        let probe = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "probe" },
            "spec": { "version": "8.15.3", "count": 1 },
        });
        while self.reviews()? == 0 {
            let request = http::Request::post(&path)
                .header("content-type", "application/json")
                .body(probe.to_string().into_bytes().into())?;
            self.client.send(request).await?;
        }
        Ok(())
    }

    /// How often it was asked.
    fn reviews(&self) -> Result<u64> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        let counts = text.lines().filter(|line| line.starts_with("parapet_operator_webhook_reviews_total"));
        let counts = counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        Ok(counts.sum())
    }

    async fn create(&self, kind: Kind, name: &str, spec: Value) -> Result<(), String> {
        let object = json!({ "apiVersion": format!("{}/v1", kind.group()), "kind": kind.name(), "metadata": { "name": name }, "spec": spec });
        self.create_object(kind, object).await
    }

    async fn create_object(&self, kind: Kind, object: Value) -> Result<(), String> {
        let object: DynamicObject = serde_json::from_value(object).map_err(|error| error.to_string())?;
        self.api(kind)
            .create(&PostParams::default(), &object)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }

    async fn update(&self, kind: Kind, name: &str, patch: Value) -> Result<(), String> {
        let patched = self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|error| error.to_string())
    }

    async fn end(self) -> Result<()> {
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        configurations.delete(self.namespace, &Default::default()).await?;
        let _ = self.stop.send(());
        self.served.ended().await;
        Ok(())
    }
}

fn one_set(version: &str) -> Value {
    json!({ "version": version, "nodeSets": [{ "name": "default", "count": 1 }] })
}

fn refused(result: Result<(), String>, kind: Kind, word: &str) {
    let error = result.expect_err("it is refused");
    let group = kind.group();
    assert!(
        error.contains(&format!("{}.{group} ", kind.name())) && error.contains("is invalid: "),
        "{error}"
    );
    assert!(error.contains("denied the request"), "{error}");
    assert!(error.contains(word), "{error} has {word}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_refuses_what_the_rules_refuse() -> Result<()> {
    let Some(asked) = Asked::start("webhook-refusals", true).await? else { return Ok(()) };
    let es = Kind::Elasticsearch;
    for row in crate::refused::rows() {
        refused(asked.create_object(row.kind, row.object("bad")).await, row.kind, row.words);
    }
    // What the schema leaves open, and no pod is like.
    let no_pod = json!([{ "name": "a", "count": 1, "podTemplate": { "spec": { "containers": "none" } } }]);
    let unreadable = asked.create(es, "bad", json!({ "version": "8.15.3", "nodeSets": no_pod })).await;
    refused(unreadable, es, "podTemplate");
    for kind in Kind::ALL {
        let listed = asked.api(kind).list(&ListParams::default()).await?.items;
        ensure!(listed.is_empty(), "nothing was stored");
    }
    asked.end().await?;
    let Some(strict) = Asked::start_with("webhook-strict", true, crate::refused::strict()).await? else {
        return Ok(());
    };
    for row in crate::refused::strict_rows() {
        refused(strict.create_object(row.kind, row.object("bad")).await, row.kind, row.words);
    }
    strict.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_asks_about_changes_with_what_exists() -> Result<()> {
    let Some(asked) = Asked::start("webhook-changes", true).await? else { return Ok(()) };
    let es = Kind::Elasticsearch;
    asked.create(es, "shop", one_set("8.15.3")).await.map_err(anyhow::Error::msg)?;
    asked
        .create(Kind::Kibana, "shop", json!({ "version": "8.15.3", "count": 1 }))
        .await
        .map_err(anyhow::Error::msg)?;
    asked
        .create(Kind::ApmServer, "shop", json!({ "version": "8.15.3", "count": 1 }))
        .await
        .map_err(anyhow::Error::msg)?;
    for kind in Kind::ALL {
        refused(
            asked.update(kind, "shop", json!({ "spec": { "version": "8.14.0" } })).await,
            kind,
            "is older than",
        );
    }
    refused(asked.update(es, "shop", json!({ "spec": { "version": "9.0.0" } })).await, es, "8.18.0");
    let allowed = json!({ "metadata": { "annotations": { "eck.k8s.elastic.co/disable-downgrade-validation": "true" } }, "spec": { "version": "8.14.0" } });
    asked.update(es, "shop", allowed).await.map_err(anyhow::Error::msg)?;
    asked.update(es, "shop", json!({ "spec": { "version": "8.16.0" } })).await.map_err(anyhow::Error::msg)?;

    let claim = |storage: &str| json!({ "metadata": { "name": "elasticsearch-data" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": storage } } } });
    let labels = json!({ "elasticsearch.k8s.elastic.co/cluster-name": "shop" });
    let set: StatefulSet = serde_json::from_value(json!({
        "metadata": { "name": "shop-es-default", "labels": labels },
        "spec": {
            "replicas": 0, "serviceName": "x", "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "elasticsearch", "image": "x" }] } },
            "volumeClaimTemplates": [claim("2Gi")],
        },
    }))?;
    Api::<StatefulSet>::namespaced(asked.client.clone(), asked.namespace)
        .create(&PostParams::default(), &set)
        .await?;
    let with = |claims: Value| json!({ "spec": { "nodeSets": [{ "name": "default", "count": 1, "volumeClaimTemplates": claims }] } });
    asked.update(es, "shop", with(json!([claim("2048Mi")]))).await.map_err(anyhow::Error::msg)?;
    refused(asked.update(es, "shop", with(json!([claim("1Gi")]))).await, es, "can't shrink");
    // There is no storage class at all here, so none that lets volumes grow.
    refused(
        asked.update(es, "shop", with(json!([claim("4Gi")]))).await,
        es,
        "doesn't allow volumes to be expanded",
    );
    let other = json!([claim("2Gi"), { "metadata": { "name": "more" }, "spec": {} }]);
    refused(asked.update(es, "shop", with(other)).await, es, "can't be changed");
    asked.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_other_namespaces_are_let_through() -> Result<()> {
    let Some(asked) = Asked::start("webhook-elsewhere", false).await? else { return Ok(()) };
    asked.create(Kind::Elasticsearch, "bad", one_set("latest")).await.map_err(anyhow::Error::msg)?;
    asked.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_kept_renewed_and_trusted_all_the_time() -> Result<()> {
    let Some(asked) = Asked::start("webhook-certificate", true).await? else { return Ok(()) };
    let secrets: Api<Secret> = Api::namespaced(asked.client.clone(), asked.namespace);
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(asked.client.clone());
    let versions = async || -> Result<_> {
        let (secret, configuration) =
            (secrets.get("certificate").await?, configurations.get(asked.namespace).await?);
        Ok((secret.resource_version(), configuration.resource_version()))
    };
    let before = versions().await?;
    let kept = asked.keeper.keep(Timestamp::now()).await?;
    ensure!(versions().await? == before, "nothing changes while nothing is due");

    // Another replica renews it, which this one doesn't know yet; the API server trusts both.
    let late = Timestamp::now() + SignedDuration::from_hours(24 * 365 - 12);
    let renewed = asked.keeper.keep(late).await?;
    ensure!(renewed.material != kept.material);
    ensure!(asked.keeper.keep(late).await?.material == renewed.material, "the second look finds the first's");
    asked.create(Kind::Elasticsearch, "during", one_set("8.15.3")).await.map_err(anyhow::Error::msg)?;

    // Somebody empties both.
    let mut secret = secrets.get("certificate").await?;
    secret.data = None;
    secrets.replace("certificate", &PostParams::default(), &secret).await?;
    let mut configuration = configurations.get(asked.namespace).await?;
    for webhook in configuration.webhooks.iter_mut().flatten() {
        webhook.client_config.ca_bundle = None;
    }
    configurations.replace(asked.namespace, &PostParams::default(), &configuration).await?;
    let made = asked.keeper.keep(Timestamp::now()).await?;
    ensure!(made.material != renewed.material);
    let secret = secrets.get("certificate").await?;
    let ByteString(authority) = secret.data.context("data")?.remove("ca.crt").context("ca.crt")?;
    for webhook in configurations.get(asked.namespace).await?.webhooks.into_iter().flatten() {
        ensure!(webhook.client_config.ca_bundle.context("trust")?.0 == authority);
    }
    asked.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_or_configuration_it_is_not_served() -> Result<()> {
    let Some(cluster) = Cluster::shared().await else { return Ok(()) };
    cluster.namespace("webhook-missing").await?;
    let client = cluster.client().await?;
    let keeper = Keeper {
        client: client.clone(),
        namespace: "webhook-missing".to_owned(),
        secret: "certificate".to_owned(),
        configuration: "webhook-missing".to_owned(),
        validity: Validity { lifetime: DAY, rotate_before: DAY / 2 },
    };
    let missing = async |keeper: &Keeper| match keeper.keep(Timestamp::now()).await {
        Err(KeeperError::Missing { kind, .. }) => Some(kind),
        _ => None,
    };
    ensure!(missing(&keeper).await == Some("ValidatingWebhookConfiguration"));
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    configurations.create(&PostParams::default(), &configuration("webhook-missing", "nowhere", 1)?).await?;
    ensure!(missing(&keeper).await == Some("Secret"));
    let mut registry = Registry::default();
    let serving = Serving {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        certificate: Certificate::Kept(keeper),
        webhook: Webhook {
            rules: Rules::default(),
            namespaces: Arc::new(|_| true),
            client,
            validate_storage_class: false,
            metrics: webhook::Metrics::register(&mut registry),
        },
        options: parapet_pki::Options::new("webhook", parapet_pki::Metrics::register(&mut registry)),
        counted: webhook::Counted::default(),
    };
    let served = webhook::serve(serving, futures::future::pending()).await;
    ensure!(matches!(served, Err(WebhookError::Keeper(KeeperError::Missing { .. }))));
    configurations.delete("webhook-missing", &Default::default()).await?;
    Ok(())
}
