//! Rows from memory to segments.
//!
//! Order: rows set apart (still visible) → segments written, synced, renamed, folders synced → one transaction {segments,
//! floors, positions of sources} → under the lock, rows out and segments in → WAL files below the lowest floor released.

use arrow::record_batch::RecordBatch;
use parapet_signal::Signal;

use crate::core::Core;
use crate::error::StoreError;
use crate::manifest::Change;
use crate::segment::{Segment, write_rows};
use crate::state::{Frozen, lowest};

/// Rows in memory that become one segment at most; bounds what sorting copies.
const SEGMENT_BYTES: usize = 256 << 20;

impl Core {
    /// Writes the rows of a table that are in memory; `false` if there are none. Durable when this returns.
    pub(crate) fn flush(&self, signal: Signal) -> Result<bool, StoreError> {
        let Some(frozen) = self.state().freeze(signal) else { return Ok(false) };
        let started = self.now();
        let mut written = Vec::new();
        if let Err(error) = self.write_frozen(signal, &frozen, &mut written) {
            // Nothing was committed, so nobody reads these; a full disk needs their space back.
            for segment in &written {
                if let Err(error) = self.fs.remove_file(&segment.path) {
                    tracing::warn!(path = %segment.path.display(), %error, "orphan stays until the next start");
                }
            }
            return Err(error);
        }
        let (floors, sources) = {
            let state = self.state();
            let floors = state.floors_after(Some(signal));
            (floors, state.sources.below(lowest(floors)))
        };
        let rows: u64 = written.iter().map(|segment| segment.rows).sum();
        let change = Change { add: written.clone(), floors: Some(floors), sources, ..Change::default() };
        self.publish(&change, |state| {
            state.thaw(signal);
            state.replace_segments(signal, written, &[]);
            state.set_floors(floors);
        })?;
        self.metrics.flushed(signal, rows, self.now().0.saturating_sub(started.0));
        tracing::debug!(table = signal.name(), rows, "rows flushed to segments");
        Ok(true)
    }

    fn write_frozen(
        &self,
        signal: Signal,
        frozen: &Frozen,
        written: &mut Vec<Segment>,
    ) -> Result<(), StoreError> {
        for (hour, part) in frozen.table.hours() {
            for batches in pieces(part.batches()) {
                let id = self.new_id();
                written.push(write_rows(&*self.fs, &self.dir, signal, *hour, id, batches)?);
            }
        }
        Ok(())
    }
}

/// Cuts batches into runs of a bounded size.
fn pieces(mut batches: &[RecordBatch]) -> impl Iterator<Item = &[RecordBatch]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = batches.iter().take_while(|batch| {
            bytes += batch.get_array_memory_size();
            bytes <= SEGMENT_BYTES
        });
        let (piece, rest) = batches.split_at(fits.count().max(1).min(batches.len()));
        batches = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
