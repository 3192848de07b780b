//! The two file systems against each other, and the simulated one against its promises.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod durable;
mod power;
mod redb;
mod same;
