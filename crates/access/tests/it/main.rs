//! Accounts over a simulated disk and a clock that the test moves.

#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; helpers outside of test functions are not exempt by configuration"
)]

mod login;
mod secrets;
mod storage;
mod tokens;
mod world;
