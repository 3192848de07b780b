//! What passes know of their own last writes. Losing it costs nothing but patience: a new process begins with a fresh read.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use parapet_orchestrate::Expectations;

use crate::ApplicationKey;

/// What is remembered of every cluster.
#[derive(Debug, Default)]
pub struct Memory {
    /// Which application of its name is meant, by UID.
    incarnations: Mutex<HashMap<ApplicationKey, String>>,
    expectations: Mutex<HashMap<ApplicationKey, Arc<Mutex<Expectations>>>>,
    licences: Mutex<HashMap<ApplicationKey, String>>,
    /// Whom applications name.
    targets: Mutex<HashMap<ApplicationKey, BTreeSet<ApplicationKey>>>,
}

impl Memory {
    /// A pass begins for the application with that UID. Where it was another one before, all that was known of that one is
    /// forgotten; its UID is returned.
    pub(super) fn meets(&self, key: &ApplicationKey, uid: &str) -> Option<String> {
        let mut all = self.incarnations.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(key).is_some_and(|known| known == uid) {
            return None;
        }
        let before = all.insert(key.clone(), uid.to_owned());
        drop(all);
        if before.is_some() {
            self.forget_state(key);
        }
        before
    }

    /// What isn't seen yet of the writes to one cluster. A cluster has one pass at a time, so nobody waits for it.
    pub(super) fn with<T>(&self, key: &ApplicationKey, act: impl FnOnce(&mut Expectations) -> T) -> T {
        let one = {
            let mut all = self.expectations.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key.clone()).or_default())
        };
        let mut one = one.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut one)
    }

    /// Those whom an application names now or named before, but not both.
    pub(super) fn names(
        &self,
        key: &ApplicationKey,
        targets: BTreeSet<ApplicationKey>,
    ) -> BTreeSet<ApplicationKey> {
        let mut all = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match targets.is_empty() {
            true => all.remove(key),
            false => all.insert(key.clone(), targets.clone()),
        };
        before.unwrap_or_default().symmetric_difference(&targets).cloned().collect()
    }

    /// The uid of the licence that was ensured last, empty for a basic one.
    pub(super) fn licence(&self, key: &ApplicationKey) -> Option<String> {
        self.licences.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// A licence was ensured.
    pub(super) fn has_licence(&self, key: &ApplicationKey, uid: &str) {
        self.licences.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), uid.to_owned());
    }

    /// Forgets all of it; the UID of the application, if it was known.
    pub(super) fn forget(&self, key: &ApplicationKey) -> Option<String> {
        self.forget_state(key);
        self.incarnations.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    fn forget_state(&self, key: &ApplicationKey) {
        self.licences.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.expectations.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use parapet_api::Kind;

    use super::*;

    #[test]
    fn whoever_is_named_or_named_no_more_is_told_once() {
        let (memory, key) = (Memory::default(), ApplicationKey::new(Kind::ApmServer, "ns", "a"));
        let kibana = |name| ApplicationKey::new(Kind::Kibana, "ns", name);
        let names = |all: &[&'static str]| memory.names(&key, all.iter().copied().map(kibana).collect());
        assert_eq!(names(&["one"]), [kibana("one")].into());
        assert_eq!(names(&["one"]), [].into());
        assert_eq!(names(&["two"]), [kibana("one"), kibana("two")].into());
        assert_eq!(names(&[]), [kibana("two")].into());
        assert!(memory.targets.lock().unwrap().is_empty());
    }

    #[test]
    fn another_application_of_the_same_name_is_met_once() {
        let (memory, key) = (Memory::default(), ApplicationKey::new(Kind::Elasticsearch, "ns", "a"));
        assert_eq!(memory.meets(&key, "1"), None);
        assert_eq!(memory.meets(&key, "1"), None);
        memory.has_licence(&key, "licence");
        assert_eq!(memory.meets(&key, "2").as_deref(), Some("1"));
        assert_eq!(memory.licence(&key), None, "the licence was the other one's");
        assert_eq!(memory.meets(&key, "2"), None);
        assert_eq!(memory.forget(&key).as_deref(), Some("2"));
        assert_eq!(memory.meets(&key, "3"), None);
    }
}
