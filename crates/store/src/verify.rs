//! Reading a data folder through, without changing it: every checksum, every bound, every promise of the manifest.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use arrow::array::AsArray as _;
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use arrow::record_batch::RecordBatch;
use parapet_fs::Fs;
use parapet_signal::Signal;
use serde::Serialize;

use crate::error::StoreError;
use crate::lock::Lock;
use crate::manifest::{Contents, Manifest};
use crate::recovery::segment_files;
use crate::rollup::{Delta, States, add_rows};
use crate::segment::{Segment, batches, checksum};
use crate::state::lowest;
use crate::time::Hour;

/// Rows read at once.
const BATCH_ROWS: usize = 16 << 10;

/// What was read, and what was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Segments read.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rollup files read.
    pub rollup_files: u64,
    /// Frames in the WAL that a start would replay.
    pub wal_frames: u64,
    /// Rows in them.
    pub wal_rows: u64,
    /// Bytes of an unfinished write at the WAL's end, which a start would cut: normal after a crash.
    pub wal_torn_bytes: u64,
    /// Files that no transaction lists, which a start would remove: normal after a crash.
    pub orphans: u64,
    /// What is wrong. Empty: all is well.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The invariant that does not hold.
    pub invariant: &'static str,
    /// Where.
    pub path: String,
    /// What was found.
    pub what: String,
}

