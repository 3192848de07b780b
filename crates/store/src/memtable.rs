//! Rows that are in the WAL and in no segment yet, by table and hour.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parapet_signal::{Signal, UnixNanos};

use crate::schema::{schema, unnumbered_schema};
use crate::time::Hour;

/// So many small batches in a row become one. With the two sizes below, a row is copied some 16 times at worst (when
/// every delivery is one row), and a part has at most 2 × 16 small batches.
const FANOUT: usize = 16;

/// Batches below these numbers of rows are small.
const SMALL_ROWS: [usize; 2] = [256, 4096];

/// The rows of one delivery that belong to one hour.
#[derive(Clone, Debug)]
pub(crate) struct HourRows {
    pub(crate) hour: Hour,
    /// Without `seq`.
    rows: RecordBatch,
    /// Where the rows stood in the delivery; `None` if they are all of it.
    positions: Option<UInt32Array>,
}

impl HourRows {
    /// Splits a delivery, without `seq`, by the hour of its rows.
    pub(crate) fn split(delivery: RecordBatch) -> Result<Vec<Self>, ArrowError> {
        let ts = delivery.column(0).as_primitive::<TimestampMicrosecondType>();
        let mut hours: BTreeMap<Hour, Vec<u32>> = BTreeMap::new();
        let bounds = ts.values().iter().fold(None, |bounds, ts| {
            let hour = Hour::of_micros(*ts);
            Some(bounds.map_or((hour, hour), |(min, max): (Hour, Hour)| (min.min(hour), max.max(hour))))
        });
        if let Some((hour, same)) = bounds
            && hour == same
        {
            return Ok(vec![Self { hour, rows: delivery, positions: None }]);
        }
        for (position, ts) in (0u32..).zip(ts.values()) {
            hours.entry(Hour::of_micros(*ts)).or_default().push(position);
        }
        hours
            .into_iter()
            .map(|(hour, positions)| {
                let positions = UInt32Array::from(positions);
                let rows = take_record_batch(&delivery, &positions)?;
                Ok(Self { hour, rows, positions: Some(positions) })
            })
            .collect()
    }

    /// Bytes it holds in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.get_array_memory_size()
    }

    /// The latest event time, microseconds.
    pub(crate) fn newest(&self) -> Option<i64> {
        arrow::compute::max(self.rows.column(0).as_primitive::<TimestampMicrosecondType>())
    }

    /// The rows with their numbers, the first row of the delivery having `first_seq`.
    fn number(self, first_seq: u64) -> RecordBatch {
        let seq: UInt64Array = match &self.positions {
            None => (first_seq..).take(self.rows.num_rows()).collect(),
            Some(positions) => positions.values().iter().map(|at| first_seq + u64::from(*at)).collect(),
        };
        let mut columns: Vec<ArrayRef> = self.rows.columns().to_vec();
        columns.insert(1, Arc::new(seq));
        let signal = Signal::ALL.into_iter().find(|s| *self.rows.schema_ref() == unnumbered_schema(*s));
        let numbered =
            schema(signal.expect("rows come from `encode` or `payload`, which use the tables' schemas"));
        RecordBatch::try_new(numbered, columns)
            .expect("the schema is that of the rows with `seq` as second column")
    }
}

/// The rows of one hour, in order of `seq`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Part {
    /// The rows as batches, in order of `seq`.
    pub(crate) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    fn push(&mut self, batch: RecordBatch) {
        self.bytes += batch.get_array_memory_size();
        self.batches.push(batch);
        for small in SMALL_ROWS {
            let tail = self.batches.iter().rev().take_while(|batch| batch.num_rows() < small).count();
            if tail >= FANOUT {
                let many = &self.batches[self.batches.len() - tail..];
                // Could only fail for more text than a column holds; the batches then stay apart.
                let Ok(one) = concat_batches(many[0].schema_ref(), many) else { return };
                let before: usize = many.iter().map(RecordBatch::get_array_memory_size).sum();
                self.bytes = self.bytes - before + one.get_array_memory_size();
                self.batches.truncate(self.batches.len() - tail);
                self.batches.push(one);
            }
        }
    }
}

/// The rows of one table, by hour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    hours: BTreeMap<Hour, Part>,
    /// When the oldest of the rows came in.
    pub(crate) since: Option<UnixNanos>,
    /// Number of the oldest of the rows.
    pub(crate) first_seq: Option<u64>,
}

impl Table {
    /// Takes the rows of a delivery whose first row has `first_seq`; numbers rise from call to call.
    pub(crate) fn insert(&mut self, rows: Vec<HourRows>, first_seq: u64, now: UnixNanos) {
        for rows in rows {
            self.hours.entry(rows.hour).or_default().push(rows.number(first_seq));
        }
        self.since.get_or_insert(now);
        self.first_seq.get_or_insert(first_seq);
    }

    /// Whether it holds no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// Bytes it holds in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.hours.values().map(|part| part.bytes).sum()
    }

    /// Its rows by hour.
    pub(crate) fn hours(&self) -> &BTreeMap<Hour, Part> {
        &self.hours
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::UInt64Type;
    use parapet_signal::{Batch, Grouped, LogRecord};
    use proptest::prelude::*;

    use super::*;
    use crate::encode::{Limits, encode};

    fn logs(hours: &[i64]) -> RecordBatch {
        let records = (0..).zip(hours).map(|(i, hour)| LogRecord {
            time: UnixNanos(Hour(*hour).start().0 + i * 1000),
            body: i.to_string().into(),
            ..LogRecord::default()
        });
        let group = Grouped { resource: Arc::default(), scope: Arc::default(), records: records.collect() };
        let limits = Limits {
            now: Hour(100).start(),
            retention: std::time::Duration::from_secs(1 << 30),
            row_bytes: 1 << 20,
            delivery_bytes: 1 << 20,
        };
        encode(&Batch::Logs(vec![group]), limits).unwrap().rows
    }

    fn seqs(part: &Part) -> Vec<u64> {
        part.batches()
            .iter()
            .flat_map(|b| b.column(1).as_primitive::<UInt64Type>().values().to_vec())
            .collect()
    }

    #[test]
    fn rows_keep_the_number_of_their_place_in_the_delivery() {
        let mut table = Table::default();
        table.insert(HourRows::split(logs(&[7, 5, 7, 5, 5])).unwrap(), 10, UnixNanos(0));
        assert_eq!(seqs(&table.hours()[&Hour(5)]), [11, 13, 14]);
        assert_eq!(seqs(&table.hours()[&Hour(7)]), [10, 12]);
    }

    proptest! {
        #[test]
        fn small_deliveries_are_put_together_and_nothing_is_lost(sizes in prop::collection::vec(1usize..40, 1..200)) {
            let mut table = Table::default();
            let mut next = 1;
            for size in sizes {
                table.insert(HourRows::split(logs(&vec![3; size])).unwrap(), next, UnixNanos(0));
                next += size as u64;
            }
            let part = &table.hours()[&Hour(3)];
            prop_assert_eq!(seqs(part), (1..next).collect::<Vec<_>>());
            prop_assert!(part.batches().len() <= 2 * FANOUT);
            let exact: usize = part.batches().iter().map(RecordBatch::get_array_memory_size).sum();
            prop_assert_eq!(table.bytes(), exact);
        }
    }
}
