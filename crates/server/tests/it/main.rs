//! The API over real TLS, with a real store, engine and accounts in a temporary folder.

#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; helpers outside of test functions are not exempt by configuration"
)]

mod bodies;
mod follow;
mod headers;
mod health;
mod openapi;
mod parameters;
mod posture;
mod reading;
mod scopes;
mod session;
mod sql;
mod tokens;
mod world;
