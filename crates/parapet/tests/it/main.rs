//! The binary as a person runs it: `up`, its client commands, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod demo;
mod gate;
mod given;
mod itself;
mod password;
mod refused;
mod secrets;
mod twice;
mod world;
