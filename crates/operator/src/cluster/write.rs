//! Writing. Each answer goes into memory at once, so that the next pass sees what this one did.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{
    DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::core::ApiResource;
use parapet_api::labels;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::ObjectKey;

use super::custom::Custom;
use super::error::ClusterError;
use super::journal::Journal;
use super::merge::{merge_patch, merged};
use super::resource::{Cached, Managed, Object};
use super::{Cluster, FIELD_MANAGER};

/// An object after it was applied.
#[derive(Clone, Debug)]
pub struct Applied<K> {
    /// As the API server has it.
    pub object: Arc<K>,
    /// What was done.
    pub outcome: Outcome,
}

/// What applying came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was as desired; nothing was written.
    Unchanged,
    /// It was made.
    Created,
    /// It was changed.
    Updated,
}

/// How to delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Only if it hasn't changed since it was read: nothing happens to what somebody changed meanwhile.
    pub unchanged: bool,
    /// Leave what it owns, as a StatefulSet's pods when it is made anew.
    pub orphan: bool,
}

impl Cluster {
    /// Makes the object, or changes it if `changed(live, desired)` gives what to write; nothing is written if it gives
    /// none. What is there and belongs to somebody else is never touched. Durable when it returns.
    ///
    /// # Errors
    /// A conflict means that it changed since it was last seen: the next pass decides on what is there then.
    pub async fn apply<K: Cached>(
        &self,
        desired: &K,
        changed: impl FnOnce(&K, &K) -> Option<K>,
    ) -> Result<Applied<K>, ClusterError> {
        let key = ObjectKey::of(desired.meta());
        let live = match self.get::<K>(&key.namespace, &key.name) {
            Some(live) => live,
            None => match self.create(desired).await {
                Ok(object) => return Ok(Applied { object, outcome: Outcome::Created }),
                // It is there and no watch shows it: without the labels. One that has them was made just now, and what it holds,
                // a password or a key, must not be written over by what was decided before anybody had seen it.
                Err(ClusterError::Raced { .. }) => match self.fetch::<K>(&key.namespace, &key.name).await? {
                    Some(live) if !is_watched(&live) => Arc::new(live),
                    _ => return Err(ClusterError::Raced { resource: K::RESOURCE, key }),
                },
                Err(error) => return Err(error),
            },
        };
        match claimed(live.meta(), desired.meta()) {
            None => {}
            Some(Claim::Foreign(owner)) => {
                return Err(ClusterError::Foreign { resource: K::RESOURCE, key, owner });
            }
            Some(Claim::Left(owner)) => return Err(ClusterError::Left { resource: K::RESOURCE, key, owner }),
        }
        match changed(&live, desired) {
            None => Ok(Applied { object: live, outcome: Outcome::Unchanged }),
            Some(mut new) => {
                let metadata = new.meta_mut();
                metadata.resource_version.clone_from(&live.meta().resource_version);
                metadata.uid.clone_from(&live.meta().uid);
                let object = self.replace(&new).await?;
                Ok(Applied { object, outcome: Outcome::Updated })
            }
        }
    }

    /// Makes the object.
    ///
    /// # Errors
    /// [`ClusterError::Raced`] if one of that name is there.
    pub async fn create<K: Cached>(&self, desired: &K) -> Result<Arc<K>, ClusterError> {
        let key = ObjectKey::of(desired.meta());
        if let Some(journal) = &self.inner.journal {
            return match self.fetch::<K>(&key.namespace, &key.name).await? {
                Some(_) => Err(ClusterError::Raced { resource: K::RESOURCE, key }),
                None => Ok(self.recorded(journal, None, desired.clone(), key)),
            };
        }
        let api = self.api::<K>(&key.namespace);
        let made = self.call("create", K::RESOURCE, &key, api.create(&written(), desired)).await;
        match made {
            Ok(object) => Ok(self.seen(object)),
            Err(error) if error.is_conflict() => Err(ClusterError::Raced { resource: K::RESOURCE, key }),
            Err(error) => Err(error),
        }
    }

