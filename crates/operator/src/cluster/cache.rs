//! Objects of one kind, as last seen. What the operator itself wrote is seen at once.
//!
//! - Each version is news once, when a watch brings it: a pass that wrote knows what it wrote, but neither what it had read
//!   before, nor what others make of it.
//! - Of two versions of an object the one with the higher resourceVersion stays, whichever way it came.
//! - What is known to be deleted stays deleted, though a slow watch may still tell of it: its UID is remembered.
//! - What a watch doesn't show any more may only have lost the labels by which it is watched: a later version of it is there.
//! - A new list replaces what is there, but what was written since the list was asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::ObjectKey;

/// How many deletions are remembered. A watch lags behind an answer by seconds; nobody deletes as many in that time.
const TOMBSTONES: usize = 4096;

/// The labels by which objects are looked up: whose they are, and what they are for.
pub(crate) const INDEXED: [&str; 7] = [
    parapet_api::labels::OWNER_NAME,
    parapet_api::labels::CLUSTER_NAME,
    parapet_api::labels::KIBANA_NAME,
    parapet_api::labels::APM_NAME,
    "kibanaassociation.k8s.elastic.co/name",
    "apmassociation.k8s.elastic.co/name",
    parapet_api::labels::ELASTICSEARCH_ASSOCIATION_NAME,
];

/// What a cache can hold, and in which form.
pub trait Stored: Sized {
    /// The form in which it waits; clones are cheap.
    type Kept: Clone + Send + Sync;

    /// Its metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// Brings it into that form.
    fn keep(object: Arc<Self>) -> Self::Kept;

    /// Brings it back.
    fn give(kept: &Self::Kept) -> Arc<Self>;
}

/// The objects of one kind.
pub struct Cache<T: Stored> {
    state: RwLock<State<T>>,
}

struct State<T: Stored> {
    objects: HashMap<Arc<str>, BTreeMap<Arc<str>, Entry<T>>>,
    index: [HashMap<Box<str>, BTreeSet<ObjectKey>>; INDEXED.len()],
    tombstones: Tombstones,
    /// Counts lists, over all watches of this kind.
    lists: u64,
}

struct Entry<T: Stored> {
    kept: T::Kept,
    version: u64,
    /// The list that was under way when it was stored.
    list: u64,
    /// The watch that it came by; none if only the operator's own writes brought it.
    source: Option<usize>,
    /// Whether this version came by a watch.
    told: bool,
}

/// A list that a watch receives piece by piece.
#[derive(Debug)]
pub(crate) struct Listing {
    source: Source,
    list: u64,
    seen: HashSet<ObjectKey>,
}

/// One watch among those that fill a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Tells it from the others.
    pub(crate) id: usize,
    /// What it covers; all namespaces if none.
    pub(crate) namespace: Option<Arc<str>>,
}

