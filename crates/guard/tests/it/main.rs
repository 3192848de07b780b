//! The gate through real sockets: clients that send what they like, an upstream that records what reached it, an API server
//! that answers as it is told.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod attacks;
mod audit;
mod decisions;
mod draining;
mod forwarding;
mod layer;
mod raw;
mod reference_faults;
mod reviews;
mod tls;
mod upstream;
mod world;
