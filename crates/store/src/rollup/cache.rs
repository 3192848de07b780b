//! Delta files read before: a dashboard asks for the same days every few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use parapet_fs::Fs;
use ulid::Ulid;

use super::delta::Delta;
use super::state::{States, TrafficHour};
use crate::error::StoreError;

/// States kept; at some 300 B each, about 60 MB.
const STATES: usize = 200_000;

/// The states of the delta files asked for last, up to a number of states.
#[derive(Debug, Default)]
pub(crate) struct DeltaCache(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<Ulid, Entry>,
    states: usize,
    /// Counts look-ups: the order of use.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    known: Arc<Known>,
    used: u64,
}

/// What is known of a delta: a file holds one day.
#[derive(Debug)]
pub(crate) struct Known {
    hours: Vec<TrafficHour>,
    day: OnceLock<Vec<TrafficHour>>,
}

impl Known {
    /// By hour and key, as in the file.
    pub(crate) fn hours(&self) -> &[TrafficHour] {
        &self.hours
    }

    /// By key, for the whole day; its hour is the day's first. Made at the first question.
    pub(crate) fn day(&self) -> &[TrafficHour] {
        self.day.get_or_init(|| {
            let mut states = States::default();
            self.hours.iter().for_each(|state| states.merge_into_day(state));
            states.into_sorted()
        })
    }
}

impl DeltaCache {
    /// The states of a delta, from memory or its file.
    pub(crate) fn get(&self, fs: &dyn Fs, delta: &Delta) -> Result<Arc<Known>, StoreError> {
        if let Some(known) = self.lock().get(delta.id) {
            return Ok(known);
        }
        // Not under the lock: two readers may read the same file, none waits for another's.
        let known = Arc::new(Known { hours: delta.read(fs)?, day: OnceLock::new() });
        self.lock().put(delta.id, Arc::clone(&known));
        Ok(known)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        // A panic elsewhere leaves at worst a wrong count of states.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn get(&mut self, id: Ulid) -> Option<Arc<Known>> {
        self.clock += 1;
        let entry = self.by_id.get_mut(&id)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.known))
    }

    fn put(&mut self, id: Ulid, known: Arc<Known>) {
        let states = known.hours.len();
        if states > STATES {
            return;
        }
        self.states += states;
        if let Some(old) = self.by_id.insert(id, Entry { known, used: self.clock }) {
            self.states -= old.known.hours.len();
        }
        while self.states > STATES {
            let Some(oldest) = self.by_id.iter().min_by_key(|(_, entry)| entry.used).map(|(id, _)| *id)
            else {
                return;
            };
            if let Some(old) = self.by_id.remove(&oldest) {
                self.states -= old.known.hours.len();
            }
        }
    }
}
