//! Policies from flows, over whole clusters.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod exact;
mod generate;
mod inferred;
mod observed;
mod presets;
mod proof;
mod render;
mod shop;
