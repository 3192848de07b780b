//! Clusters that another operator made: what a takeover would do is said beforehand, and the takeover restarts nothing.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt as _};
use parapet_api::{ApmServer, Elasticsearch, Kibana};
use parapet_elastic::{ADOPTED_CONFIG_HASH, Workload};
use parapet_operator::adopt::{Report, Selected, Verdict, survey, text};
use parapet_operator::settings::{Given, Settings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::world::{Setup, World};

mod enterprise;

const CUSTOM_RESOURCES: &str = include_str!("../../../elastic/tests/it/adopted/custom-resources.yaml");
const OBJECTS: [&str; 5] = [
    include_str!("../../../elastic/tests/it/adopted/config-maps.yaml"),
    include_str!("../../../elastic/tests/it/adopted/secrets.yaml"),
    include_str!("../../../elastic/tests/it/adopted/elasticsearch.yaml"),
    include_str!("../../../elastic/tests/it/adopted/kibana.yaml"),
    include_str!("../../../elastic/tests/it/adopted/apm-server.yaml"),
];
/// Certificates were issued for it.
const NAMESPACE: &str = "elastic";
pub(crate) const NAME: &str = "quickstart";

fn documents(manifest: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(manifest).unwrap()
}

/// What the other operator left behind, in a namespace where no operator is.
pub(crate) struct LeftBehind<'a> {
    world: &'a World,
    /// The UIDs in the manifests, and those that the API server gave.
    uids: BTreeMap<String, String>,
}

/// The custom resources of the ordinary installation.
pub(crate) fn custom_resources() -> Vec<Value> {
    documents(CUSTOM_RESOURCES)
}

/// Everything else of it.
pub(crate) fn objects() -> Vec<Value> {
    OBJECTS.into_iter().flat_map(documents).collect()
}

impl<'a> LeftBehind<'a> {
    async fn make(world: &'a World) -> Result<Self> {
        let left = Self::of(world, custom_resources()).await?;
        let established = json!({ "count": 1, "health": "green", "version": "8.15.3",
            "associationStatus": "Established", "elasticsearchAssociationStatus": "Established" });
        left.tell::<Kibana>(established.clone()).await?;
        left.tell::<ApmServer>(established).await?;
        left.objects(objects()).await?;
        Ok(left)
    }

    /// These custom resources, of which the Elasticsearch runs, and none of their objects yet.
    pub(crate) async fn of(world: &'a World, custom_resources: Vec<Value>) -> Result<Self> {
        let mut left = Self { world, uids: BTreeMap::new() };
        for mut document in custom_resources {
            let metadata = document["metadata"].as_object_mut().context("metadata")?;
            let uid = metadata.remove("uid").context("a UID")?;
            let made = world.testbed.apply(&document.to_string(), &world.namespace).await?;
            let given = made[0].uid().context("a UID")?;
            left.uids.insert(uid.as_str().context("text")?.to_owned(), given);
        }
        left.tell::<Elasticsearch>(
            json!({ "availableNodes": 3, "health": "green", "phase": "Ready", "version": "8.15.3" }),
        )
        .await?;
        Ok(left)
    }

    async fn tell<K>(&self, status: Value) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let patch = Patch::Merge(json!({ "status": status }));
        self.api::<K>().patch_status(NAME, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        self.world.api()
    }