/// Reads everything and reports. `progress` is told (files read, files there are) after each file. The folder is
/// locked meanwhile. If a crash left the manifest's file unfinished, its library repairs it; nothing else is changed.
pub fn verify(fs: &dyn Fs, dir: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Report, StoreError> {
    let _lock = Lock::take(fs, dir)?;
    let contents = Manifest::open_existing(fs, dir)?.contents()?;
    let mut report = Report::default();
    let (mut done, total) = (0, (contents.segments.len() + contents.deltas.len()) as u64);
    let mut next = || {
        done += 1;
        progress(done, total);
    };
    for (id, reason) in &contents.lost {
        report.find("D-1", dir, format!("segment {id} was lost: {reason}"));
    }
    let mut counted = States::default();
    for segment in &contents.segments {
        report.segments += 1;
        let consumed = contents.ledger.get(&segment.hour).copied().unwrap_or(0);
        match read_segment(fs, segment, consumed, &mut counted) {
            Ok(findings) => report.findings.extend(findings),
            Err(error) => report.find("D-1", &segment.path, error.chain()),
        }
        report.rows += segment.rows;
        next();
    }
    let mut rollup = States::default();
    for delta in &contents.deltas {
        report.rollup_files += 1;
        read_delta(fs, delta, &mut rollup, &mut report);
        next();
    }
    compare(dir, &contents, counted, rollup, &mut report);
    let listed: HashSet<_> =
        contents.segments.iter().map(|s| &s.path).chain(contents.deltas.iter().map(|d| &d.path)).collect();
    report.orphans = segment_files(fs, dir)?.iter().filter(|path| !listed.contains(path)).count() as u64;

    let wal = parapet_wal::inspect(fs, &dir.join("wal"), lowest(contents.floors))?;
    report.wal_frames = wal.frames;
    report.wal_rows = wal.rows;
    report.wal_torn_bytes = wal.torn_bytes;
    if wal.missing_rows > 0 || wal.quarantined_files > 0 {
        let what = format!("{} damaged files, {} rows unreadable", wal.quarantined_files, wal.missing_rows);
        report.find("D-1", &dir.join("wal"), what);
    }
    Ok(report)
}

impl Report {
    fn find(&mut self, invariant: &'static str, path: &Path, what: impl Into<String>) {
        self.findings.push(Finding { invariant, path: path.display().to_string(), what: what.into() });
    }
}

/// Compares a segment with its row in the manifest, and counts what the rollup should have counted of it.
fn read_segment(
    fs: &dyn Fs,
    segment: &Segment,
    consumed: u64,
    counted: &mut States,
) -> Result<Vec<Finding>, StoreError> {
    let mut found = Vec::new();
    let mut find = |invariant, what: String| {
        found.push(Finding { invariant, path: segment.path.display().to_string(), what });
    };
    let (mut rows, mut sum) = (0, 0u64);
    let mut bounds: Option<((i64, i64), (u64, u64))> = None;
    let last: Cell<Option<(i64, u64)>> = Cell::new(None);
    let (mut sorted, mut one_hour) = (true, true);
    for batch in batches(fs, &segment.path, None, BATCH_ROWS)? {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        sum = sum.wrapping_add(checksum(&batch)?);
        for (ts, seq) in order(&batch) {
            sorted &= last.replace(Some((ts, seq))).is_none_or(|last| last > (ts, seq));
            one_hour &= Hour::of_micros(ts) == segment.hour;
            let ((ts_min, ts_max), (lo, hi)) = bounds.unwrap_or(((ts, ts), (seq, seq)));
            bounds = Some(((ts_min.min(ts), ts_max.max(ts)), (lo.min(seq), hi.max(seq))));
        }
        if segment.signal == Signal::Traffic {
            // Rows above the ledger are no concern of the rollup; those below must be in it.
            let below = below(&batch, consumed)?;
            add_rows(counted, &below, 0);
        }
    }
    if (rows, sum) != (segment.rows, segment.checksum) {
        find(
            "D-1",
            format!(
                "{rows} rows with checksum {sum:016x} instead of {} with {:016x}",
                segment.rows, segment.checksum
            ),
        );
    }
    if bounds != Some(((segment.ts_min, segment.ts_max), (segment.seq_lo, segment.seq_hi))) {
        find("C-2", "other bounds of ts and seq than the manifest has".to_owned());
    }
    if !one_hour {
        find("W-1", "rows of another hour".to_owned());
    }
    if !sorted {
        find("C-3", "rows are not sorted".to_owned());
    }
    Ok(found)
}

fn order(batch: &RecordBatch) -> impl Iterator<Item = (i64, u64)> {
    let ts = batch.column(0).as_primitive::<TimestampMicrosecondType>().values();
    let seq = batch.column(1).as_primitive::<UInt64Type>().values();
    ts.iter().copied().zip(seq.iter().copied())
}

fn below(batch: &RecordBatch, consumed: u64) -> Result<RecordBatch, StoreError> {
    let seq = batch.column(1).as_primitive::<UInt64Type>();
    let mask = seq.values().iter().map(|seq| Some(*seq <= consumed)).collect();
    Ok(arrow::compute::filter_record_batch(batch, &mask)?)
}

fn read_delta(fs: &dyn Fs, delta: &Delta, rollup: &mut States, report: &mut Report) {
    match delta.read(fs) {
        Ok(states) => {
            if states.iter().any(|state| state.key.hour.day() != delta.day) {
                report.find("W-2", &delta.path, "states of another day");
            }
            states.iter().for_each(|state| rollup.merge(state));
        }
        Err(error) => report.find("R-1", &delta.path, error.chain()),
    }
}

/// The rollup of every hour whose rows are still there must be what its rows add up to.
fn compare(dir: &Path, contents: &Contents, counted: States, rollup: States, report: &mut Report) {
    let mut hours: BTreeMap<Hour, [Vec<_>; 2]> = BTreeMap::new();
    for state in counted.into_sorted() {
        hours.entry(state.key.hour).or_default()[0].push(state);
    }
    for state in rollup.into_sorted() {
        // Rows that were dropped leave their rollup behind, and no entry in the ledger.
        if contents.ledger.contains_key(&state.key.hour) {
            hours.entry(state.key.hour).or_default()[1].push(state);
        }
    }
    let lossy = !contents.lost.is_empty();
    for (hour, [counted, rollup]) in hours {
        if counted != rollup && !lossy {
            report.find("R-1", dir, format!("the rollup of hour {hour} is not what its rows add up to"));
        }
    }
}