    /// Asks the API server whether it would take the object, without making it.
    pub async fn try_create<K: Object>(&self, desired: &K) -> Result<(), ClusterError> {
        let key = ObjectKey::of(desired.meta());
        let parameters = PostParams { dry_run: true, ..written() };
        let api = self.api::<K>(&key.namespace);
        self.call("try to create", K::RESOURCE, &key, api.create(&parameters, desired)).await.map(drop)
    }

    /// Writes the whole object over the version that it names.
    pub async fn replace<K: Cached>(&self, object: &K) -> Result<Arc<K>, ClusterError> {
        let key = ObjectKey::of(object.meta());
        if let Some(journal) = &self.inner.journal {
            let live = self.find::<K>(&key.namespace, &key.name).await?;
            return Ok(self.recorded(journal, live.as_ref(), object.clone(), key));
        }
        let api = self.api::<K>(&key.namespace);
        let answer = self.call("update", K::RESOURCE, &key, api.replace(&key.name, &written(), object)).await;
        self.noticed::<K, K>(object.meta(), answer).map(|object| self.seen(object))
    }

    /// Deletes the object, if it still is that one (by its UID); that it is gone already is fine.
    pub async fn delete<K: Cached>(
        &self,
        metadata: &ObjectMeta,
        deletion: Deletion,
    ) -> Result<(), ClusterError> {
        let key = ObjectKey::of(metadata);
        if let Some(journal) = &self.inner.journal {
            let live = self.find::<K>(&key.namespace, &key.name).await?;
            journal.keep::<K>(live.as_ref(), None, key);
            drop(K::cache(&self.inner.caches).remove(metadata));
            return Ok(());
        }
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: metadata.uid.clone(),
                resource_version: metadata.resource_version.clone().filter(|_| deletion.unchanged),
            }),
            propagation_policy: Some(match deletion.orphan {
                true => PropagationPolicy::Orphan,
                false => PropagationPolicy::Background,
            }),
            ..DeleteParams::default()
        };
        let api = self.api::<K>(&key.namespace);
        let answer = self.call("delete", K::RESOURCE, &key, api.delete(&key.name, &parameters)).await;
        let left = match answer {
            Err(error) if !error.is_not_found() => return Err(error),
            Ok(answer) => answer.left(),
            Err(_) => None,
        };
        match left {
            // It is on its way: finalizers or a grace period hold it.
            Some(object) if object.meta().deletion_timestamp.is_some() => drop(self.seen(object)),
            // Told here, because no list says what was there and is gone; a watch that was away would miss it.
            _ => {
                if let Some(gone) = K::cache(&self.inner.caches).remove(metadata) {
                    self.inner.changed(K::RESOURCE, gone.meta());
                }
            }
        }
        Ok(())
    }

    /// Merges `patch` (RFC 7386) into the object, if it still is that one.
    pub async fn merge_patch<K: Cached>(
        &self,
        metadata: &ObjectMeta,
        patch: Value,
    ) -> Result<Arc<K>, ClusterError> {
        let key = ObjectKey::of(metadata);
        if let Some(journal) = &self.inner.journal {
            return self.recorded_patch(journal, key, &patch).await;
        }
        let api = self.api::<K>(&key.namespace);
        let patch = Patch::Merge(of_that_one(metadata, patch));
        let answer = self.call("patch", K::RESOURCE, &key, api.patch(&key.name, &patched(), &patch)).await;
        self.noticed::<K, K>(metadata, answer).map(|object| self.seen(object))
    }

    /// Sets annotations of an application, or takes them away (`None`); nothing is written if they are so already. No
    /// other field is touched or owned.
    pub async fn annotate<K: Managed>(
        &self,
        metadata: &ObjectMeta,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClusterError> {
        let key = ObjectKey::of(metadata);
        let live = self.application::<K>(&key.namespace, &key.name);
        let live = live.as_ref().map_or(metadata, |live| live.metadata()).annotations.as_ref();
        let is_so =
            |(name, value): (&String, &Option<String>)| live.and_then(|all| all.get(name)) == value.as_ref();
        if annotations.iter().all(is_so) {
            return Ok(());
        }
        if let Some(journal) = &self.inner.journal {
            let live = self.application::<K>(&key.namespace, &key.name);
            journal.annotate::<K>(live.as_ref().map_or(metadata, |live| live.metadata()), annotations);
            self.seen_patched::<K>(journal, &key, &json!({"metadata": {"annotations": annotations}}));
            return Ok(());
        }
        let patch = of_that_one(metadata, json!({"metadata": {"annotations": annotations}}));
        let api = self.dynamic::<K>(&key.namespace);
        let patch = Patch::Merge(patch);
        let answer = self.call("annotate", K::RESOURCE, &key, api.patch(&key.name, &patched(), &patch)).await;
        self.answered::<K>(metadata, answer)
    }

    /// Writes the status of an application, only what differs; says whether anything did. Keys that the status as
    /// last seen has and `status` hasn't are taken away.
    pub async fn write_status<K: Managed>(
        &self,
        metadata: &ObjectMeta,
        status: &impl Serialize,
    ) -> Result<bool, ClusterError> {
        let key = ObjectKey::of(metadata);
        let Some(live) = self.application::<K>(&key.namespace, &key.name) else { return Ok(false) };
        if live.metadata().uid != metadata.uid {
            return Ok(false);
        }
        let desired = serde_json::to_value(status).expect("a status has string keys and no failing parts");
        let Some(patch) = merge_patch(&live.status(), &desired) else { return Ok(false) };
        if let Some(journal) = &self.inner.journal {
            self.seen_patched::<K>(journal, &key, &json!({"status": patch}));
            return Ok(true);
        }
        let patch = Patch::Merge(of_that_one(metadata, json!({"status": patch})));
        let api = self.dynamic::<K>(&key.namespace);
        let answer = self
            .call("write the status of", K::RESOURCE, &key, api.patch_status(&key.name, &patched(), &patch))
            .await;
        self.answered::<K>(metadata, answer).map(|()| true)
    }

    /// Keeps a write in the journal, and in memory as if the API server had answered.
    fn recorded<K: Cached>(
        &self,
        journal: &Journal,
        live: Option<&Arc<K>>,
        new: K,
        key: ObjectKey,
    ) -> Arc<K> {
        let new = journal.keep(live, Some(new), key).expect("what is kept is given back");
        self.seen((*new).clone())
    }

    async fn recorded_patch<K: Cached>(
        &self,
        journal: &Journal,
        key: ObjectKey,
        patch: &Value,
    ) -> Result<Arc<K>, ClusterError> {
        let unreadable = |source: serde_json::Error| ClusterError::Api {
            verb: "patch",
            resource: K::RESOURCE,
            key: key.clone(),
            source: kube::Error::SerdeError(source),
        };
        let Some(live) = self.find::<K>(&key.namespace, &key.name).await? else {
            return Err(ClusterError::Raced { resource: K::RESOURCE, key });
        };
        let whole = serde_json::to_value(&*live).map_err(unreadable)?;
        let new = serde_json::from_value(merged(whole, patch)).map_err(unreadable)?;
        Ok(self.recorded(journal, Some(&live), new, key))
    }

    /// An application as if the API server had merged a patch.
    fn seen_patched<K: Managed>(&self, journal: &Journal, key: &ObjectKey, patch: &Value) {
        let live = self.application::<K>(&key.namespace, &key.name);
        let Some(whole) = live.as_ref().and_then(|live| serde_json::to_value(live.valid()?).ok()) else {
            return;
        };
        let Ok(mut object) = serde_json::from_value::<DynamicObject>(merged(whole, patch)) else { return };
        object.metadata.resource_version = Some(journal.version());
        K::cache(&self.inner.caches).store(Arc::new(Custom::read(object)), None);
    }

    fn dynamic<K: Managed>(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.inner.client.clone(), namespace, &ApiResource::erase::<K>(&()))
    }

    fn answered<K: Managed>(
        &self,
        metadata: &ObjectMeta,
        answer: Result<DynamicObject, ClusterError>,
    ) -> Result<(), ClusterError> {
        match answer {
            Ok(object) => {
                K::cache(&self.inner.caches).store(Arc::new(Custom::read(object)), None);
                Ok(())
            }
            Err(error) => {
                if error.is_not_found() {
                    K::cache(&self.inner.caches).remove(metadata);
                }
                Err(error)
            }
        }
    }

    /// What the API server doesn't know any more isn't kept either.
    fn noticed<K: Cached, T>(
        &self,
        metadata: &ObjectMeta,
        answer: Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        if answer.as_ref().is_err_and(ClusterError::is_not_found) {
            K::cache(&self.inner.caches).remove(metadata);
        }
        answer
    }

    /// Keeps what the API server answered.
    fn seen<K: Cached>(&self, mut object: K) -> Arc<K> {
        object.meta_mut().managed_fields = None;
        object.trim();
        let object = Arc::new(object);
        if is_watched(object.as_ref()) {
            K::cache(&self.inner.caches).store(Arc::clone(&object), None);
        }
        object
    }
}

