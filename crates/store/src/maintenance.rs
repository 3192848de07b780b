//! What is due, and in which order: rows out of memory first, as that is what makes deliveries wait.

use std::time::Duration;

use parapet_signal::Signal;

use crate::error::StoreError;
use crate::metrics::Step;
use crate::schema;
use crate::state::lowest;
use crate::store::Inner;

/// Merges of one tick; more wait for the next, after flushes.
const MERGES: usize = 8;

/// The one that publishes. Holding it is the permission.
#[derive(Debug, Default)]
pub(crate) struct Maintenance {}

impl Maintenance {
    /// Does what is due; failures are logged, counted, and tried again by the next call.
    pub(crate) fn tick(&mut self, store: &Inner) {
        let core = &store.core;
        if core.failed().is_some() {
            return;
        }
        for signal in due(store) {
            report(store, Step::Flush, core.flush(signal));
        }
        report(store, Step::Release, release(store));
        report(store, Step::Rollup, core.roll_up());
        report(store, Step::Rollup, core.merge_deltas());
        for _ in 0..MERGES {
            if !matches!(report(store, Step::Compaction, core.compact()), Some(true)) {
                break;
            }
        }
        report(store, Step::Retention, core.expire());
        core.sweep();
    }

    /// Writes all rows that are in memory to segments.
    pub(crate) fn flush_all(&mut self, store: &Inner) -> Result<(), StoreError> {
        for signal in Signal::ALL {
            // Twice if rows were set apart before, by a flush that failed.
            while store.core.flush(signal)? {}
        }
        release(store)
    }
}

/// The tables to flush, and why: size, age, or because memory or the WAL fill up.
fn due(store: &Inner) -> Vec<Signal> {
    let (core, config) = (&store.core, &store.core.config);
    let wal_full = store.wal.status().bytes >= config.wal_bytes / 2;
    let now = core.now();
    let state = core.state();
    let memory_full = state.memory_bytes() as u64 >= config.memory_bytes / 2;
    let largest = Signal::ALL.into_iter().max_by_key(|signal| state.active[schema::index(*signal)].bytes());
    Signal::ALL
        .into_iter()
        .filter(|signal| {
            let at = schema::index(*signal);
            let table = &state.active[at];
            let old = |since| now.saturating_sub(config.flush_age()) >= since;
            state.frozen[at].is_some()
                || table.bytes() as u64 >= config.flush_bytes
                || table.since.is_some_and(old)
                || (wal_full && !table.is_empty())
                || (memory_full && largest == Some(*signal) && !table.is_empty())
        })
        .collect()
}

/// Gives up the WAL files whose rows are all in segments. Also after a flush that nobody needed: of a quiet store.
fn release(store: &Inner) -> Result<(), StoreError> {
    let floor = lowest(store.core.state().floors());
    Ok(store.wal.release(floor)?)
}

fn report<T>(store: &Inner, step: Step, result: Result<T, StoreError>) -> Option<T> {
    result
        .inspect_err(|error| {
            store.core.metrics.failure(step);
            tracing::warn!(
                step = step.name(),
                error = error.chain(),
                "maintenance step failed, will try again"
            );
        })
        .ok()
}

/// How long a sender waits when rows have to go to disk first: a flush of 64 MiB takes about that long.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);
