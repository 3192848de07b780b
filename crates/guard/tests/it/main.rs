//! The gate through real sockets: clients that send what they like, an upstream that records what reached it, an API server
//! that answers as it is told.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod attacks;
mod decisions;
mod raw;
mod reviews;
mod upstream;
mod world;
