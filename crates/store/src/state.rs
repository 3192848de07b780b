//! What is visible, under one lock: rows in memory, segments, deltas and the ledger change together, so that a snapshot
//! taken at any moment sees every row exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;

use parapet_signal::{Signal, UnixNanos};
use ulid::Ulid;

use crate::manifest::Contents;
use crate::memtable::{HourRows, Table};
use crate::rollup::Delta;
use crate::schema;
use crate::segment::Segment;
use crate::snapshot::Snapshot;
use crate::sources::Sources;
use crate::time::{Day, Hour};

/// The segments of one table.
pub(crate) type Segments = BTreeMap<Hour, Vec<Arc<Segment>>>;

/// The rollup's files and ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rollup {
    pub(crate) deltas: BTreeMap<Day, Vec<Arc<Delta>>>,
    pub(crate) consumed: BTreeMap<Hour, u64>,
}

impl Rollup {
    /// Up to which `seq` the rows of an hour are in the deltas.
    pub(crate) fn consumed(&self, hour: Hour) -> u64 {
        self.consumed.get(&hour).copied().unwrap_or(0)
    }
}

/// Rows of one table that are being written to segments: all that were applied before any other row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    pub(crate) table: Table,
}

/// Everything that readers see and writers change.
#[derive(Debug)]
pub(crate) struct State {
    version: u64,
    /// The highest number applied.
    applied: u64,
    pub(crate) active: [Table; 4],
    pub(crate) frozen: [Option<Arc<Frozen>>; 4],
    /// As the manifest holds them.
    floors: [u64; 4],
    pub(crate) segments: [Arc<Segments>; 4],
    pub(crate) rollup: Arc<Rollup>,
    pub(crate) sources: Sources,
    /// The snapshot of this version, once someone asked for it.
    snapshot: Option<Snapshot>,
    /// Files that the manifest no longer lists and that snapshots may still read.
    graveyard: Vec<Unlisted>,
    /// An empty memtable has no age; for the status, the newest event time seen.
    pub(crate) newest: [Option<i64>; 4],
}

/// A file that goes when nobody holds it.
#[derive(Debug)]
pub(crate) enum Unlisted {
    Segment(Arc<Segment>),
    Delta(Arc<Delta>),
}

impl State {
    /// What the manifest says, nothing in memory.
    pub(crate) fn new(contents: Contents) -> Self {
        let mut segments: [Segments; 4] = Default::default();
        for segment in contents.segments {
            let hours = &mut segments[schema::index(segment.signal)];
            hours.entry(segment.hour).or_default().push(Arc::new(segment));
        }
        let newest =
            segments.each_ref().map(|hours| hours.values().flatten().map(|segment| segment.ts_max).max());
        let mut rollup = Rollup { deltas: BTreeMap::new(), consumed: contents.ledger };
        for delta in contents.deltas {
            rollup.deltas.entry(delta.day).or_default().push(Arc::new(delta));
        }
        let applied = contents.floors.into_iter().max().unwrap_or(1) - 1;
        Self {
            version: 1,
            applied,
            active: Default::default(),
            frozen: Default::default(),
            floors: contents.floors,
            segments: segments.map(Arc::new),
            rollup: Arc::new(rollup),
            sources: Sources::new(&contents.sources),
            snapshot: None,
            graveyard: Vec::new(),
            newest,
        }
    }

    /// The numbers up to `seq` are taken, whatever became of their rows.
    pub(crate) fn advance(&mut self, seq: u64) {
        self.applied = self.applied.max(seq);
    }

    /// Makes the rows of a frame visible.
    pub(crate) fn insert(&mut self, signal: Signal, rows: Vec<HourRows>, first_seq: u64, now: UnixNanos) {
        let at = schema::index(signal);
        let newest = rows.iter().filter_map(HourRows::newest).max();
        self.newest[at] = self.newest[at].max(newest);
        self.active[at].insert(rows, first_seq, now);
        self.touch();
    }

    /// Sets the rows of a table apart for flushing, if there are any. Rows set apart before come first.
    pub(crate) fn freeze(&mut self, signal: Signal) -> Option<Arc<Frozen>> {
        let at = schema::index(signal);
        if self.frozen[at].is_none() && !self.active[at].is_empty() {
            let table = std::mem::take(&mut self.active[at]);
            self.frozen[at] = Some(Arc::new(Frozen { table }));
        }
        self.frozen[at].clone()
    }

