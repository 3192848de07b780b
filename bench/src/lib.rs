//! Drives a running Parapet from outside, as a client: load, crashes, other people's clients, comparison with peers.
//!
//! It doesn't know how the server works inside: what it claims to measure or prove, it sees over the network and in `/proc`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line driver")]

pub mod client;
pub mod crash;
pub mod guard;
pub mod ingest;
pub mod lines;
pub mod operator;
pub mod otlp;
pub mod page;
pub mod peer;
pub mod report;
pub mod sdk;
pub mod server;
pub mod tail;
pub mod usage;
