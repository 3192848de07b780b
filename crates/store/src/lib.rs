//! Rows of telemetry on disk: a write-ahead log, hourly segments, one manifest that says which of them count, and hourly
//! rollups that late rows cannot spoil. It does not know HTTP, SQL, or where the rows come from.

mod config;
mod error;
mod rollup;
mod schema;
mod segment;
mod sketch;
mod snapshot;
mod store;
mod time;

pub use config::{Config, RetentionDays};
pub use error::{Remedy, StoreError};
pub use rollup::{TrafficHour, TrafficKey};
pub use schema::{INGEST_TS, SEQ, TS, schema};
pub use segment::Segment;
pub use sketch::{RELATIVE_ERROR, Sketch};
pub use snapshot::{HourSlice, Snapshot};
pub use store::{Options, Recovery, Store};
pub use time::{Clock, Day, Hour, SystemClock, TimeRange};
