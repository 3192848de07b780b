//! Own telemetry from `tracing` to a sink, in one process.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod delivery;
mod feedback;
mod records;
mod scrape;
mod support;
