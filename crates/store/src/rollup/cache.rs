//! Delta files read before: a dashboard asks for the same days every few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use parapet_fs::Fs;
use ulid::Ulid;

use super::delta::Delta;
use super::state::TrafficHour;
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
    states: Arc<Vec<TrafficHour>>,
    used: u64,
}

impl DeltaCache {
    /// The states of a delta, from memory or its file.
    pub(crate) fn get(&self, fs: &dyn Fs, delta: &Delta) -> Result<Arc<Vec<TrafficHour>>, StoreError> {
        if let Some(states) = self.lock().get(delta.id) {
            return Ok(states);
        }
        // Not under the lock: two readers may read the same file, none waits for another's.
        let states = Arc::new(delta.read(fs)?);
        self.lock().put(delta.id, Arc::clone(&states));
        Ok(states)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        // A panic elsewhere leaves at worst a wrong count of states.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn get(&mut self, id: Ulid) -> Option<Arc<Vec<TrafficHour>>> {
        self.clock += 1;
        let entry = self.by_id.get_mut(&id)?;
        entry.used = self.clock;
        Some(Arc::clone(&entry.states))
    }

    fn put(&mut self, id: Ulid, states: Arc<Vec<TrafficHour>>) {
        if states.len() > STATES {
            return;
        }
        self.states += states.len();
        if let Some(old) = self.by_id.insert(id, Entry { states, used: self.clock }) {
            self.states -= old.states.len();
        }
        while self.states > STATES {
            let Some(oldest) = self.by_id.iter().min_by_key(|(_, entry)| entry.used).map(|(id, _)| *id)
            else {
                return;
            };
            if let Some(old) = self.by_id.remove(&oldest) {
                self.states -= old.states.len();
            }
        }
    }
}