    /// The tables' floors once the rows set apart of `flushed` are in segments. Those of the others rise too where
    /// nothing is in memory: a quiet table must not hold the WAL back.
    pub(crate) fn floors_after(&self, flushed: Option<Signal>) -> [u64; 4] {
        let mut floors = self.floors;
        for signal in Signal::ALL {
            let at = schema::index(signal);
            let first_active = self.active[at].first_seq;
            let floor = match &self.frozen[at] {
                Some(frozen) if flushed != Some(signal) => frozen.table.first_seq,
                _ => first_active,
            };
            floors[at] = floors[at].max(floor.unwrap_or(self.applied + 1));
        }
        floors
    }

    /// As the manifest holds them.
    pub(crate) fn floors(&self) -> [u64; 4] {
        self.floors
    }

    /// The manifest holds new floors.
    pub(crate) fn set_floors(&mut self, floors: [u64; 4]) {
        self.floors = floors;
        self.sources.release(lowest(floors));
    }

    /// The manifest lists `added` and no longer `removed`.
    pub(crate) fn replace_segments(&mut self, signal: Signal, added: Vec<Segment>, removed: &[Ulid]) {
        let hours = Arc::make_mut(&mut self.segments[schema::index(signal)]);
        if !removed.is_empty() {
            for segments in hours.values_mut() {
                let gone = segments.extract_if(.., |segment| removed.contains(&segment.id));
                self.graveyard.extend(gone.map(Unlisted::Segment));
            }
            hours.retain(|_, segments| !segments.is_empty());
        }
        for segment in added {
            hours.entry(segment.hour).or_default().push(Arc::new(segment));
        }
        self.touch();
    }

    /// The manifest lists `added` and no longer `removed`, and the ledger stands at `consumed`.
    pub(crate) fn replace_deltas(&mut self, added: Vec<Delta>, removed: &[Ulid], consumed: &[(Hour, u64)]) {
        let rollup = Arc::make_mut(&mut self.rollup);
        if !removed.is_empty() {
            for deltas in rollup.deltas.values_mut() {
                let gone = deltas.extract_if(.., |delta| removed.contains(&delta.id));
                self.graveyard.extend(gone.map(Unlisted::Delta));
            }
            rollup.deltas.retain(|_, deltas| !deltas.is_empty());
        }
        for delta in added {
            rollup.deltas.entry(delta.day).or_default().push(Arc::new(delta));
        }
        rollup.consumed.extend(consumed.iter().copied());
        self.touch();
    }

    /// The ledger no longer has these hours.
    pub(crate) fn forget_hours(&mut self, hours: &[Hour]) {
        let rollup = Arc::make_mut(&mut self.rollup);
        for hour in hours {
            rollup.consumed.remove(hour);
        }
        self.touch();
    }

    /// Drops the rows set apart of a table: they are in segments.
    pub(crate) fn thaw(&mut self, signal: Signal) {
        self.frozen[schema::index(signal)] = None;
        self.touch();
    }

    /// Bytes of rows in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        let frozen = self.frozen.iter().flatten().map(|frozen| frozen.table.bytes());
        self.active.iter().map(Table::bytes).chain(frozen).sum()
    }

    /// Everything visible now.
    pub(crate) fn snapshot(&mut self, make: impl FnOnce(&Self, u64) -> Snapshot) -> Snapshot {
        if let Some(snapshot) = &self.snapshot {
            return snapshot.clone();
        }
        let snapshot = make(self, self.version);
        self.snapshot = Some(snapshot.clone());
        snapshot
    }

    /// Takes the files out of the graveyard that no snapshot holds.
    pub(crate) fn unheld(&mut self) -> Vec<Unlisted> {
        self.graveyard
            .extract_if(.., |file| match file {
                // Nobody can get hold of one that only the graveyard holds.
                Unlisted::Segment(segment) => Arc::strong_count(segment) == 1,
                Unlisted::Delta(delta) => Arc::strong_count(delta) == 1,
            })
            .collect()
    }

    /// Puts files back whose removal failed.
    pub(crate) fn rebury(&mut self, files: Vec<Unlisted>) {
        self.graveyard.extend(files);
    }

    fn touch(&mut self) {
        self.version += 1;
        self.snapshot = None;
    }
}

/// The floor of the whole WAL.
pub(crate) fn lowest(floors: [u64; 4]) -> u64 {
    floors.into_iter().min().unwrap_or(0)
}
