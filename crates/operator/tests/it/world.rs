//! An operator in this process, for namespaces of the real API server, and what runs in the pods there.

pub(crate) mod meddler;
pub(crate) mod nodes;
pub(crate) mod operator;
pub(crate) mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, Resource, ResourceExt as _};
use parapet_api::validate::Rules;
use parapet_api::{Elasticsearch, Health, Phase};
use parapet_operator::certificates;
use parapet_operator::cluster::Cached;
use parapet_operator::elasticsearch::Dialling;
use parapet_operator::settings::NetworkPolicies;
use parapet_scripted_elasticsearch::ScriptedElasticsearch;
use parapet_testbed::{Cluster as Testbed, Programs, REQUIRED, skip};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

use meddler::Meddler;
use nodes::Nodes;
use operator::Operator;

/// The operator and the pods' contents, until it is dropped.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) nodes: Nodes,
    namespaces: BTreeSet<String>,
    setup: Setup,
    operator: Mutex<Option<Operator>>,
    tasks: JoinSet<()>,
    /// Dropped after those who use it.
    pub(crate) testbed: Bed,
}

/// The API server of all tests, or one of a test's own.
pub(crate) enum Bed {
    Shared(&'static Testbed),
    Own(Box<Testbed>),
}

impl Deref for Bed {
    type Target = Testbed;
    fn deref(&self) -> &Testbed {
        match self {
            Self::Shared(testbed) => testbed,
            Self::Own(testbed) => testbed,
        }
    }
}

/// How its operator differs from the ordinary one.
pub(crate) struct Setup {
    /// How certificates are made.
    pub(crate) certificates: certificates::Policy,
    /// What time it is.
    pub(crate) now: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    /// For each call of the API server.
    pub(crate) deadline: Duration,
    /// For each call of Elasticsearch.
    pub(crate) elasticsearch_deadline: Duration,
    /// Between looks at Elasticsearch.
    pub(crate) observation_interval: Duration,
    /// By which names Elasticsearch is called.
    pub(crate) dialling: Dialling,
    /// Whether references need rights.
    pub(crate) enforce_rbac_on_refs: bool,
    /// Whether classes of volumes are asked.
    pub(crate) validate_storage_class: bool,
    /// Namespaces that the operator looks after beside the world's own; they are made.
    pub(crate) others: &'static [&'static str],
    /// Of these namespaces only those with such labels are looked after.
    pub(crate) selector: Option<&'static str>,
    /// For which applications NetworkPolicies are made.
    pub(crate) network_policies: NetworkPolicies,
    /// What is refused.
    pub(crate) rules: Rules,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            certificates: certificates::Policy::default(),
            now: Arc::new(jiff::Timestamp::now),
            deadline: Duration::from_secs(60),
            elasticsearch_deadline: Self::ELASTICSEARCH_DEADLINE,
            observation_interval: Self::OBSERVATION_INTERVAL,
            dialling: Dialling::default(),
            enforce_rbac_on_refs: false,
            validate_storage_class: true,
            others: &[],
            selector: None,
            network_policies: NetworkPolicies::Off,
            rules: Rules {
                exposed_node_labels: vec![regex::Regex::new("test/.*").expect("a constant expression")],
                ..Rules::default()
            },
        }
    }
}

impl World {
    /// Starts one in a namespace of its own; none where there is no API server.
    pub(crate) async fn start(namespace: &str) -> Result<Option<Self>> {
        Self::start_with(namespace, Setup::default()).await
    }

    /// The same with another clock or other settings.
    pub(crate) async fn start_with(namespace: &str, setup: Setup) -> Result<Option<Self>> {
        let Some(testbed) = Testbed::shared().await else { return Ok(None) };
        Self::on(Bed::Shared(testbed), namespace, setup).await.map(Some)
    }

    /// The same on an API server of the test's own.
    pub(crate) async fn alone(namespace: &str, setup: Setup) -> Result<Option<Self>> {
        let Some(programs) = Programs::find()? else {
            let reason = "the testbed is not built; `cargo xtask testbed build` builds it";
            ensure!(std::env::var_os(REQUIRED).is_none(), "{reason}");
            skip(reason);
            return Ok(None);
        };
        let testbed = Bed::Own(Box::new(Testbed::start(programs).await?));
        Self::on(testbed, namespace, setup).await.map(Some)
    }

    async fn on(testbed: Bed, namespace: &str, setup: Setup) -> Result<Self> {
        for crd in parapet_api::crds() {
            testbed.define(&serde_json::to_string(&crd)?).await?;
        }
        let mut namespaces = BTreeSet::from([namespace.to_owned()]);
        namespaces.extend(setup.others.iter().map(|&name| name.to_owned()));
        for name in &namespaces {
            testbed.namespace(name).await?;
        }
        let client = testbed.client().await?;
        let nodes = Nodes::new(namespace);
        let mut tasks = JoinSet::new();
        tasks.spawn(must_go_on(nodes.clone().follow(client.clone())));
        let operator = Operator::start(&testbed, &namespaces, &setup, &nodes, None).await?;
        let namespace = namespace.to_owned();
        let operator = Mutex::new(Some(operator));
        Ok(Self { client, namespace, testbed, nodes, namespaces, setup, operator, tasks })
    }

