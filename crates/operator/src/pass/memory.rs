//! What passes know of their own last writes. Losing it costs nothing but patience: a new process begins with a fresh read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use parapet_orchestrate::Expectations;

use crate::ApplicationKey;

/// What is remembered of every cluster.
#[derive(Debug, Default)]
pub struct Memory {
    expectations: Mutex<HashMap<ApplicationKey, Arc<Mutex<Expectations>>>>,
    licences: Mutex<HashMap<ApplicationKey, String>>,
}

impl Memory {
    /// What isn't seen yet of the writes to one cluster. A cluster has one pass at a time, so nobody waits for it.
    pub(super) fn with<T>(&self, key: &ApplicationKey, act: impl FnOnce(&mut Expectations) -> T) -> T {
        let one = {
            let mut all = self.expectations.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key.clone()).or_default())
        };
        let mut one = one.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut one)
    }

    /// The uid of the licence that was ensured last, empty for a basic one.
    pub(super) fn licence(&self, key: &ApplicationKey) -> Option<String> {
        self.licences.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// A licence was ensured.
    pub(super) fn has_licence(&self, key: &ApplicationKey, uid: &str) {
        self.licences.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), uid.to_owned());
    }

    pub(super) fn forget(&self, key: &ApplicationKey) {
        self.licences.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.expectations.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
