//! The watches that fill the memory. A dropped one goes on where it was; one that is too old (410) begins with a new list.

use std::pin::pin;
use std::sync::{Arc, Weak};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use parapet_api::{ApmServer, Elasticsearch, Kibana};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::ObjectKey;

use super::cache::{Cache, Listing, Source, Stored};
use super::custom::Custom;
use super::error::said;
use super::resource::{Cached, Managed, Object, Resource};
use super::written::Written;
use super::{Inner, Scope, namespaces};

/// The running watches; dropped, they end.
#[derive(Debug)]
pub struct Watches {
    tasks: JoinSet<()>,
}

impl Watches {
    /// Ends them, and returns when they have ended.
    pub async fn end(mut self) {
        self.tasks.shutdown().await;
    }

    /// Returns when one has ended, which none does by itself: it panicked.
    pub async fn one_ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, "a watch ended"),
            None => std::future::pending().await,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// How the watches fare.
#[derive(Clone, Debug, Default)]
pub struct WatchMetrics {
    failures: Family<FailureLabels, Counter>,
    lists: Family<ResourceLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    resource: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabel {
    resource: &'static str,
}

impl WatchMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register(
            "parapet_operator_watch_failures",
            "Watches that failed and were taken up again",
            new.failures.clone(),
        );
        registry.register(
            "parapet_operator_watch_lists",
            "Lists that watches began with, at start and when they were too old",
            new.lists.clone(),
        );
        new
    }

    pub(super) fn failed(&self, resource: Resource, error: &watcher::Error) {
        let labels = FailureLabels { resource: resource.name(), reason: reason(error) };
        self.failures.get_or_create(&labels).inc();
    }
}

/// How many watches have listed for the first time, of how many. A watch may be done before it is known how many there are.
#[derive(Debug, Default)]
pub(super) struct Progress(watch::Sender<Listed>);

#[derive(Clone, Copy, Debug, Default)]
struct Listed {
    done: usize,
    of: Option<usize>,
}

impl Listed {
    fn is_all(&self) -> bool {
        self.of.is_some_and(|all| self.done >= all)
    }
}

impl Progress {
    pub(super) async fn done(&self) {
        // The sender is here, so it can't be gone.
        let _ = self.0.subscribe().wait_for(Listed::is_all).await;
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.borrow().is_all()
    }

    fn expect(&self, watches: usize) {
        self.0.send_modify(|listed| listed.of = Some(watches));
    }

    pub(super) fn one_done(&self) {
        self.0.send_modify(|listed| listed.done += 1);
    }
}

/// Starts all of them.
pub(super) fn start(inner: &Arc<Inner>) -> Watches {
    let mut starting = Starting { inner, tasks: JoinSet::new() };
    starting.managed::<Elasticsearch>();
    starting.managed::<Kibana>();
    starting.managed::<ApmServer>();
    starting.cached::<k8s_openapi::api::apps::v1::StatefulSet>();
    starting.cached::<k8s_openapi::api::apps::v1::Deployment>();
    starting.cached::<k8s_openapi::api::core::v1::Pod>();
    starting.cached::<Service>();
    starting.cached::<Secret>();
    starting.cached::<ConfigMap>();
    starting.cached::<k8s_openapi::api::core::v1::PersistentVolumeClaim>();
    starting.cached::<k8s_openapi::api::policy::v1::PodDisruptionBudget>();
    if inner.options.network_policies {
        starting.cached::<k8s_openapi::api::networking::v1::NetworkPolicy>();
    }
    if let Scope::Labelled { selector, .. } = &inner.options.scope {
        let selector = selector.clone();
        starting.tasks.spawn(namespaces::follow(Arc::clone(inner), selector));
    }
    // Other threads run them already, and some may be done.
    inner.progress.expect(starting.tasks.len());
    Watches { tasks: starting.tasks }
}

struct Starting<'a> {
    inner: &'a Arc<Inner>,
    tasks: JoinSet<()>,
}

impl Starting<'_> {
    fn cached<K: Cached>(&mut self) {
        for (at, selector) in K::SELECTORS.iter().enumerate() {
            for (source, namespace) in self.sources(at) {
                let client = self.inner.client.clone();
                let api = match &namespace {
                    None => Api::<K>::all(client),
                    Some(namespace) => Api::<K>::namespaced(client, namespace),
                };
                let configuration = watcher::Config::default().labels(selector);
                let keep = |mut object: K| {
                    object.meta_mut().managed_fields = None;
                    object.trim();
                    object
                };
                let inner = Arc::clone(self.inner);
                self.tasks.spawn(async move {
                    let events = watcher(api, configuration).default_backoff();
                    fill(&inner, K::RESOURCE, K::cache(&inner.caches), source, events, keep).await;
                });
            }
        }
    }

    fn managed<K: Managed>(&mut self) {
        for (source, namespace) in self.sources(0) {
            let client = self.inner.client.clone();
            let kind = ApiResource::erase::<K>(&());
            let api: Api<Written> = match &namespace {
                None => Api::all_with(client, &kind),
                Some(namespace) => Api::namespaced_with(client, namespace, &kind),
            };
            let inner = Arc::clone(self.inner);
            self.tasks.spawn(async move {
                let events = watcher(api, watcher::Config::default()).default_backoff();
                fill(&inner, K::RESOURCE, K::cache(&inner.caches), source, events, Custom::<K>::of).await;
            });
        }
    }

    fn sources(&self, selector: usize) -> Vec<(Source, Option<String>)> {
        let names = match &self.inner.options.scope {
            Scope::All => return vec![(Source { id: selector, namespace: None }, None)],
            Scope::Labelled { within, .. } if within.is_empty() => {
                return vec![(Source { id: selector, namespace: None }, None)];
            }
            Scope::Namespaces(names) | Scope::Labelled { within: names, .. } => names,
        };
        let source = |name: &String| Source { id: selector, namespace: Some(name.as_str().into()) };
        names.iter().map(|name| (source(name), Some(name.clone()))).collect()
    }
}