    /// Makes volumes for claims from now on.
    pub(crate) async fn with_volumes(mut self) -> Result<Self> {
        volumes::define_classes(&self.testbed).await?;
        self.tasks.spawn(must_go_on(volumes::provide(self.client.clone(), self.namespace.clone())));
        Ok(self)
    }

    /// The operator that runs now.
    pub(crate) async fn operator(&self) -> MutexGuard<'_, Option<Operator>> {
        self.operator.lock().await
    }

    /// The operator's last moment: it is ended as it is, and another one begins.
    pub(crate) async fn restart_operator(&self) -> Result<()> {
        self.replace_operator(None).await.map(drop)
    }

    async fn replace_operator(&self, strike: Option<(usize, bool)>) -> Result<Arc<Meddler>> {
        let mut operator = self.operator.lock().await;
        if let Some(operator) = operator.take() {
            operator.kill().await;
        }
        let Self { testbed, namespaces, setup, nodes, .. } = self;
        let new = Operator::start(testbed, namespaces, setup, nodes, strike).await?;
        let meddler = Arc::clone(&new.meddler);
        *operator = Some(new);
        Ok(meddler)
    }

    /// One operator after the other, each of which dies at its first write, and every fifth one before the API server has seen that;
    /// until one rests, after `is_over`. How many writes were seen.
    pub(crate) async fn dies_at_every_write(&self, is_over: impl AsyncFn() -> Result<()>) -> Result<usize> {
        let mut seen = 0;
        for life in 1.. {
            let last_is_sent = life % 5 != 0;
            let meddler = self.replace_operator(Some((1, last_is_sent))).await?;
            let over = async {
                is_over().await?;
                self.rests().await
            };
            tokio::select! {
                () = meddler.struck() => seen += usize::from(last_is_sent),
                over = over => {
                    over?;
                    break;
                }
            }
        }
        Ok(seen)
    }

    /// Applies a manifest.
    pub(crate) async fn apply(&self, manifest: &str) -> Result<()> {
        self.testbed.apply(manifest, &self.namespace).await.map(drop)
    }

    /// Merges a patch into an object.
    pub(crate) async fn merge<K>(&self, name: &str, patch: Value) -> Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let patched = self.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.with_context(|| format!("failed to change {name}"))
    }

    /// Deletes an object.
    pub(crate) async fn delete<K>(&self, name: &str) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        self.api::<K>().delete(name, &DeleteParams::background()).await?;
        Ok(())
    }

    /// Objects of one kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// All of them, by name.
    pub(crate) async fn all<K>(&self) -> Result<BTreeMap<String, K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let all = self.api::<K>().list(&ListParams::default()).await?;
        Ok(all.into_iter().map(|object| (object.name_any(), object)).collect())
    }

    /// Waits until an object is as it should be.
    pub(crate) async fn until<K>(&self, name: &str, is_so: impl Fn(&K) -> bool) -> Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        self.until_in(&self.namespace, name, is_so).await
    }

    /// The same in another namespace.
    pub(crate) async fn until_in<K>(
        &self,
        namespace: &str,
        name: &str,
        is_so: impl Fn(&K) -> bool,
    ) -> Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api = Api::<K>::namespaced(self.client.clone(), namespace);
        let found = await_condition(api, name, |object: Option<&K>| object.is_some_and(&is_so)).await;
        found.with_context(|| format!("waiting for {name}"))?.with_context(|| format!("{name} is gone"))
    }

    /// Waits until that very object is gone.
    pub(crate) async fn until_gone<K>(&self, object: &K) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        let gone = await_condition(self.api::<K>(), &name, conditions::is_deleted(&uid)).await;
        gone.with_context(|| format!("waiting until {name} is gone")).map(drop)
    }

    /// Waits until an Elasticsearch is green, as specified, and has so many nodes.
    pub(crate) async fn until_ready(&self, name: &str, nodes: i32) -> Result<Elasticsearch> {
        self.until::<Elasticsearch>(name, |es| is_ready(es, nodes)).await
    }

    /// What runs in the pods of that Elasticsearch.
    pub(crate) async fn elasticsearch(&self, name: &str) -> Result<Arc<ScriptedElasticsearch>> {
        self.nodes.elasticsearch(name).await
    }

    /// Returns when nothing is under way any more: all pods run as specified, the operator has seen that, and has nothing left to
    /// write.
    pub(crate) async fn rests(&self) -> Result<()> {
        let operator = self.operator().await;
        let operator = operator.as_ref().context("an operator")?;
        loop {
            let before = self.settled(operator).await?;
            operator.rests().await;
            if before.is_some() && self.settled(operator).await? == before {
                return Ok(());
            }
        }
    }

    /// The versions of workloads and pods, if all are as specified and the operator has seen them.
    async fn settled(&self, operator: &Operator) -> Result<Option<BTreeMap<String, String>>> {
        let mut versions = BTreeMap::new();
        let mut is_settled = true;
        for (name, set) in self.all::<StatefulSet>().await? {
            is_settled &= all_run(&set) && self.has_seen(operator, &set, &name, &mut versions);
        }
        for (name, deployment) in self.all::<Deployment>().await? {
            is_settled &=
                is_rolled_out(&deployment) && self.has_seen(operator, &deployment, &name, &mut versions);
        }
        for (name, pod) in self.all::<Pod>().await? {
            is_settled &= pod.metadata.deletion_timestamp.is_none();
            is_settled &= self.has_seen(operator, &pod, &name, &mut versions);
        }
        Ok(is_settled.then_some(versions))
    }

    fn has_seen<K: Cached>(
        &self,
        operator: &Operator,
        live: &K,
        name: &str,
        versions: &mut BTreeMap<String, String>,
    ) -> bool {
        let version = live.meta().resource_version.clone();
        let seen = operator.cluster.get::<K>(&self.namespace, name);
        let is_seen = seen.is_some_and(|seen| seen.meta().resource_version == version);
        versions.insert(format!("{:?} {name}", K::RESOURCE), version.unwrap_or_default());
        is_seen
    }

    /// Nothing happened that must never happen.
    pub(crate) async fn is_sound(&self) -> Result<()> {
        let mut violations = self.nodes.violations();
        if let Some(operator) = &*self.operator.lock().await {
            violations.extend(operator.violations());
        }
        ensure!(violations.is_empty(), "{violations:#?}");
        Ok(())
    }
}

