//! One immutable file of rows: one hour of one table (W-1), sorted newest first (C-3).
//!
//! ```text
//! t/<table>/<hour>/<ulid>.seg   Parquet: zstd 1, row groups of 128 Ki rows, pages of at most 8 Ki, page index on
//! ```
//! `ts` and `seq` are DELTA_BINARY_PACKED, names dictionaries; `trace_id`, `correlation_id` and `k8s_pod_name` have bloom
//! filters; the sort order is declared. The footer's keys (`parapet.*`) hold everything that the manifest's row holds, so
//! that the manifest could be rebuilt from the files.

mod checksum;
mod read;
mod write;

use std::path::{Path, PathBuf};

use parapet_signal::Signal;
use ulid::Ulid;

use crate::time::Hour;

pub(crate) use checksum::checksum;
pub(crate) use read::batches;
pub(crate) use write::{Writer, ensure_folder, write_rows};

/// A segment that the manifest lists: Parquet, sorted by `ts` and `seq`, both descending.
/// The file stays as long as any snapshot holds this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its name.
    pub id: Ulid,
    /// Its file.
    pub path: PathBuf,
    /// Its table.
    pub signal: Signal,
    /// The hour of all its rows.
    pub hour: Hour,
    /// Bytes of the file.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// Earliest event time, microseconds.
    pub ts_min: i64,
    /// Latest event time, microseconds.
    pub ts_max: i64,
    /// Lowest row number.
    pub seq_lo: u64,
    /// Highest row number.
    pub seq_hi: u64,
    /// Sum over all rows of a hash of each row's values: the same for the same rows in any order and file.
    pub checksum: u64,
}

/// The folder of the segments of one hour of one table.
pub(crate) fn folder(dir: &Path, signal: Signal, hour: Hour) -> PathBuf {
    dir.join("t").join(signal.name()).join(hour.to_string())
}

/// The file of one segment.
pub(crate) fn file(dir: &Path, signal: Signal, hour: Hour, id: Ulid) -> PathBuf {
    folder(dir, signal, hour).join(format!("{id}.seg"))
}
