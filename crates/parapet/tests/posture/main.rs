//! The commands that compute over manifests, as people and CI call them.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod audit;
mod bad_input;
mod certificates;
mod examples;
mod live;
mod policy;
mod reach;
mod run;