    /// As the other operator made them for applications with these UIDs: they are in owners and in the name of a token.
    pub(crate) async fn objects(&self, all: Vec<Value>) -> Result<()> {
        let token = all.iter().find(|one| one["metadata"]["name"] == "quickstart-kibana-user");
        let old = token.map(|token| decoded(&token["data"]["token"])).transpose()?.unwrap_or_default();
        let new = STANDARD.encode(self.renamed(&String::from_utf8_lossy(&STANDARD.decode(&old)?)));
        for mut object in all {
            let metadata = object["metadata"].as_object_mut().context("metadata")?;
            for server in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
                metadata.remove(server);
            }
            for owner in
                metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten()
            {
                let uid = owner["uid"].as_str().context("a UID")?;
                owner["uid"] = json!(self.uids.get(uid).context("an owner")?);
            }
            if object["kind"] == "Secret" {
                for (_, value) in object["data"].as_object_mut().into_iter().flatten() {
                    let Ok(text) = decoded(value) else { continue };
                    let text = self.renamed(&text);
                    let text = if old.is_empty() { text } else { text.replace(&old, &new) };
                    *value = json!(STANDARD.encode(text));
                }
            }
            let is_service = object["kind"] == "Service";
            if let Some(spec) = object["spec"].as_object_mut().filter(|_| is_service) {
                // Addresses are the API server's to give.
                if spec.get("clusterIP").is_some_and(|ip| ip != "None") {
                    spec.remove("clusterIP");
                    spec.remove("clusterIPs");
                }
            }
            object.as_object_mut().context("an object")?.remove("status");
            self.create(object).await?;
        }
        Ok(())
    }

    async fn create(&self, object: Value) -> Result<()> {
        let dynamic: kube::api::DynamicObject = serde_json::from_value(object)?;
        let types = dynamic.types.clone().context("a kind")?;
        let kind: kube::core::GroupVersionKind = types.try_into()?;
        let kind = kube::core::ApiResource::from_gvk(&kind);
        let api: Api<kube::api::DynamicObject> =
            Api::namespaced_with(self.world.client.clone(), &self.world.namespace, &kind);
        let name = dynamic.name_any();
        api.create(&PostParams::default(), &dynamic).await.with_context(|| name)?;
        Ok(())
    }

    fn renamed(&self, text: &str) -> String {
        self.uids.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }

    /// Everything runs.
    async fn runs(&self) -> Result<()> {
        self.nodes_run().await?;
        for name in ["quickstart-kb", "quickstart-apm-server"] {
            let available = |set: Option<&Deployment>| {
                set.and_then(|set| set.status.as_ref()?.available_replicas).is_some_and(|ready| ready == 1)
            };
            kube::runtime::wait::await_condition(self.api::<Deployment>(), name, available).await?;
        }
        Ok(())
    }

    /// All nodes of the Elasticsearch do.
    pub(crate) async fn nodes_run(&self) -> Result<()> {
        let ready = |set: Option<&StatefulSet>| {
            set.and_then(|set| set.status.as_ref()?.ready_replicas).is_some_and(|ready| ready == 3)
        };
        kube::runtime::wait::await_condition(self.api::<StatefulSet>(), "quickstart-es-default", ready)
            .await?;
        Ok(())
    }

    /// What changes when the operator writes: the version of what nobody else writes, and all but the status of what Kubernetes'
    /// own controllers tell of, whenever they get to it.
    pub(crate) async fn versions(&self) -> Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        self.versions_of::<Elasticsearch>(&mut all).await?;
        self.versions_of::<Kibana>(&mut all).await?;
        self.versions_of::<ApmServer>(&mut all).await?;
        self.versions_of::<Service>(&mut all).await?;
        self.versions_of::<Secret>(&mut all).await?;
        self.versions_of::<ConfigMap>(&mut all).await?;
        self.contents_of::<StatefulSet>(&mut all).await?;
        self.contents_of::<Deployment>(&mut all).await?;
        self.contents_of::<PodDisruptionBudget>(&mut all).await?;
        self.contents_of::<PersistentVolumeClaim>(&mut all).await?;
        self.contents_of::<Pod>(&mut all).await?;
        Ok(all)
    }

    async fn contents_of<K>(&self, all: &mut BTreeMap<String, String>) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Serialize
            + std::fmt::Debug,
    {
        for mut object in self.api::<K>().list(&Default::default()).await? {
            object.meta_mut().resource_version = None;
            object.meta_mut().managed_fields = None;
            let mut whole = serde_json::to_value(&object)?;
            whole.as_object_mut().context("an object")?.remove("status");
            all.insert(format!("{} {}", K::kind(&()), object.name_any()), whole.to_string());
        }
        Ok(())
    }

    async fn versions_of<K>(&self, all: &mut BTreeMap<String, String>) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        for object in self.api::<K>().list(&Default::default()).await? {
            let version = object.resource_version().unwrap_or_default();
            all.insert(format!("{} {}", K::kind(&()), object.name_any()), version);
        }
        Ok(())
    }

    /// What pods are made of, and which pods there are.
    pub(crate) async fn templates(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for set in self.api::<StatefulSet>().list(&Default::default()).await? {
            all.push(described(&set)?);
        }
        for deployment in self.api::<Deployment>().list(&Default::default()).await? {
            all.push(described(&deployment)?);
        }
        for pod in self.api::<Pod>().list(&Default::default()).await? {
            all.push(format!("{} {}", pod.name_any(), pod.uid().unwrap_or_default()));
        }
        Ok(all)
    }

    pub(crate) async fn foretold(&self) -> Result<Report> {
        let namespace = &self.world.namespace;
        let flags = BTreeMap::from([
            ("operator-namespace", "elastic-system".to_owned()),
            ("namespaces", namespace.clone()),
        ]);
        let settings = Settings::resolve(&Given { flags, ..Given::default() })?;
        let selected = Selected { namespace: Some(namespace.clone()), name: None };
        Ok(survey(settings, self.world.client.clone(), &selected).await?)
    }
}

fn described<K: Workload + Resource<DynamicType = ()>>(workload: &K) -> Result<String> {
    let meta = workload.meta();
    let template = serde_json::to_string(&workload.template())?;
    Ok(format!("{} generation {:?} {template}", meta.name.clone().unwrap_or_default(), meta.generation))
}

pub(crate) fn decoded(value: &Value) -> Result<String> {
    Ok(String::from_utf8(STANDARD.decode(value.as_str().context("text")?)?)?)
}

