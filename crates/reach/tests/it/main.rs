//! The engine against a naive oracle, against tables, and against laws that any right answer obeys.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod decoding;
mod laws;
mod oracle;
mod random;
mod same_as_oracle;
