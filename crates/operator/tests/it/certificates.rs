//! Certificates as a function of what was read and of the time: what is made, kept, renewed, re-issued and handed over.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod custom;
mod deaths;
mod http;
mod sequences;
mod succession;
mod transport;
pub(crate) mod world;
