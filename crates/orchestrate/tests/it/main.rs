//! Decisions, case by case and in a simulated cluster.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod cases;
mod simulation;
