//! The store and its providers through their public faces: scripted, on real files, over real sockets.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[cfg(feature = "kubernetes")]
mod api_server;
mod file;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod leak;
mod scripted;
mod store;
mod vault;
mod world;
