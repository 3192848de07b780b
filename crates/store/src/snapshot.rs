//! What one reader sees: a fixed set of segments, rows in memory and rollup files, whatever happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use parapet_fs::Fs;
use parapet_signal::Signal;

use crate::error::StoreError;
use crate::rollup::{COLUMNS, DeltaCache, States, TrafficHour, add_rows};
use crate::schema;
use crate::segment::{Segment, batches};
use crate::state::{Rollup, Segments, State};
use crate::time::{Hour, TimeRange};

/// Rows read at once when traffic is counted from segments.
const BATCH_ROWS: usize = 8 << 10;

/// Everything visible at one moment. Cheap to clone; keeps the files of its segments alive.
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<Inner>,
}

/// The rows of one hour of one table. Rows may lie outside the range that was asked for.
#[derive(Clone, Debug)]
pub struct HourSlice {
    /// The hour.
    pub hour: Hour,
    /// Its files, each sorted by `ts` and `seq`, both descending.
    pub segments: Vec<Arc<Segment>>,
    /// Its rows that are in no file yet, in order of `seq`; the table's schema.
    pub memory: Vec<RecordBatch>,
}

struct Inner {
    version: u64,
    fs: Arc<dyn Fs>,
    cache: Arc<DeltaCache>,
    segments: [Arc<Segments>; 4],
    memory: [BTreeMap<Hour, Vec<RecordBatch>>; 4],
    rollup: Arc<Rollup>,
}

impl Snapshot {
    /// Rises with every change of what is visible.
    pub fn version(&self) -> u64 {
        self.inner.version
    }

    /// The hours of a table that may hold rows in `range`, newest first.
    pub fn hours(&self, signal: Signal, range: &TimeRange) -> Vec<HourSlice> {
        let (segments, memory) = self.table(signal);
        let hours: BTreeSet<Hour> = segments.keys().chain(memory.keys()).copied().collect();
        let inside = hours.into_iter().rev().filter(|hour| range.touches(*hour));
        inside
            .map(|hour| HourSlice {
                hour,
                segments: segments.get(&hour).cloned().unwrap_or_default(),
                memory: memory.get(&hour).cloned().unwrap_or_default(),
            })
            .collect()
    }

    /// Traffic by hour and key, for the hours that `range` touches, by key: exact, late rows and rows in memory included.
    pub fn traffic_hourly(&self, range: &TimeRange) -> Result<Vec<TrafficHour>, StoreError> {
        let rollup = &self.inner.rollup;
        let mut states = States::default();
        for delta in
            rollup.deltas.iter().filter(|(day, _)| touches_day(range, **day)).flat_map(|(_, deltas)| deltas)
        {
            let known = self.inner.cache.get(&*self.inner.fs, delta)?;
            known.iter().filter(|state| range.touches(state.key.hour)).for_each(|state| states.merge(state));
        }
        for slice in self.hours(Signal::Traffic, range) {
            let consumed = rollup.consumed(slice.hour);
            for segment in slice.segments.iter().filter(|segment| segment.seq_hi > consumed) {
                for rows in batches(&*self.inner.fs, &segment.path, Some(&COLUMNS), BATCH_ROWS)? {
                    add_rows(&mut states, &rows?, consumed);
                }
            }
            slice.memory.iter().for_each(|rows| add_rows(&mut states, rows, consumed));
        }
        Ok(states.into_sorted())
    }

    /// What `state` shows.
    pub(crate) fn new(state: &State, version: u64, fs: Arc<dyn Fs>, cache: Arc<DeltaCache>) -> Self {
        let memory = Signal::ALL.map(|signal| {
            let at = schema::index(signal);
            let mut hours: BTreeMap<Hour, Vec<RecordBatch>> = BTreeMap::new();
            let frozen = state.frozen[at].iter().map(|frozen| &frozen.table);
            // Rows set apart have the lower numbers.
            for (hour, part) in frozen.chain([&state.active[at]]).flat_map(|table| table.hours()) {
                hours.entry(*hour).or_default().extend_from_slice(part.batches());
            }
            hours
        });
        let inner = Inner {
            version,
            fs,
            cache,
            segments: state.segments.clone(),
            memory,
            rollup: Arc::clone(&state.rollup),
        };
        Self { inner: Arc::new(inner) }
    }

    fn table(&self, signal: Signal) -> (&Segments, &BTreeMap<Hour, Vec<RecordBatch>>) {
        let at = schema::index(signal);
        (&self.inner.segments[at], &self.inner.memory[at])
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("version", &self.inner.version).finish_non_exhaustive()
    }
}

fn touches_day(range: &TimeRange, day: crate::time::Day) -> bool {
    range.from < range.to && day.end() > range.from && day.start() < range.to
}
