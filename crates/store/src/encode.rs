//! Deliveries to columns: one pass over the records, each of which is kept whole or refused with a reason.
//!
//! This is the hot path of ingestion. What a group's records share (the resource's JSON, its names) is computed and
//! interned once a group; texts go through one scratch buffer into their column.

mod json;
mod logs;
mod metrics;
mod shared;
mod spans;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use parapet_signal::{Batch, Refusal, RefusedRows, Signal, UnixNanos};

use crate::schema;
use crate::time::Hour;

/// How far in the future a row may lie: more than clocks differ, less than would blur which hours are over.
const FUTURE: Duration = Duration::from_secs(3600);

/// Bytes of a row's numbers, offsets and dictionary keys: what a row without text costs.
const ROW_BYTES: usize = 128;

/// What rows are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Now; also the rows' `ingest_ts`.
    pub(crate) now: UnixNanos,
    /// How long the table keeps rows.
    pub(crate) retention: Duration,
    /// Largest row, counted as its text.
    pub(crate) row_bytes: usize,
    /// Most bytes of all rows together; rows beyond it are refused as too large.
    pub(crate) delivery_bytes: usize,
}

/// A delivery as columns.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// The rows that are kept, in order of arrival, without `seq`.
    pub(crate) rows: RecordBatch,
    /// The rows that are not.
    pub(crate) refused: Vec<RefusedRows>,
}

/// Turns a delivery into columns.
pub(crate) fn encode(batch: &Batch, limits: Limits) -> Result<Encoded, ArrowError> {
    let mut gate = Gate::new(limits, batch.len());
    let own = match batch {
        Batch::Logs(groups) => logs::encode(groups, &mut gate),
        Batch::Spans(groups) => spans::encode(groups, &mut gate),
        Batch::Metrics(groups) => metrics::encode(groups, &mut gate),
        Batch::Traffic(events) => traffic::encode(events, &mut gate),
    };
    gate.finish(batch.signal(), own)
}

/// Decides which rows are kept, and keeps the columns that every table has.
struct Gate {
    limits: Limits,
    latest: UnixNanos,
    bytes_left: usize,
    ts: TimestampMicrosecondBuilder,
    refused: [u64; Refusal::ALL.len()],
}

impl Gate {
    fn new(limits: Limits, rows: usize) -> Self {
        Self {
            limits,
            latest: limits.now.saturating_add(FUTURE),
            bytes_left: limits.delivery_bytes,
            ts: TimestampMicrosecondBuilder::with_capacity(rows),
            refused: [0; Refusal::ALL.len()],
        }
    }

    /// Keeps a row of that time and that much text, or counts why not. After `true` the caller appends all its columns.
    fn admits(&mut self, time: UnixNanos, bytes: usize) -> bool {
        let refusal = if time > self.latest {
            Refusal::InTheFuture
        } else if Hour::of(time).expired(self.limits.now, self.limits.retention) {
            Refusal::OlderThanRetention
        } else if bytes > self.limits.row_bytes || bytes + ROW_BYTES > self.bytes_left {
            Refusal::TooLarge
        } else {
            self.bytes_left -= bytes + ROW_BYTES;
            self.ts.append_value(time.micros());
            return true;
        };
        let at = Refusal::ALL.iter().position(|known| *known == refusal).expect("every refusal is listed");
        self.refused[at] += 1;
        false
    }

    /// Counts text that the rows of a group share against the delivery.
    fn charge(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }

    fn finish(mut self, signal: Signal, own: Vec<ArrayRef>) -> Result<Encoded, ArrowError> {
        let ts = self.ts.finish().with_timezone("UTC");
        let mut ingest = TimestampMicrosecondBuilder::with_capacity(ts.values().len());
        ingest.append_value_n(self.limits.now.micros(), ts.values().len());
        let mut columns: Vec<ArrayRef> = vec![Arc::new(ts), Arc::new(ingest.finish().with_timezone("UTC"))];
        columns.extend(own);
        let refused = Refusal::ALL
            .into_iter()
            .zip(self.refused)
            .filter(|(_, rows)| *rows > 0)
            .map(|(refusal, rows)| RefusedRows { refusal, rows })
            .collect();
        Ok(Encoded { rows: RecordBatch::try_new(schema::unnumbered_schema(signal), columns)?, refused })
    }
}

/// A column of strings that repeat.
#[derive(Default)]
struct Names(StringDictionaryBuilder<Int32Type>);

impl Names {
    fn push(&mut self, text: &str) {
        self.0.append_option(none_if_empty(text));
    }

    fn push_option(&mut self, text: Option<&str>) {
        self.0.append_option(text.and_then(none_if_empty));
    }

    fn push_n(&mut self, text: Option<&str>, rows: usize) {
        self.0.append_options(text.and_then(none_if_empty), rows);
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// A column of strings that rarely repeat.
#[derive(Default)]
struct Texts(StringBuilder);

impl Texts {
    fn push(&mut self, text: &str) {
        self.0.append_option(none_if_empty(text));
    }

    fn push_option(&mut self, text: Option<&str>) {
        self.0.append_option(text.and_then(none_if_empty));
    }

    fn push_hex(&mut self, id: Option<&[u8]>) {
        // The longest id, a trace's, has 16 bytes.
        let mut hex = [0; 32];
        match id.and_then(|id| {
            let hex = hex.get_mut(..2 * id.len())?;
            hex::encode_to_slice(id, hex).ok()?;
            str::from_utf8(hex).ok()
        }) {
            Some(hex) => self.0.append_value(hex),
            None => self.0.append_null(),
        }
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

fn none_if_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