impl<T: Stored> Cache<T> {
    /// The object, if it is there.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<T>> {
        let state = self.read();
        let kept = state.objects.get(namespace)?.get(name)?.kept.clone();
        drop(state);
        Some(T::give(&kept))
    }

    /// Whether it is there.
    pub(crate) fn has(&self, namespace: &str, name: &str) -> bool {
        self.read().objects.get(namespace).is_some_and(|names| names.contains_key(name))
    }

    /// Those whose label (one of [`INDEXED`]) has that value, in the order of their places.
    pub(crate) fn labelled(&self, namespace: Option<&str>, label: &str, value: &str) -> Vec<Arc<T>> {
        let Some(at) = INDEXED.iter().position(|indexed| *indexed == label) else {
            let has = |object: &Arc<T>| {
                let metadata = object.metadata();
                label_of(metadata, label) == Some(value)
                    && namespace.is_none_or(|namespace| metadata.namespace.as_deref() == Some(namespace))
            };
            return self.all().filter(has).collect();
        };
        let state = self.read();
        let fits = |key: &&ObjectKey| namespace.is_none_or(|namespace| &*key.namespace == namespace);
        let found = |key: &ObjectKey| state.entry(key).map(|entry| entry.kept.clone());
        let found: Vec<T::Kept> =
            state.index[at].get(value).into_iter().flatten().filter(fits).filter_map(found).collect();
        drop(state);
        found.iter().map(T::give).collect()
    }

    /// All that are there now, each brought back when it is its turn.
    pub(crate) fn all(&self) -> impl Iterator<Item = Arc<T>> + use<T> {
        let state = self.read();
        let all: Vec<T::Kept> =
            state.objects.values().flat_map(BTreeMap::values).map(|entry| entry.kept.clone()).collect();
        all.into_iter().map(|kept| T::give(&kept))
    }

    /// Stores it, unless something newer is there. `source`: the watch that brought it, none for an answer to the
    /// operator's own call. Says whether it is to be told: a watch brought that version for the first time.
    pub(crate) fn store(&self, object: Arc<T>, source: Option<usize>) -> bool {
        self.write().store(object, source)
    }

    /// It was deleted. Takes it out, if it is that one (by UID) and not a newer one of the same name. Says whether it was there.
    pub(crate) fn remove(&self, metadata: &ObjectMeta) -> Option<Arc<T>> {
        self.write().lose(metadata, u64::MAX)
    }

    /// A watch doesn't show it any more: it was deleted, or this version of it lost the labels by which it is watched. Takes it
    /// out as [`Cache::remove`] does, unless something newer is there.
    pub(crate) fn unseen(&self, metadata: &ObjectMeta) -> Option<Arc<T>> {
        // Events of deletions have the version of the deletion; one without any says no more than that it is gone.
        let version = Some(version_of(metadata)).filter(|version| *version > 0);
        self.write().lose(metadata, version.unwrap_or(u64::MAX))
    }

    /// A list begins.
    pub(crate) fn begin(&self, source: Source) -> Listing {
        let mut state = self.write();
        state.lists += 1;
        Listing { source, list: state.lists, seen: HashSet::new() }
    }

    /// A piece of a list. Says whether it is to be told.
    pub(crate) fn listed(&self, listing: &mut Listing, object: Arc<T>) -> bool {
        listing.seen.insert(ObjectKey::of(object.metadata()));
        self.store(object, Some(listing.source.id))
    }

    /// The list is complete: what it hasn't is gone, but what was stored since it began. Returns what is gone.
    pub(crate) fn end(&self, listing: Listing) -> Vec<Arc<T>> {
        let Listing { source, list, seen } = listing;
        let mut state = self.write();
        let covered = |namespace: &Arc<str>| source.namespace.as_ref().is_none_or(|one| one == namespace);
        let stale = |entry: &Entry<T>| entry.source.is_none_or(|id| id == source.id) && entry.list < list;
        let gone: Vec<ObjectKey> = state
            .objects
            .iter()
            .filter(|(namespace, _)| covered(namespace))
            .flat_map(|(namespace, names)| names.iter().map(move |(name, entry)| (namespace, name, entry)))
            .filter(|(_, _, entry)| stale(entry))
            .map(|(namespace, name, _)| ObjectKey {
                namespace: Arc::clone(namespace),
                name: Arc::clone(name),
            })
            .filter(|key| !seen.contains(key))
            .collect();
        gone.iter().filter_map(|key| state.take(key)).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, State<T>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<T>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Stored> Default for Cache<T> {
    fn default() -> Self {
        Self {
            state: RwLock::new(State {
                objects: HashMap::new(),
                index: Default::default(),
                tombstones: Tombstones::default(),
                lists: 0,
            }),
        }
    }
}

impl<T: Stored> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

impl<T: Stored> State<T> {
    fn entry(&self, key: &ObjectKey) -> Option<&Entry<T>> {
        self.objects.get(&key.namespace)?.get(&key.name)
    }

    fn store(&mut self, object: Arc<T>, source: Option<usize>) -> bool {
        let metadata = object.metadata();
        let (key, version, watched) = (ObjectKey::of(metadata), version_of(metadata), source.is_some());
        if metadata.uid.as_ref().is_some_and(|uid| self.tombstones.has(uid, version)) {
            return false;
        }
        let there = self.objects.get_mut(&key.namespace).and_then(|names| names.get_mut(&key.name));
        let source = source.or(there.as_ref().and_then(|there| there.source));
        if let Some(there) = there
            && version <= there.version
        {
            // From now on a list of that watch says whether it is there.
            there.source = source;
            let news = watched && !there.told && version == there.version;
            there.told |= news;
            return news;
        }
        self.take(&key);
        for (at, label) in INDEXED.iter().enumerate() {
            if let Some(value) = label_of(object.metadata(), label) {
                self.index[at].entry(value.into()).or_default().insert(key.clone());
            }
        }
        let entry = Entry { kept: T::keep(object), version, list: self.lists, source, told: watched };
        self.objects.entry(key.namespace).or_default().insert(key.name, entry);
        watched
    }

    /// Takes out what was lost with that version or before.
    fn lose(&mut self, metadata: &ObjectMeta, version: u64) -> Option<Arc<T>> {
        if let Some(uid) = &metadata.uid {
            self.tombstones.put(uid, version);
        }
        let key = ObjectKey::of(metadata);
        let is_it = |entry: &Entry<T>| {
            entry.version <= version && T::give(&entry.kept).metadata().uid == metadata.uid
        };
        if self.entry(&key).is_some_and(is_it) { self.take(&key) } else { None }
    }

    fn take(&mut self, key: &ObjectKey) -> Option<Arc<T>> {
        let names = self.objects.get_mut(&key.namespace)?;
        let entry = names.remove(&key.name)?;
        if names.is_empty() {
            self.objects.remove(&key.namespace);
        }
        let object = T::give(&entry.kept);
        for (at, label) in INDEXED.iter().enumerate() {
            let Some(value) = label_of(object.metadata(), label) else { continue };
            if let Some(keys) = self.index[at].get_mut(value) {
                keys.remove(key);
                if keys.is_empty() {
                    self.index[at].remove(value);
                }
            }
        }
        Some(object)
    }
}

fn label_of<'a>(metadata: &'a ObjectMeta, label: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(label).map(String::as_str)
}

