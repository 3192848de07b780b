//! The namespaces that a selector picks: the API server evaluates it, and a change moves applications in or out of sight.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use parapet_api::{ApmServer, Elasticsearch, Kibana};

use crate::ObjectKey;

use super::Inner;
use super::resource::{Managed, Resource};

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

    fn keep(&self, listed: &HashSet<String>) {
        self.names.write().unwrap_or_else(PoisonError::into_inner).retain(|name| listed.contains(name));
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
                inner.selected.keep(&listed);
                if std::mem::take(&mut first) {
                    inner.progress.one_done();
                }
            }
            Ok(Event::Apply(namespace)) => picked(&inner, namespace.name_any()),
            // It lost the labels, or is gone: what is in it is left as it is.
            Ok(Event::Delete(namespace)) => inner.selected.take(&namespace.name_any()),
            Err(error) => inner.metrics.failed(Resource::Namespace, &error),
        }
    }
}

/// From now on its applications are looked after.
fn picked(inner: &Inner, namespace: String) {
    if inner.selected.put(namespace.clone()) {
        tell::<Elasticsearch>(inner, &namespace);
        tell::<Kibana>(inner, &namespace);
        tell::<ApmServer>(inner, &namespace);
    }
}

fn tell<K: Managed>(inner: &Inner, namespace: &str) {
    for application in K::cache(&inner.caches).all() {
        let key = ObjectKey::of(application.metadata());
        if &*key.namespace == namespace {
            inner.changed(K::RESOURCE, application.metadata());
        }
    }
}
