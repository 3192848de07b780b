//! Hourly traffic as mergeable partial states, driven by row numbers.
//!
//! The ledger says for each hour up to which `seq` its rows are in delta files. Late rows have higher numbers, so they
//! become one more small delta and nothing is recomputed; whoever reads merges the deltas with the rows above the ledger.

mod state;

pub use state::{TrafficHour, TrafficKey};