/// Brings the events of one watch into memory, for ever.
async fn fill<E, T: Stored>(
    inner: &Inner,
    resource: Resource,
    cache: &Cache<T>,
    source: Source,
    events: impl futures::Stream<Item = watcher::Result<Event<E>>>,
    keep: impl Fn(E) -> T,
) {
    let mut events = pin!(events);
    let mut listing: Option<Listing> = None;
    let mut first = true;
    let mut failing = false;
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                inner.metrics.failed(resource, &error);
                // Once per outage; the counter has the rest. 410 is how a watch learns that it was away for too long.
                if !failing && reason(&error) != "expired" {
                    tracing::warn!(%resource, error = %watch_said(&error), "a watch failed and is taken up again");
                }
                failing = true;
                continue;
            }
        };
        failing = false;
        match event {
            Event::Init => {
                inner.metrics.lists.get_or_create(&ResourceLabel { resource: resource.name() }).inc();
                listing = Some(cache.begin(source.clone()));
            }
            Event::InitApply(object) => {
                let object = Arc::new(keep(object));
                let new = match &mut listing {
                    Some(listing) => cache.listed(listing, Arc::clone(&object)),
                    None => cache.store(Arc::clone(&object), Some(source.id)),
                };
                if new {
                    inner.changed(resource, object.metadata());
                }
            }
            Event::InitDone => {
                for gone in listing.take().map(|listing| cache.end(listing)).into_iter().flatten() {
                    inner.changed(resource, gone.metadata());
                }
                if std::mem::take(&mut first) {
                    inner.progress.one_done();
                }
            }
            Event::Apply(object) => {
                let object = Arc::new(keep(object));
                if cache.store(Arc::clone(&object), Some(source.id)) {
                    inner.changed(resource, object.metadata());
                }
            }
            Event::Delete(object) => {
                let object = keep(object);
                cache.unseen(object.metadata());
                // Told even if its deletion was known: only now it is sure that it is gone.
                inner.changed(resource, object.metadata());
            }
        }
    }
}

/// Watches one object of a user's, of which only that it changed is of interest.
pub(super) fn follow(inner: &Arc<Inner>, resource: Resource, key: ObjectKey) -> AbortHandle {
    let (client, weak) = (inner.client.clone(), Arc::downgrade(inner));
    let task = async move {
        match resource {
            Resource::Secret => follow_one::<Secret>(client, weak, key).await,
            Resource::ConfigMap => follow_one::<ConfigMap>(client, weak, key).await,
            Resource::Service => follow_one::<Service>(client, weak, key).await,
            // The others are all watched; `Followed` makes no such value.
            _ => {}
        }
    };
    tokio::spawn(task).abort_handle()
}

async fn follow_one<K: Object>(client: Client, inner: Weak<Inner>, key: ObjectKey) {
    let api = Api::<PartialObjectMeta<K>>::namespaced(client, &key.namespace);
    let configuration = watcher::Config::default().fields(&format!("metadata.name={}", key.name));
    let mut events = pin!(watcher(api, configuration).default_backoff());
    let mut failing = false;
    while let Some(event) = events.next().await {
        let Some(inner) = inner.upgrade() else { return };
        let was_failing = std::mem::replace(&mut failing, event.is_err());
        match event {
            Ok(Event::Init | Event::InitApply(_)) => {}
            // The first time, too: it may have changed between the pass that read it and this watch.
            Ok(Event::InitDone | Event::Apply(_) | Event::Delete(_)) => {
                let place = ObjectMeta {
                    namespace: Some(key.namespace.to_string()),
                    name: Some(key.name.to_string()),
                    ..ObjectMeta::default()
                };
                inner.changed(K::RESOURCE, &place);
            }
            Err(error) => {
                inner.metrics.failed(K::RESOURCE, &error);
                if !was_failing && reason(&error) != "expired" {
                    let (resource, error) = (K::RESOURCE, watch_said(&error));
                    tracing::warn!(%resource, %key, %error, "changes of an object that is referred to can't be seen for now");
                }
            }
        }
    }
}

fn reason(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::InitialListFailed(_) => "list",
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410 => "expired",
        watcher::Error::WatchStartFailed(_) => "start",
        watcher::Error::WatchError(status) if status.code == 410 => "expired",
        watcher::Error::WatchError(_) => "refused",
        watcher::Error::WatchFailed(_) => "broken",
        watcher::Error::NoResourceVersion => "no_version",
    }
}

fn watch_said(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => said(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_watch_that_is_done_before_they_are_counted_counts() {
        let progress = Progress::default();
        progress.one_done();
        assert!(!progress.is_done() && progress.done().now_or_never().is_none());
        progress.expect(2);
        assert!(!progress.is_done() && progress.done().now_or_never().is_none());
        progress.one_done();
        assert!(progress.is_done() && progress.done().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_watch_that_ends_is_noticed() {
        let mut watches = Watches { tasks: JoinSet::new() };
        assert!(watches.one_ended().now_or_never().is_none(), "there is none");
        watches.tasks.spawn(std::future::pending());
        assert!(watches.one_ended().now_or_never().is_none(), "it goes on");
        watches.tasks.spawn(async { panic!("a defect") });
        watches.one_ended().await;
    }

    #[test]
    fn no_watches_are_done_at_once() {
        let progress = Progress::default();
        assert!(!progress.is_done(), "nobody has said that there are none");
        progress.expect(0);
        assert!(progress.is_done());
    }
}
