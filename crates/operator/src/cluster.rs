//! The API server as passes see it: what it has is in memory, what is written is seen at once, and nothing waits for ever.
//!
//! Objects of the operator's own are watched by their labels and kept ([`Cluster::get`]); users' objects are fetched when
//! they are needed ([`Cluster::fetch`]) and watched by name ([`Cluster::follow`]). Whoever is concerned by a change is
//! told by the listener given to [`Cluster::start`]. Every call has the deadline of [`Options`]; none is repeated here:
//! the next pass decides anew.

mod cache;
mod client;
mod custom;
mod error;
mod follow;
mod journal;
mod merge;
mod namespaces;
mod packed;
mod resource;
mod route;
mod watch;
mod write;
mod written;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

pub use client::{ApiMetrics, ConnectError, connect, counted, of_context};
pub use custom::{Custom, Unreadable};
pub use error::ClusterError;
pub use follow::Followed;
pub use journal::{Change, Journal, Recorded};
pub use resource::{Cached, Managed, Object, Resource};
pub use watch::{WatchMetrics, Watches};
pub use write::{Applied, Deletion, Outcome};

use crate::{ApplicationKey, ObjectKey};
use follow::Followers;
use namespaces::Selected;
use resource::Caches;
use watch::Progress;

/// Who writes, as `managedFields` show it: the name that the reference has, so that a takeover leaves one owner.
pub const FIELD_MANAGER: &str = "elastic-operator";

/// Where to look, and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespaces whose objects are watched.
    pub scope: Scope,
    /// How long any call may take (`kube-client-timeout`).
    pub deadline: Duration,
    /// Whether NetworkPolicies are watched too, for which the reference's rights don't suffice.
    pub network_policies: bool,
}

/// Which namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// These.
    Namespaces(BTreeSet<String>),
    /// Those that have labels now: all are watched, and applications of the others are left as they are.
    Labelled {
        /// As the API server takes it.
        selector: String,
        /// Of these only; of all if it is empty.
        within: BTreeSet<String>,
    },
}

/// Who is told that an application is concerned by a change. It must not block.
pub type Listener = Arc<dyn Fn(&ApplicationKey) + Send + Sync>;

/// The API server. Clones are the same.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    options: Options,
    caches: Caches,
    followers: Followers,
    selected: Selected,
    listener: OnceLock<Listener>,
    progress: Progress,
    /// A StatefulSet or Deployment came, changed or went since somebody last waited for that.
    workloads: Notify,
    metrics: WatchMetrics,
    /// Where writes go instead of to the API server.
    journal: Option<Journal>,
}

impl Cluster {
    /// Nothing is watched before [`Cluster::start`]; fetching and writing work at once.
    pub fn new(client: Client, options: Options, metrics: WatchMetrics) -> Self {
        Self::made(client, options, metrics, None)
    }

    /// One that sends no write: they are recorded, and reads see them as if they had been sent. Its watches should have
    /// ended before the first write, or what they bring would be taken for what was written.
    pub fn recording(client: Client, options: Options) -> (Self, Journal) {
        let journal = Journal::default();
        (Self::made(client, options, WatchMetrics::default(), Some(journal.clone())), journal)
    }

