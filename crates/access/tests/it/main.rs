//! Accounts over a simulated disk and a clock that the test moves.

mod login;
mod secrets;
mod storage;
mod tokens;
mod world;
