//! Hourly traffic as mergeable partial states, driven by row numbers.
//!
//! The ledger says for each hour up to which `seq` its rows are counted in delta files: `consumed(hour)`. Late rows have
//! higher numbers, so they become one more small delta and nothing is recomputed; whoever reads merges the deltas with the
//! rows above the ledger. A delta and the ledger change in one transaction.

mod cache;
mod delta;
mod rows;
mod state;
mod worker;

pub(crate) use cache::{DeltaCache, Known};
pub(crate) use delta::Delta;
pub(crate) use rows::{COLUMNS, add_rows};
pub(crate) use state::States;
pub use state::{TrafficHour, TrafficKey};
pub(crate) use worker::due;
