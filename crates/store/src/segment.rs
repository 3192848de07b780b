//! One immutable file of rows: one hour of one table, sorted newest first.

use std::path::PathBuf;

use parapet_signal::Signal;
use ulid::Ulid;

use crate::time::Hour;

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
