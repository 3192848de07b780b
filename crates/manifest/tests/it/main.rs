//! Documents and their places: what is good, what is bad, and what is hostile.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod bad_input;
mod places;
mod sources;
