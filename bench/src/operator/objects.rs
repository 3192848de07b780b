//! The clusters that are applied, and the objects that come of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Client, Resource};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How many clusters are applied at once.
const AT_ONCE: usize = 8;
/// What the operator makes carries it.
const OURS: &str = "common.k8s.elastic.co/type=elasticsearch";
/// Without a new object for so long something is wrong.
const LATE: Duration = Duration::from_secs(120);

/// Asks the API server whether it would take one, without making it.
pub(super) async fn try_out(client: &Client) -> Result<()> {
    create(client, 1, &PostParams { dry_run: true, ..PostParams::default() }).await
}

/// Applies clusters of three nodes.
pub(super) async fn apply(client: &Client, clusters: u32) -> Result<()> {
    create(client, clusters, &PostParams::default()).await
}

async fn create(client: &Client, clusters: u32, parameters: &PostParams) -> Result<()> {
    let kind = GroupVersionKind::gvk("elasticsearch.k8s.elastic.co", "v1", "Elasticsearch");
    let resource = ApiResource::from_gvk_with_plural(&kind, "elasticsearches");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "bench", &resource);
    let create = |number: u32| {
        let api = api.clone();
        let object = DynamicObject::new(&format!("c{number}"), &resource).data(json!({
            "spec": { "version": "8.16.0", "nodeSets": [{ "name": "default", "count": 3 }] }
        }));
        async move { api.create(parameters, &object).await.map(drop) }
    };
    stream::iter(0..clusters).map(create).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(())
}

/// Counts the objects that the operator makes, as the API server tells of them.
pub(super) struct Watched {
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    all: Mutex<(BTreeSet<String>, Option<Instant>)>,
    more: Notify,
}

impl Watched {
    pub(super) fn start(client: &Client) -> Self {
        let (seen, mut tasks) = (Arc::new(Seen::default()), JoinSet::new());
        tasks.spawn(follow::<Secret>(client.clone(), Arc::clone(&seen)));
        tasks.spawn(follow::<Service>(client.clone(), Arc::clone(&seen)));
        tasks.spawn(follow::<ConfigMap>(client.clone(), Arc::clone(&seen)));
        tasks.spawn(follow::<StatefulSet>(client.clone(), Arc::clone(&seen)));
        tasks.spawn(follow::<PodDisruptionBudget>(client.clone(), Arc::clone(&seen)));
        Self { seen, _tasks: tasks }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.seen.lock().0.len() as u64
    }

    /// Returns when there are so many.
    pub(super) async fn reach(&self, many: u64) -> Result<()> {
        while self.count() < many {
            if tokio::time::timeout(LATE, self.seen.more.notified()).await.is_err() {
                bail!("{} of {many} objects exist, and no more come", self.count());
            }
        }
        Ok(())
    }

    /// When the last one came, after which none came for `long`.
    pub(super) async fn settle(&self, long: Duration) -> Result<Instant> {
        loop {
            let last = self.seen.lock().1;
            let wait = last.map_or(LATE, |last| long.saturating_sub(last.elapsed()));
            if tokio::time::timeout(wait, self.seen.more.notified()).await.is_err() {
                let Some(last) = last else { bail!("no object came") };
                return Ok(last);
            }
        }
    }
}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, (BTreeSet<String>, Option<Instant>)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn follow<K>(client: Client, seen: Arc<Seen>)
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let api = Api::<PartialObjectMeta<K>>::namespaced(client, "bench");
    let mut events = watcher(api, watcher::Config::default().labels(OURS)).boxed();
    while let Some(event) = events.next().await {
        let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else { continue };
        let name = format!("{}/{}", K::kind(&()), object.metadata.name.unwrap_or_default());
        let mut all = seen.lock();
        if all.0.insert(name) {
            all.1 = Some(Instant::now());
            drop(all);
            seen.more.notify_one();
        }
    }
}