/// Whether all nodes of a group run.
fn all_run(set: &StatefulSet) -> bool {
    let status = set.status.clone().unwrap_or_default();
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas);
    status.observed_generation == set.metadata.generation && status.ready_replicas.or(Some(0)) == wanted
}

/// Whether all pods of a Deployment run its present template, and no others are left.
pub(crate) fn is_rolled_out(deployment: &Deployment) -> bool {
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let counts = [status.replicas, status.updated_replicas, status.available_replicas];
    status.observed_generation == deployment.metadata.generation
        && counts.iter().all(|count| count.or(Some(0)) == wanted)
}

/// Whether it is as specified.
pub(crate) fn is_ready(es: &Elasticsearch, nodes: i32) -> bool {
    let Some(status) = &es.status else { return false };
    status.phase == Some(Phase::Ready)
        && status.health == Some(Health::Green)
        && status.available_nodes == Some(nodes)
        && status.observed_generation == es.metadata.generation
}

/// Objects of others beside those of the operator's, which nobody may touch.
pub(crate) struct Bystanders {
    versions: BTreeMap<String, String>,
}

impl Bystanders {
    /// Makes them: without labels, and with the labels of a cluster but nobody's own.
    pub(crate) async fn make(world: &World, cluster: &str) -> Result<Self> {
        let labels = json!({ "elasticsearch.k8s.elastic.co/cluster-name": cluster });
        for kind in ["Secret", "ConfigMap"] {
            for (name, labels) in [("theirs", json!({})), ("theirs-labelled", labels.clone())] {
                let object = json!({
                    "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "labels": labels },
                });
                world.apply(&object.to_string()).await?;
            }
        }
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "theirs-labelled", "labels": labels },
            "spec": { "ports": [{ "port": 80 }] },
        });
        world.apply(&service.to_string()).await?;
        Ok(Self { versions: Self::versions(world).await? })
    }

    /// They are as they were.
    pub(crate) async fn are_untouched(&self, world: &World) -> Result<()> {
        let now = Self::versions(world).await?;
        ensure!(now == self.versions, "objects of others were touched: {:?}, now {now:?}", self.versions);
        Ok(())
    }

    async fn versions(world: &World) -> Result<BTreeMap<String, String>> {
        let mut versions = BTreeMap::new();
        for (name, object) in world.all::<Secret>().await? {
            versions.insert(format!("Secret {name}"), object.resource_version());
        }
        for (name, object) in world.all::<ConfigMap>().await? {
            versions.insert(format!("ConfigMap {name}"), object.resource_version());
        }
        for (name, object) in world.all::<Service>().await? {
            versions.insert(format!("Service {name}"), object.resource_version());
        }
        versions.retain(|name, _| name.contains(" theirs"));
        Ok(versions.into_iter().map(|(name, version)| (name, version.unwrap_or_default())).collect())
    }
}

/// What serves a whole test must not end.
async fn must_go_on(task: impl Future<Output = Result<()>>) {
    match task.await {
        Ok(()) => panic!("a helper of the test ended"),
        Err(error) => panic!("a helper of the test failed: {error:#}"),
    }
}