/// Versions are counted by the store behind the API server; what has none (it doesn't happen) is the oldest.
fn version_of(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// The UIDs of what was lost last, and up to which version.
#[derive(Debug, Default)]
struct Tombstones {
    order: VecDeque<Box<str>>,
    all: HashMap<Box<str>, u64>,
}

impl Tombstones {
    fn put(&mut self, uid: &str, version: u64) {
        if let Some(known) = self.all.get_mut(uid) {
            *known = version.max(*known);
            return;
        }
        self.all.insert(uid.into(), version);
        self.order.push_back(uid.into());
        if self.order.len() > TOMBSTONES
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    fn has(&self, uid: &str, version: u64) -> bool {
        self.all.get(uid).is_some_and(|lost| version <= *lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Thing(ObjectMeta);

    impl Stored for Thing {
        type Kept = Arc<Self>;

        fn metadata(&self) -> &ObjectMeta {
            &self.0
        }

        fn keep(object: Arc<Self>) -> Arc<Self> {
            object
        }

        fn give(kept: &Arc<Self>) -> Arc<Self> {
            Arc::clone(kept)
        }
    }

    fn thing(name: &str, uid: &str, version: u64) -> Arc<Thing> {
        let labels = [(parapet_api::labels::CLUSTER_NAME.to_owned(), format!("of-{version}"))];
        Arc::new(Thing(ObjectMeta {
            namespace: Some("ns".to_owned()),
            name: Some(name.to_owned()),
            uid: Some(uid.to_owned()),
            resource_version: Some(version.to_string()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        }))
    }

    fn watch() -> Source {
        Source { id: 0, namespace: None }
    }

    fn version(cache: &Cache<Thing>, name: &str) -> Option<u64> {
        cache.get("ns", name).map(|thing| version_of(thing.metadata()))
    }

    #[test]
    fn the_newer_version_stays_whichever_way_it_came() {
        let cache = Cache::default();
        assert!(!cache.store(thing("a", "1", 10), None), "the answer to one's own write");
        assert!(!cache.store(thing("a", "1", 9), Some(0)), "the watch lags behind");
        assert!(cache.store(thing("a", "1", 10), Some(0)), "the echo of the write is news for others");
        assert!(!cache.store(thing("a", "1", 10), Some(0)), "but once");
        assert_eq!(version(&cache, "a"), Some(10));
        assert!(cache.store(thing("a", "1", 100), Some(0)), "versions are numbers, not text");
        assert_eq!(version(&cache, "a"), Some(100));
        assert!(cache.labelled(None, parapet_api::labels::CLUSTER_NAME, "of-10").is_empty());
        assert_eq!(cache.labelled(Some("ns"), parapet_api::labels::CLUSTER_NAME, "of-100").len(), 1);
    }

    #[test]
    fn what_was_deleted_is_not_brought_back_by_a_slow_watch() {
        let cache = Cache::default();
        let old = thing("a", "1", 10);
        cache.store(Arc::clone(&old), Some(0));
        assert!(cache.remove(old.metadata()).is_some());
        assert!(!cache.store(thing("a", "1", 11), Some(0)));
        assert_eq!(version(&cache, "a"), None);
        assert!(cache.store(thing("a", "2", 12), Some(0)), "another one of the same name");
        assert!(cache.remove(old.metadata()).is_none(), "a late deletion is of the first");
        assert_eq!(version(&cache, "a"), Some(12));
    }

    #[test]
    fn what_lost_the_labels_of_its_watch_and_has_them_again_is_there_again() {
        let cache = Cache::default();
        cache.store(thing("a", "1", 10), Some(0));
        assert!(cache.unseen(thing("a", "1", 11).metadata()).is_some(), "as if it had been deleted");
        assert!(!cache.store(thing("a", "1", 10), None), "a late answer of before");
        assert_eq!(version(&cache, "a"), None);
        assert!(cache.store(thing("a", "1", 12), Some(0)), "labelled again");
        assert!(cache.unseen(thing("a", "1", 11).metadata()).is_none(), "a late event of before");
        assert_eq!(version(&cache, "a"), Some(12));
        assert!(cache.remove(thing("a", "1", 12).metadata()).is_some());
        assert!(cache.unseen(thing("a", "1", 14).metadata()).is_none());
        assert!(!cache.store(thing("a", "1", 13), Some(0)), "what is deleted stays deleted");
    }

    #[test]
    fn a_new_list_replaces_what_is_there_but_what_was_written_meanwhile() {
        let cache = Cache::default();
        cache.store(thing("stays", "1", 1), Some(0));
        cache.store(thing("goes", "2", 2), Some(0));
        cache.store(thing("of-another-watch", "3", 3), Some(1));
        let mut listing = cache.begin(watch());
        cache.listed(&mut listing, thing("stays", "1", 1));
        cache.store(thing("written", "4", 9), None);
        let gone = cache.end(listing);
        assert_eq!(gone.iter().map(|thing| thing.0.name.as_deref()).collect::<Vec<_>>(), [Some("goes")]);
        assert_eq!(cache.all().count(), 3);
        assert!(cache.labelled(None, parapet_api::labels::CLUSTER_NAME, "of-2").is_empty());
        // It was made and deleted, and no watch ever saw it: the next list says so.
        assert_eq!(cache.end(cache.begin(watch())).len(), 2);
    }

    #[test]
    fn a_list_of_one_namespace_says_nothing_of_others() {
        let cache = Cache::default();
        cache.store(thing("a", "1", 1), None);
        let listing = cache.begin(Source { id: 0, namespace: Some("other".into()) });
        assert!(cache.end(listing).is_empty());
    }

    #[test]
    fn the_memory_of_deletions_is_bounded() {
        let mut tombstones = Tombstones::default();
        (0..=TOMBSTONES).for_each(|uid| tombstones.put(&uid.to_string(), u64::MAX));
        assert!(!tombstones.has("0", 1));
        assert!(tombstones.has("1", 1));
        assert_eq!((tombstones.all.len(), tombstones.order.len()), (TOMBSTONES, TOMBSTONES));
    }
}