    fn made(client: Client, options: Options, metrics: WatchMetrics, journal: Option<Journal>) -> Self {
        let inner = Inner {
            client,
            options,
            caches: Caches::default(),
            followers: Followers::default(),
            selected: Selected::default(),
            listener: OnceLock::new(),
            progress: Progress::default(),
            workloads: Notify::new(),
            metrics,
            journal,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts the watches; they end with what is returned. `listener` is told of every application that a change
    /// concerns: its own, those of its objects (by owner and by labels), and those of what it follows.
    pub fn start(&self, listener: Listener) -> Watches {
        // The second listener would hear nothing; there is one operator per cluster handle.
        let _ = self.inner.listener.set(listener);
        watch::start(&self.inner)
    }

    /// Returns when everything has been listed once: from then on what isn't in memory isn't there.
    pub async fn synced(&self) {
        self.inner.progress.done().await;
    }

    /// Whether everything has been listed once.
    pub fn is_synced(&self) -> bool {
        self.inner.progress.is_done()
    }

    /// The object as last seen, without `managedFields`; of pods only what `cluster/resource.rs` keeps.
    pub fn get<K: Cached>(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        K::cache(&self.inner.caches).get(namespace, name)
    }

    /// Those whose label has that value, in the order of their names; of all namespaces if none is given.
    pub fn labelled<K: Cached>(&self, namespace: Option<&str>, label: &str, value: &str) -> Vec<Arc<K>> {
        K::cache(&self.inner.caches).labelled(namespace, label, value)
    }

    /// Whether the object was there when it was last seen.
    pub fn has<K: Cached>(&self, namespace: &str, name: &str) -> bool {
        K::cache(&self.inner.caches).has(namespace, name)
    }

    /// All that is in memory, one after the other.
    pub fn all<K: Cached>(&self) -> impl Iterator<Item = Arc<K>> + use<K> {
        K::cache(&self.inner.caches).all()
    }

    /// An application as last seen.
    pub fn application<K: Managed>(&self, namespace: &str, name: &str) -> Option<Arc<Custom<K>>> {
        K::cache(&self.inner.caches).get(namespace, name)
    }

    /// All applications of one kind.
    pub fn applications<K: Managed>(&self) -> Vec<Arc<Custom<K>>> {
        K::cache(&self.inner.caches).all().collect()
    }

    /// The object as it is now, by a call.
    pub async fn fetch<K: Cached>(&self, namespace: &str, name: &str) -> Result<Option<K>, ClusterError> {
        let key = ObjectKey::new(namespace, name);
        if let Some(recorded) = self.inner.journal.as_ref().and_then(|journal| journal.get::<K>(&key)) {
            return Ok(recorded.map(|object| (*object).clone()));
        }
        self.call("read", K::RESOURCE, &key, self.api::<K>(namespace).get_opt(name)).await
    }

    /// The object as last seen, else as it is now: for what may be there without the labels that are watched, such as
    /// the Secret of a password that the user chose beforehand.
    pub async fn find<K: Cached>(&self, namespace: &str, name: &str) -> Result<Option<Arc<K>>, ClusterError> {
        match self.get(namespace, name) {
            Some(object) => Ok(Some(object)),
            None => Ok(self.fetch(namespace, name).await?.map(Arc::new)),
        }
    }

    /// Objects as they are now, by a call: those that fit the label selector.
    pub async fn fetch_all<K: Object>(
        &self,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<K>, ClusterError> {
        let key = ObjectKey::new(namespace, selector);
        let parameters = kube::api::ListParams::default().labels(selector);
        let api = self.api::<K>(namespace);
        Ok(self.call("list", K::RESOURCE, &key, api.list(&parameters)).await?.items)
    }

    /// An object of no namespace as it is now: a Node, a StorageClass.
    pub async fn fetch_global<K>(&self, name: &str) -> Result<Option<K>, kube::Error>
    where
        K: kube::Resource<DynamicType = (), Scope = ClusterResourceScope>
            + Clone
            + DeserializeOwned
            + fmt::Debug,
    {
        let api = Api::<K>::all(self.inner.client.clone());
        let late = |_| kube::Error::Service("no answer within the deadline".into());
        tokio::time::timeout(self.inner.options.deadline, api.get_opt(name)).await.map_err(late)?
    }

    /// Returns when a StatefulSet or Deployment came, changed or went, at once if one did since the last call. For one caller: of
    /// several each is woken by a change of its own.
    pub(crate) async fn workloads_changed(&self) {
        self.inner.workloads.notified().await;
    }

    /// Replaces what `who` follows: it is told when one of these comes, changes or goes, and once at once if one was added:
    /// that may have changed after the pass read it. What it doesn't follow any more is no longer watched. An empty set when
    /// it is gone.
    pub fn follow(&self, who: &ApplicationKey, followed: BTreeSet<Followed>) {
        let start = |resource, key| watch::follow(&self.inner, resource, key);
        if self.inner.followers.set(who, followed, start)
            && let Some(listener) = self.inner.listener.get()
        {
            listener(who);
        }
    }

    /// Whether the applications of a namespace are looked after.
    pub fn manages(&self, namespace: &str) -> bool {
        self.inner.manages(namespace)
    }

    /// Whether writes are recorded and not sent.
    pub(crate) fn is_recording(&self) -> bool {
        self.inner.journal.is_some()
    }

    /// The client itself, for what has no method here. Its calls have no deadline.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// Where objects are watched.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.inner.client.clone(), namespace)
    }

    async fn call<T>(
        &self,
        verb: &'static str,
        resource: Resource,
        key: &ObjectKey,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        let after = self.inner.options.deadline;
        match tokio::time::timeout(after, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(ClusterError::Api { verb, resource, key: key.clone(), source }),
            Err(_) => Err(ClusterError::Deadline { verb, resource, key: key.clone(), after }),
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Inner {
    /// Tells whoever an object concerns.
    fn changed(
        &self,
        resource: Resource,
        metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    ) {
        if matches!(resource, Resource::StatefulSet | Resource::Deployment) {
            self.workloads.notify_one();
        }
        let Some(listener) = self.listener.get() else { return };
        let key = ObjectKey::of(metadata);
        let mut concerned: BTreeSet<ApplicationKey> = route::concerned(resource, metadata);
        concerned.extend(self.followers.of(resource, &key));
        let managed = |who: &&ApplicationKey| self.manages(&who.object.namespace);
        concerned.iter().filter(managed).for_each(|who| listener(who));
    }

    fn manages(&self, namespace: &str) -> bool {
        match &self.options.scope {
            Scope::All => true,
            Scope::Namespaces(names) => names.contains(namespace),
            Scope::Labelled { within, .. } => {
                (within.is_empty() || within.contains(namespace)) && self.selected.has(namespace)
            }
        }
    }
}
