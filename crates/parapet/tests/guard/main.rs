//! The guard in front of a real endpoint, asking a real API server, used by real clients: the binary as pods run it.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod access;
mod cert;
mod compatibility;
mod curl;
mod fails;
mod flags;
mod identity;
mod load;
mod paths;
mod process;
mod prometheus;
mod recipe;
mod rules;
mod tls;
mod upstream;
mod world;
