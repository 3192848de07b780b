//! What one reader sees: a fixed set of segments, rows in memory and rollup files, whatever happens meanwhile.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use parapet_signal::Signal;

use crate::error::StoreError;
use crate::rollup::TrafficHour;
use crate::segment::Segment;
use crate::time::{Hour, TimeRange};

/// Everything visible at one moment. Cheap to clone; keeps the files of its segments alive.
#[derive(Clone, Debug)]
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

#[derive(Debug)]
struct Inner {
    version: u64,
}

impl Snapshot {
    /// Rises with every change of what is visible.
    pub fn version(&self) -> u64 {
        self.inner.version
    }

    /// The hours of a table that may hold rows in `range`, newest first.
    pub fn hours(&self, _signal: Signal, _range: &TimeRange) -> Vec<HourSlice> {
        Vec::new()
    }

    /// Traffic by hour and key, for the hours that `range` touches: exact, late rows and rows in memory included.
    pub fn traffic_hourly(&self, _range: &TimeRange) -> Result<Vec<TrafficHour>, StoreError> {
        Ok(Vec::new())
    }

    pub(crate) fn empty() -> Self {
        Self { inner: Arc::new(Inner { version: 0 }) }
    }
}
