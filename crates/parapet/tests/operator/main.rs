//! The operator as it is installed: its chart and manifests on a real API server, and the binary as pods run it.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod answers;
mod asked;
mod chart;
mod configuration;
mod installed;
mod log;
mod manifests;
mod metrics;
mod rights;
mod takeover;
mod world;
