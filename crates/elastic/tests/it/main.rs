//! Tests of `parapet-elastic`.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod adoption;
mod api_server;
mod association;
mod built;
mod claims;
mod compare;
mod config;
mod disruption;
mod files;
mod given;
mod monitoring;
mod pods;
mod policy;
mod services;
mod snapshots;
mod takeover;
mod template;
mod users;
