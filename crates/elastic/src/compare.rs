//! What differs between what is there and what should be.
//!
//! An object that was read differs from the one that was written: the API server filled in defaults and spells quantities its
//! own way, controllers and admission webhooks added theirs. None of that is a difference, or each pass would write.
//!
//! StatefulSets, Deployments and PodDisruptionBudgets carry a hash of what was last written
//! ([`parapet_api::labels::TEMPLATE_HASH`]). What was written once and not changed since isn't written again even where a
//! webhook changed it, or the two would fight; but a label or an owner that is gone is put back, as without them nobody would
//! find the object any more. Where the hash is another one (the reference's own can't be recomputed) the
//! objects themselves decide.

mod defaults;
mod diff;
mod kinds;
mod normal;
mod older;
mod scriptless;
mod service;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use parapet_api::labels::TEMPLATE_HASH;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use diff::{Difference, between};
pub use service::must_recreate;

/// A kind of object that can be compared.
pub trait Compare: Resource<DynamicType = ()> + Clone + Serialize {
    /// Whether it carries the hash of what was last written.
    const HASHED: bool = false;
    /// Values that only their owner may see.
    const SECRET: bool = false;

    /// `desired` as it must be sent to become of `live`: what the API server assigned or doesn't let be changed is `live`'s.
    /// The metadata is left alone.
    fn onto(live: &Self, desired: &Self) -> Self;

    /// Brings both spellings of the same thing into one.
    fn normalise(object: &mut Value);

    /// What somebody else may have changed although nothing was written: it is always compared.
    fn always(_object: &Self) -> Option<i32> {
        None
    }
}

/// What must be written for `live` to be as `desired` says, or nothing.
///
/// The result has `live`'s resource version, so that a conflict is noticed, and keeps others' labels, annotations and owners.
pub fn changed<K: Compare>(live: &K, desired: &K) -> Option<K> {
    if K::HASHED && same_as_written(live, desired) {
        return None;
    }
    let wanted = wanted(live, desired);
    (normal(live) != normal(&wanted)).then_some(wanted)
}

/// What [`changed`] would change, field by field; nothing if it would write nothing.
pub fn differences<K: Compare>(live: &K, desired: &K) -> Vec<Difference> {
    if K::HASHED && same_as_written(live, desired) {
        return Vec::new();
    }
    diff::of_objects(&normal(live), &normal(&wanted(live, desired)), K::SECRET)
}

/// Whether two objects say the same, apart from what the API server fills in and from the order of what has none.
pub(crate) fn same<K: Compare>(one: &K, other: &K) -> bool {
    normal(one) == normal(other)
}

/// The object with the hash of itself.
pub fn stamped<K: Compare>(mut object: K) -> K {
    if let Some(labels) = &mut object.meta_mut().labels {
        labels.remove(TEMPLATE_HASH);
    }
    let hash = hash_of(&normal(&object));
    object.meta_mut().labels.get_or_insert_default().insert(TEMPLATE_HASH.to_owned(), hash);
    object
}

/// Set in every hash of ours: none of the reference's, which have 32 bits, is as large.
const OURS: u64 = 1 << 63;

/// A short decimal hash, as the labels and annotations of the reference have: of 64 bits of SHA-256, the highest set, so that
/// it is told from the reference's own.
pub fn short_hash(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let first = digest.first_chunk::<8>().expect("SHA-256 has 32 bytes");
    (u64::from_be_bytes(*first) | OURS).to_string()
}

/// Whether a hash was made by another operator.
pub(crate) fn is_foreign(hash: &str) -> bool {
    hash.parse::<u64>().map_or(true, |hash| hash & OURS == 0)
}

fn hash_of(value: &Value) -> String {
    short_hash(value.to_string().as_bytes())
}

fn same_as_written<K: Compare>(live: &K, desired: &K) -> bool {
    let hash = |object: &K| object.meta().labels.as_ref().and_then(|all| all.get(TEMPLATE_HASH)).cloned();
    let written = hash(live);
    written.is_some()
        && written == hash(&stamped(desired.clone()))
        && K::always(live) == K::always(desired)
        && is_found(live.meta(), desired.meta())
}

/// Whether all by which an object is found is still there: labels, whatever they say, and owners.
fn is_found(live: &ObjectMeta, desired: &ObjectMeta) -> bool {
    let has_label = |name: &String| live.labels.as_ref().is_some_and(|all| all.contains_key(name));
    let has_owner =
        |wanted: &OwnerReference| live.owner_references.iter().flatten().any(|owner| owner.uid == wanted.uid);
    desired.labels.iter().flatten().all(|(name, _)| has_label(name))
        && desired.owner_references.iter().flatten().all(has_owner)
}

/// What to write: `desired`, with what is `live`'s own.
fn wanted<K: Compare>(live: &K, desired: &K) -> K {
    let mut wanted = K::onto(live, desired);
    let mut meta = live.meta().clone();
    meta.managed_fields = None;
    let new = desired.meta();
    extend(&mut meta.labels, new.labels.as_ref());
    extend(&mut meta.annotations, new.annotations.as_ref());
    for owner in new.owner_references.iter().flatten() {
        own(&mut meta, owner);
    }
    *wanted.meta_mut() = meta;
    if K::HASHED {
        let hash =
            stamped(desired.clone()).meta().labels.as_ref().and_then(|all| all.get(TEMPLATE_HASH)).cloned();
        if let Some(hash) = hash {
            wanted.meta_mut().labels.get_or_insert_default().insert(TEMPLATE_HASH.to_owned(), hash);
        }
    }
    wanted
}

fn own(meta: &mut ObjectMeta, owner: &OwnerReference) {
    let owners = meta.owner_references.get_or_insert_default();
    match owners.iter_mut().find(|live| live.uid == owner.uid) {
        Some(live) => live.clone_from(owner),
        None => owners.push(owner.clone()),
    }
}

fn extend(live: &mut Option<BTreeMap<String, String>>, new: Option<&BTreeMap<String, String>>) {
    if let Some(new) = new.filter(|map| !map.is_empty()) {
        live.get_or_insert_default().extend(new.clone());
    }
}

/// The object as it is compared: only the metadata that is ours to set, one spelling for what means the same.
fn normal<K: Compare>(object: &K) -> Value {
    let mut value = serde_json::to_value(object).expect("Kubernetes objects are JSON");
    if let Some(all) = value.as_object_mut() {
        all.remove("status");
        all.remove("apiVersion");
        all.remove("kind");
        if let Some(meta) = all.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.retain(|key, _| matches!(key.as_str(), "labels" | "annotations" | "ownerReferences"));
            if let Some(labels) = meta.get_mut("labels").and_then(Value::as_object_mut) {
                labels.remove(TEMPLATE_HASH);
            }
        }
    }
    K::normalise(&mut value);
    normal::prune(&mut value);
    value
}
