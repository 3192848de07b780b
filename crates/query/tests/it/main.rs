//! Queries against a real store on a real disk, with rows in memory, in segments, and in both.

#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; helpers outside of test functions are not exempt by configuration"
)]

mod harness;
mod logs;
mod metrics;
mod sql;
mod traces;
mod traffic;
