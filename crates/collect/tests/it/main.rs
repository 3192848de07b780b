//! Sources against real sockets and real files, with a sink that records what it is given.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod files;
mod host;
mod otlp_grpc;
mod otlp_http;
mod support;
