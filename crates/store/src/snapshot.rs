//! What one reader sees: a fixed set of segments, rows in memory and rollup files, whatever happens meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use parapet_fs::Fs;
use parapet_signal::Signal;

use crate::error::StoreError;
use crate::rollup::{COLUMNS, DeltaCache, Known, States, TrafficHour, add_rows};
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
        let mut states = States::default();
        for known in self.deltas(range) {
            let known = known?;
            let inside = known.hours().iter().filter(|state| range.touches(state.key.hour));
            inside.for_each(|state| states.merge(state));
        }
        self.add_pending(range, &mut states)?;
        Ok(states.into_sorted())
    }

    /// Traffic by day (UTC) and key, for the days that `range` touches, by key; a state's hour is its day's first.
    /// As exact as by hour, and for a year a twentieth of the states.
    pub fn traffic_daily(&self, range: &TimeRange) -> Result<Vec<TrafficHour>, StoreError> {
        if range.from >= range.to {
            return Ok(Vec::new());
        }
        let last = range.to.saturating_sub(Duration::from_nanos(1));
        let days = TimeRange { from: Hour::of(range.from).day().start(), to: Hour::of(last).day().end() };
        let mut states = States::default();
        for known in self.deltas(&days) {
            known?.day().iter().for_each(|state| states.merge(state));
        }
        let mut pending = States::default();
        self.add_pending(&days, &mut pending)?;
        pending.into_sorted().iter().for_each(|state| states.merge_into_day(state));
        Ok(states.into_sorted())
    }

    /// The partial states of the days that `range` touches.
    fn deltas(&self, range: &TimeRange) -> impl Iterator<Item = Result<Arc<Known>, StoreError>> {
        let days = self.inner.rollup.deltas.iter().filter(|(day, _)| touches_day(range, **day));
        days.flat_map(|(_, deltas)| deltas).map(|delta| self.inner.cache.get(&*self.inner.fs, delta))
    }

    /// Counts the rows that no partial state has counted yet, of the hours that `range` touches.
    fn add_pending(&self, range: &TimeRange, states: &mut States) -> Result<(), StoreError> {
        let (segments, memory) = self.table(Signal::Traffic);
        for (hour, segments) in segments.iter().filter(|(hour, _)| range.touches(**hour)) {
            let consumed = self.inner.rollup.consumed(*hour);
            for segment in segments.iter().filter(|segment| segment.seq_hi > consumed) {
                for rows in batches(&*self.inner.fs, &segment.path, Some(&COLUMNS), BATCH_ROWS)? {
                    add_rows(states, &rows?, consumed);
                }
            }
        }
        for (hour, parts) in memory.iter().filter(|(hour, _)| range.touches(**hour)) {
            let consumed = self.inner.rollup.consumed(*hour);
            parts.iter().for_each(|rows| add_rows(states, rows, consumed));
        }
        Ok(())
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
