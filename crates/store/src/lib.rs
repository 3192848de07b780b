//! Rows of telemetry on disk: a write-ahead log, hourly segments, one manifest that says which of them count, and hourly
//! rollups that late rows cannot spoil. It does not know HTTP, SQL, or where the rows come from.
//!
//! ```text
//! data/
//!   LOCK                          locked while a process has the folder; holds its id
//!   meta.redb                     the manifest: the one commit point
//!   wal/<n>.wal                   acknowledged rows, newest last; released once they are in segments
//!   t/<table>/<hour>/<ulid>.seg   Parquet, one hour of one table
//!   r/<rollup>/<day>/<ulid>.seg   Parquet, partial states of one day
//!   quarantine/                   what failed a check; never removed by us
//! ```
//!
//! Invariants, by the ids that tests and comments use:
//! - **D-1** A row that was acknowledged is there after any crash.
//! - **D-2** A delivery is applied at most once per source and position.
//! - **D-3** What is visible is what the manifest lists and what is in memory; never what a folder holds.
//! - **W-1** A segment holds one hour of one table. **W-2** Nothing is merged across hours.
//! - **C-1** Compaction keeps the multiset of rows. **C-2** The bounds of `seq` in the manifest are exact.
//!   **C-3** A segment is sorted by `ts`, then `seq`, both descending.
//! - **R-1** The deltas of an hour are the aggregate of its rows with `seq` up to the ledger.
//!   **R-2** Deltas and ledger change in one transaction. **R-3** Rows of an hour are dropped only once all are counted.
//! - **Q-1** (`ts`, `seq`) orders all rows of a table, and a row keeps its `seq` for good.
//!
//! What a crash leaves, by the step after which it comes:
//!
//! | in | after | left | at the next start |
//! |---|---|---|---|
//! | delivery | frame partly written | a torn tail | cut and counted; it was not acknowledged |
//! | delivery | group synced | frames above the floor | replayed, acknowledged or not |
//! | flush, compaction, rollup | `*.seg.tmp` written | an orphan | removed |
//! | flush, compaction, rollup | renamed | an orphan | removed; the rows are in the WAL or in the inputs |
//! | flush | transaction | WAL files below the floor | skipped by `seq`, released |
//! | compaction, rollup merge | transaction | inputs that nobody lists | removed as orphans |
//! | retention | transaction | files that nobody lists | removed as orphans |
//! | start | any | – | every step can be repeated |
//!
//! A transaction that fails leaves it open whether it is on disk: the store then takes nothing more until a restart has
//! read the manifest again.

mod background;
mod compaction;
mod config;
mod core;
mod deliver;
mod encode;
mod error;
mod flush;
mod lock;
mod maintenance;
mod manifest;
mod memtable;
mod metrics;
mod payload;
mod recovery;
mod retention;
mod rollup;
mod schema;
mod segment;
mod sketch;
mod snapshot;
mod sources;
mod state;
mod status;
mod store;
mod time;
mod verify;

pub use config::{Config, RetentionDays};
pub use error::{Remedy, StoreError};
pub use metrics::Metrics;
pub use recovery::Recovery;
pub use rollup::{TrafficHour, TrafficKey};
pub use schema::{INGEST_TS, SEQ, TS, schema};
pub use segment::Segment;
pub use sketch::{RELATIVE_ERROR, Sketch};
pub use snapshot::{HourSlice, Snapshot};
pub use status::{RefusedStatus, SignalStatus, Status};
pub use store::{Options, Store};
pub use time::{Clock, Day, Hour, SystemClock, TimeRange};
pub use verify::{Finding, Report, verify};
