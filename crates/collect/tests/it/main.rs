//! Sources against real sockets and real files, with a sink that records what it is given.

mod files;
mod host;
mod otlp_grpc;
mod otlp_http;
mod support;
