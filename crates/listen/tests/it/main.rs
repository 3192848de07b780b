//! Listeners over real sockets on loopback.

#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; helpers outside of test functions are not exempt by configuration"
)]

mod bounds;
mod http;
mod shutdown;
mod unread;
mod world;
