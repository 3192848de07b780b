//! Certificates as they are used: in folders that break, and in handshakes over the loopback.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod folder;
mod handshake;
