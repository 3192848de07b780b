//! The engine against a naive oracle, against tables, and against laws that any right answer obeys.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod decoding;
mod differences;
mod explained;
mod forms;
mod laws;
mod matrix;
mod mesh;
mod notes;
mod odd;
mod oracle;
mod pictures;
mod random;
mod redundant;
mod same_as_oracle;
mod small_world;