/// What would be done, without the values.
pub(crate) fn lines(report: &Report) -> BTreeSet<String> {
    let changes = report.applications.iter().flat_map(|one| &one.changes);
    changes
        .map(|change| {
            let fields: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
            format!("{} {} {:?} {}", change.kind, change.name, change.what, fields.join(" "))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_is_foretold_and_restarts_nothing() -> Result<()> {
    let Some(world) = World::start(NAMESPACE).await? else { return Ok(()) };
    let world = world.with_volumes().await?;
    world.testbed.kwok().await?;
    if let Some(operator) = world.operator().await.take() {
        operator.kill().await;
    }
    let left = LeftBehind::make(&world).await?;
    left.runs().await?;
    let (before, templates) = (left.versions().await?, left.templates().await?);

    let report = left.foretold().await?;
    assert_eq!(left.versions().await?, before, "the dry run writes nothing");
    assert_eq!(report.verdict(), Verdict::Changes);
    let restarts: Vec<_> = report.applications.iter().flat_map(|one| &one.restarts).collect();
    assert!(restarts.is_empty(), "{restarts:?}");
    let foretold = lines(&report);
    insta::assert_snapshot!(foretold.iter().map(String::as_str).collect::<Vec<_>>().join("\n"));
    let kept: Vec<&String> = report.applications.iter().flat_map(|one| &one.kept_secrets).collect();
    for secret in [
        "quickstart-es-elastic-user",
        "quickstart-es-http-ca-internal",
        "quickstart-kb-config",
        "quickstart-apm-token",
    ] {
        assert!(kept.iter().any(|kept| *kept == secret), "{secret}: {kept:?}");
    }

    world.restart_operator().await?;
    let noted = |labels: &BTreeMap<String, String>| labels.contains_key(ADOPTED_CONFIG_HASH);
    world.until::<StatefulSet>("quickstart-es-default", |set| noted(set.labels())).await?;
    for name in ["quickstart-kb", "quickstart-apm-server"] {
        world.until::<Deployment>(name, |deployment| noted(deployment.labels())).await?;
    }
    world.until_ready(NAME, 3).await?;
    world.rests().await?;
    if let Some(operator) = &*world.operator().await {
        operator.look_at_all(3).await;
    }
    for (now, before) in left.templates().await?.iter().zip(&templates) {
        assert_eq!(now, before, "no template, no generation, no pod");
    }
    // What was written was foretold, object by object; of applications the status is written besides.
    let touched: BTreeSet<String> = left
        .versions()
        .await?
        .into_iter()
        .filter(|(object, version)| before.get(object) != Some(version))
        .map(|(object, _)| object)
        .filter(|object| {
            !["Elasticsearch", "Kibana", "ApmServer"].iter().any(|kind| object.starts_with(kind))
        })
        .collect();
    let named = |object: &&String| !foretold.iter().any(|line| line.starts_with(&format!("{object} ")));
    let unforetold: Vec<&String> = touched.iter().filter(named).collect();
    assert!(unforetold.is_empty(), "{unforetold:?}");
    world.is_sound().await?;

    // Once it is done, nothing is left to be done.
    let after = left.foretold().await?;
    assert_eq!(lines(&after), BTreeSet::new());
    assert_eq!(after.verdict(), Verdict::Nothing, "{}", text(&after));
    Ok(())
}

/// Each operator carries on with what the one before it left, also if that began to note what it found.
#[tokio::test(flavor = "multi_thread")]
async fn operators_that_die_at_every_write_of_a_takeover_restart_nothing() -> Result<()> {
    let Some(world) = World::alone(NAMESPACE, Setup::default()).await? else { return Ok(()) };
    let world = world.with_volumes().await?;
    world.testbed.kwok().await?;
    if let Some(operator) = world.operator().await.take() {
        operator.kill().await;
    }
    let left = LeftBehind::make(&world).await?;
    left.runs().await?;
    let (templates, foretold) = (left.templates().await?, lines(&left.foretold().await?));

    let es = world.elasticsearch(NAME).await?;
    let writes = world
        .dies_at_every_write(async || {
            es.forget_calls();
            es.until_called(|calls| calls.iter().any(|call| call.path == "/_cluster/health")).await;
            let operator = world.operator().await;
            operator.as_ref().context("an operator")?.passed(3, 1).await;
            Ok(())
        })
        .await?;
    ensure!(writes >= foretold.len(), "{writes} writes, and foretold were {foretold:#?}");
    world.restart_operator().await?;
    world.until_ready(NAME, 3).await?;
    world.rests().await?;
    assert_eq!(left.templates().await?, templates, "no template, no generation, no pod");
    let after = left.foretold().await?;
    assert_eq!(lines(&after), BTreeSet::new());
    assert_eq!(after.verdict(), Verdict::Nothing, "{}", text(&after));
    world.is_sound().await
}
