//! The store from outside: what it acknowledges is found again, once, whatever happens.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure")]

mod durability;
mod harness;
mod housekeeping;
mod limits;
mod simulation;
