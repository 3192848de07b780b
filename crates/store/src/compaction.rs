//! Merging the segments of one hour into fewer.
//!
//! Order: output written, synced, renamed, folder synced → one transaction {inputs out, output in} → the same under the
//! lock → inputs unlinked once no snapshot holds them. Only segments of one hour of one table are merged (W-2), the
//! multiset of rows is the same before and after (C-1, by checksum), and the output is sorted (C-3, by its writer).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parapet_signal::Signal;
use ulid::Ulid;

use crate::core::Core;
use crate::error::StoreError;
use crate::manifest::Change;
use crate::schema;
use crate::segment::{Segment, Writer, batches};

/// Segments merged at once: each holds one batch in memory.
const INPUTS: usize = 16;
/// Rows read from an input at once, and written at once.
const BATCH_ROWS: usize = 4 << 10;
/// Segments up to this size are of similar size, whatever the ratio.
const SMALL_BYTES: u64 = 1 << 20;

impl Core {
    /// Merges the segments of one hour that needs it; `false` if none does. Durable when this returns.
    pub(crate) fn compact(&self) -> Result<bool, StoreError> {
        for signal in Signal::ALL {
            let segments = Arc::clone(&self.state().segments[schema::index(signal)]);
            let Some(inputs) = segments.values().find_map(|hour| self.choose(hour)) else { continue };
            let output = self.merge(&inputs)?;
            let removed: Vec<Ulid> = inputs.iter().map(|segment| segment.id).collect();
            let change = Change { add: vec![output.clone()], remove: removed.clone(), ..Change::default() };
            self.publish(&change, |state| state.replace_segments(signal, vec![output], &removed))?;
            self.metrics.compacted(removed.len());
            return Ok(true);
        }
        Ok(false)
    }

    /// The smallest segments of an hour, as long as each is of a size similar to those before it together: a large one
    /// is not rewritten for the sake of a few rows.
    fn choose(&self, hour: &[Arc<Segment>]) -> Option<Vec<Arc<Segment>>> {
        let mut small: Vec<_> =
            hour.iter().filter(|segment| segment.bytes < self.config.compaction_max_bytes).collect();
        small.sort_by_key(|segment| (segment.bytes, segment.id));
        let mut bytes = 0;
        let similar =
            small.into_iter().take(INPUTS.max(self.config.compaction_segments)).take_while(|segment| {
                let fits = segment.bytes <= SMALL_BYTES.max(2 * bytes);
                bytes += segment.bytes;
                fits
            });
        let inputs: Vec<_> = similar.map(Arc::clone).collect();
        (inputs.len() >= self.config.compaction_segments).then_some(inputs)
    }

    fn merge(&self, inputs: &[Arc<Segment>]) -> Result<Segment, StoreError> {
        let (signal, hour) = (inputs[0].signal, inputs[0].hour);
        if inputs.iter().any(|input| (input.signal, input.hour) != (signal, hour)) {
            return Err(StoreError::damaged(&inputs[0].path, "merge of different hours was asked for"));
        }
        let mut writer = Writer::create(&*self.fs, &self.dir, signal, hour, self.new_id())?;
        if let Err(error) = self.merge_into(inputs, &mut writer) {
            writer.abandon();
            return Err(error);
        }
        let sums = inputs
            .iter()
            .fold((0, 0u64), |(rows, sum), input| (rows + input.rows, sum.wrapping_add(input.checksum)));
        if writer.sums() != sums {
            writer.abandon();
            return Err(StoreError::damaged(
                &inputs[0].path,
                "merged rows differ from the rows of the manifest",
            ));
        }
        writer.finish()
    }

    fn merge_into(&self, inputs: &[Arc<Segment>], writer: &mut Writer<'_>) -> Result<(), StoreError> {
        let mut readers = Vec::new();
        for input in inputs {
            readers.push(batches(&*self.fs, &input.path, None, BATCH_ROWS)?);
        }
        let mut merge = Merge::new(readers)?;
        while let Some(rows) = merge.next_batch()? {
            writer.push(&rows)?;
        }
        Ok(())
    }
}

/// Merges sorted inputs, newest rows first.
struct Merge<I> {
    inputs: Vec<I>,
    /// The batches in use; an input's current one is the last that `heads` names.
    batches: Vec<RecordBatch>,
    heads: BinaryHeap<Head>,
}

/// The next row of an input.
#[derive(PartialEq, Eq)]
struct Head {
    ts: i64,
    seq: u64,
    input: usize,
    batch: usize,
    row: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.ts, self.seq).cmp(&(other.ts, other.seq)).then(other.input.cmp(&self.input))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<I: Iterator<Item = Result<RecordBatch, ArrowError>>> Merge<I> {
    fn new(inputs: Vec<I>) -> Result<Self, ArrowError> {
        let mut merge = Self { inputs, batches: Vec::new(), heads: BinaryHeap::new() };
        for input in 0..merge.inputs.len() {
            merge.advance(input)?;
        }
        Ok(merge)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let mut rows = Vec::with_capacity(BATCH_ROWS);
        while rows.len() < BATCH_ROWS
            && let Some(head) = self.heads.pop()
        {
            rows.push((head.batch, head.row));
            match head.row + 1 {
                row if row < self.batches[head.batch].num_rows() => self.push(head.input, head.batch, row),
                _ => self.advance(head.input)?,
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<_> = self.batches.iter().collect();
        let merged = interleave_record_batch(&batches, &rows)?;
        self.drop_used_batches();
        Ok(Some(merged))
    }

    /// Reads the next batch of an input that is used up.
    fn advance(&mut self, input: usize) -> Result<(), ArrowError> {
        for batch in self.inputs[input].by_ref() {
            let batch = batch?;
            if batch.num_rows() > 0 {
                self.batches.push(batch);
                self.push(input, self.batches.len() - 1, 0);
                break;
            }
        }
        Ok(())
    }

    fn push(&mut self, input: usize, batch: usize, row: usize) {
        let rows = &self.batches[batch];
        let ts = rows.column(0).as_primitive::<TimestampMicrosecondType>().value(row);
        let seq = rows.column(1).as_primitive::<UInt64Type>().value(row);
        self.heads.push(Head { ts, seq, input, batch, row });
    }

    fn drop_used_batches(&mut self) {
        let mut kept = Vec::new();
        let mut heads: Vec<_> = std::mem::take(&mut self.heads).into_vec();
        for head in &mut heads {
            kept.push(self.batches[head.batch].clone());
            head.batch = kept.len() - 1;
        }
        self.batches = kept;
        self.heads = heads.into();
    }
}
