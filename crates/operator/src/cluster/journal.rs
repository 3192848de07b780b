//! Writes that are recorded and never sent. What was recorded is seen by later reads, so that a pass goes on as if it had
//! written.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_elastic::compare::Difference;
use serde_json::Value;

use super::resource::{Cached, Managed, Resource};
use crate::{ApplicationKey, ObjectKey};

/// Above any version that an API server has counted up to, below where sums overflow.
const FIRST_VERSION: u64 = 1 << 62;

/// All that would have been written. Clones are the same.
#[derive(Clone, Default)]
pub struct Journal {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    on_behalf_of: Option<ApplicationKey>,
    objects: BTreeMap<(Resource, ObjectKey), Entry>,
    order: Vec<(Resource, ObjectKey)>,
    applications: BTreeMap<ApplicationKey, Told>,
    versions: u64,
}

struct Entry {
    on_behalf_of: Option<ApplicationKey>,
    /// As it is; none if it isn't there.
    live: Option<Stored>,
    /// As it would be; none if it would be deleted.
    new: Option<Stored>,
    differences: fn(&Stored, &Stored) -> Vec<Difference>,
}

type Stored = Arc<dyn Any + Send + Sync>;

/// What would be noted on an application.
#[derive(Clone, Debug, Default)]
struct Told {
    annotations: BTreeMap<String, (Option<String>, Option<String>)>,
}

/// An object that would be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Which kind.
    pub resource: Resource,
    /// Which object.
    pub key: ObjectKey,
    /// Whose pass would write it.
    pub on_behalf_of: Option<ApplicationKey>,
    /// What would be done.
    pub change: Change,
}

/// What would be done to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It would be made.
    Create,
    /// These fields would change. Values of Secrets are hidden.
    Update(Vec<Difference>),
    /// It would be deleted.
    Delete,
}

impl Journal {
    /// Whose pass writes from now on.
    pub fn on_behalf_of(&self, application: &ApplicationKey) {
        self.lock().on_behalf_of = Some(application.clone());
    }

    /// What would be written to objects, in the order in which each was first written; what ends as it is isn't among it.
    pub fn objects(&self) -> Vec<Recorded> {
        let state = self.lock();
        let recorded = |(resource, key): &(Resource, ObjectKey)| {
            let entry = state.objects.get(&(*resource, key.clone()))?;
            let change = match (&entry.live, &entry.new) {
                (None, None) => return None,
                (None, Some(_)) => Change::Create,
                (Some(_), None) => Change::Delete,
                (Some(live), Some(new)) => match (entry.differences)(live, new) {
                    none if none.is_empty() => return None,
                    differences => Change::Update(differences),
                },
            };
            let on_behalf_of = entry.on_behalf_of.clone();
            Some(Recorded { resource: *resource, key: key.clone(), on_behalf_of, change })
        };
        state.order.iter().filter_map(recorded).collect()
    }

    /// The annotations that an application would get, lose or have changed.
    pub fn annotations(&self, application: &ApplicationKey) -> Vec<Difference> {
        let state = self.lock();
        let told = state.applications.get(application);
        let annotations = told.map(|told| &told.annotations).into_iter().flatten();
        let differs = annotations.filter(|(_, (live, new))| live != new);
        differs
            .map(|(name, (live, new))| Difference {
                path: format!("metadata.annotations[{name}]"),
                live: live.clone().map(Value::from),
                desired: new.clone().map(Value::from),
            })
            .collect()
    }

    /// Keeps a write: `live` as it is there, `new` as it would be. Gives `new` a version above all others, and an identity if
    /// it has none.
    pub(super) fn keep<K: Cached>(
        &self,
        live: Option<&Arc<K>>,
        new: Option<K>,
        key: ObjectKey,
    ) -> Option<Arc<K>> {
        let mut state = self.lock();
        state.versions += 1;
        let number = state.versions;
        let new = new.map(|mut new| {
            let metadata = new.meta_mut();
            metadata.resource_version = Some((FIRST_VERSION + number).to_string());
            metadata.uid.get_or_insert_with(|| format!("not-made-{number}"));
            Arc::new(new)
        });
        let stored = |object: Option<&Arc<K>>| object.map(|object| Arc::clone(object) as Stored);
        let at = (K::RESOURCE, key);
        if let Some(entry) = state.objects.get_mut(&at) {
            entry.new = stored(new.as_ref());
        } else {
            let entry = Entry {
                on_behalf_of: state.on_behalf_of.clone(),
                live: stored(live),
                new: stored(new.as_ref()),
                differences: between::<K>,
            };
            state.order.push(at.clone());
            state.objects.insert(at, entry);
        }
        new
    }

    /// The object as it would be; `None` if nothing was written to it, `Some(None)` if it would be deleted.
    pub(super) fn get<K: Cached>(&self, key: &ObjectKey) -> Option<Option<Arc<K>>> {
        let state = self.lock();
        let entry = state.objects.get(&(K::RESOURCE, key.clone()))?;
        Some(entry.new.as_ref().and_then(|new| Arc::clone(new).downcast::<K>().ok()))
    }

    /// Keeps annotations of an application.
    pub(super) fn annotate<K: Managed>(
        &self,
        metadata: &ObjectMeta,
        annotations: &BTreeMap<String, Option<String>>,
    ) {
        let mut state = self.lock();
        let told = state.applications.entry(who::<K>(metadata)).or_default();
        for (name, value) in annotations {
            let live = metadata.annotations.as_ref().and_then(|all| all.get(name)).cloned();
            told.annotations.entry(name.clone()).or_insert((live, None)).1.clone_from(value);
        }
    }

    /// A version above all others.
    pub(super) fn version(&self) -> String {
        let mut state = self.lock();
        state.versions += 1;
        (FIRST_VERSION + state.versions).to_string()
    }

    /// The kinds and places of all that would be written.
    pub fn places(&self) -> BTreeSet<(Resource, ObjectKey)> {
        self.objects().into_iter().map(|one| (one.resource, one.key)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("objects", &self.lock().order.len()).finish_non_exhaustive()
    }
}

fn who<K: Managed>(metadata: &ObjectMeta) -> ApplicationKey {
    ApplicationKey { kind: K::KIND, object: ObjectKey::of(metadata) }
}

fn between<K: Cached>(live: &Stored, new: &Stored) -> Vec<Difference> {
    match (live.downcast_ref::<K>(), new.downcast_ref::<K>()) {
        (Some(live), Some(new)) => K::differences(live, new),
        // What is kept for a kind is of that kind.
        _ => Vec::new(),
    }
}
