//! Queries against a real store on a real disk, with rows in memory, in segments, and in both.

mod harness;
mod logs;
mod metrics;
mod sql;
mod traces;
mod traffic;
