//! Tests of `parapet-elastic`.

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
mod pods;
mod services;
mod snapshots;
mod takeover;
mod template;
mod users;