/// Whether the watches of its kind show it. What they don't show would never be seen to change.
fn is_watched<K: Cached>(object: &K) -> bool {
    let has = |name: &str| object.meta().labels.as_ref().is_some_and(|all| all.contains_key(name));
    let fits = |selector: &&str| {
        selector.split(',').all(|term| match term.strip_prefix('!') {
            Some(absent) => !has(absent),
            None => has(term),
        })
    };
    K::SELECTORS.iter().any(fits)
}

/// Whose an object is that isn't ours.
enum Claim {
    /// Another controller's, or nobody's without a label of ours.
    Foreign(String),
    /// The owner had the name that ours has.
    Left(String),
}

fn claimed(live: &ObjectMeta, desired: &ObjectMeta) -> Option<Claim> {
    let controller = |metadata: &ObjectMeta| {
        metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true)).cloned()
    };
    let label =
        |metadata: &ObjectMeta, name: &str| metadata.labels.as_ref().and_then(|all| all.get(name)).cloned();
    match (controller(live), controller(desired)) {
        (Some(live), Some(desired)) if live.uid == desired.uid => None,
        (Some(live), Some(desired)) if live.kind == desired.kind && live.name == desired.name => {
            Some(Claim::Left(Whose(&live.kind, &live.name).to_string()))
        }
        (Some(live), _) => Some(Claim::Foreign(Whose(&live.kind, &live.name).to_string())),
        // Soft ownership, by which a Secret of the user's with the password of their choice is taken over, too.
        (None, None) => None,
        (None, Some(_)) => match label(live, labels::TYPE) == label(desired, labels::TYPE) {
            true => None,
            false => Some(Claim::Foreign("nobody that the operator knows".to_owned())),
        },
    }
}

struct Whose<'a>(&'a str, &'a str);

impl fmt::Display for Whose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(kind, name) = self;
        write!(f, "{kind} {name}")
    }
}

/// A patch is refused by the API server (409) if the object is another one of the same name.
fn of_that_one(metadata: &ObjectMeta, mut patch: Value) -> Value {
    if let (Value::Object(patch), Some(uid)) = (&mut patch, &metadata.uid) {
        let inner = patch.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(inner) = inner {
            inner.insert("uid".to_owned(), uid.clone().into());
        }
    }
    patch
}

fn written() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn patched() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}
