//! The namespaces that a selector picks: the API server evaluates it, and a change moves applications in or out of sight.

use std::collections::{BTreeSet, HashSet};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use parapet_api::{ApmServer, Elasticsearch, Kibana};

use crate::{ApplicationKey, ObjectKey};

use super::resource::{Cached, Managed, Resource};
use super::{Inner, route};

/// The names of those that are picked.
#[derive(Debug, Default)]
pub(super) struct Selected {
    names: RwLock<HashSet<String>>,
}

impl Selected {
    pub(super) fn has(&self, namespace: &str) -> bool {
        self.names.read().unwrap_or_else(PoisonError::into_inner).contains(namespace)
    }

    fn put(&self, namespace: String) -> bool {
        self.names.write().unwrap_or_else(PoisonError::into_inner).insert(namespace)
    }

    fn take(&self, namespace: &str) {
        self.names.write().unwrap_or_else(PoisonError::into_inner).remove(namespace);
    }

    /// Keeps those that are listed; the others are returned.
    fn keep(&self, listed: &HashSet<String>) -> Vec<String> {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.extract_if(|name| !listed.contains(name)).collect()
    }
}

/// Follows them for ever.
pub(super) async fn follow(inner: Arc<Inner>, selector: String) {
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(inner.client.clone());
    let configuration = watcher::Config::default().labels(&selector);
    let mut events = pin!(watcher(namespaces, configuration).default_backoff());
    let mut listed = HashSet::new();
    let mut first = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(namespace)) => {
                listed.insert(namespace.name_any());
                picked(&inner, namespace.name_any());
            }
            Ok(Event::InitDone) => {
                for dropped in inner.selected.keep(&listed) {
                    tell(&inner, &dropped);
                }
                if std::mem::take(&mut first) {
                    inner.progress.one_done();
                }
            }
            Ok(Event::Apply(namespace)) => picked(&inner, namespace.name_any()),
            // It lost the labels, or is gone: what is in it is left as it is.
            Ok(Event::Delete(namespace)) => {
                inner.selected.take(&namespace.name_any());
                tell(&inner, &namespace.name_any());
            }
            Err(error) => inner.metrics.failed(Resource::Namespace, &error),
        }
    }
}

/// From now on its applications are looked after.
fn picked(inner: &Inner, namespace: String) {
    if inner.selected.put(namespace.clone()) {
        tell(inner, &namespace);
    }
}

/// Has a pass begin for every application of the namespace, the operator looking after it from now on or no more: also for one
/// that is gone and has left Secrets, wherever those are.
fn tell(inner: &Inner, namespace: &str) {
    let Some(listener) = inner.listener.get() else { return };
    let mut concerned = BTreeSet::new();
    concerned.append(&mut of::<Elasticsearch>(inner));
    concerned.append(&mut of::<Kibana>(inner));
    concerned.append(&mut of::<ApmServer>(inner));
    for secret in <Secret as Cached>::cache(&inner.caches).all() {
        concerned.append(&mut route::concerned(Resource::Secret, &secret.metadata));
    }
    concerned.iter().filter(|who| &*who.object.namespace == namespace).for_each(|who| listener(who));
}

fn of<K: Managed>(inner: &Inner) -> BTreeSet<ApplicationKey> {
    let all = K::cache(&inner.caches).all();
    all.map(|one| ApplicationKey { kind: K::KIND, object: ObjectKey::of(one.metadata()) }).collect()
}
