//! The demo as a whole: real requests over TLS, its files, and its OTLP, received by a scripted endpoint.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod formats;
mod identity;
mod receiver;
mod system;
