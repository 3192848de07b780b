//! Reconciles the Elastic kinds: read, validate, build, apply, status.
//! It doesn't know what the objects contain (`elastic` does) nor which node may go next (`orchestrate` does).

pub mod adopt;
pub mod certificates;
pub mod cluster;
pub mod controller;
pub mod elasticsearch;
pub mod endpoint;
pub mod events;
pub mod explain;
mod foreign;
mod key;
pub mod lease;
pub mod mesh;
pub mod metrics;
pub mod network;
mod odd;
pub mod pass;
pub mod queue;
pub mod rights;
pub mod run;
pub mod settings;
mod usage;
pub mod webhook;

pub use key::{ApplicationKey, ObjectKey};
pub use parapet_api::Kind;
