//! Rules against their fixtures, patches, suppression and reports.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod examples;
mod fixing;
mod fixtures;
mod live;
mod narrowing;
mod pages;
mod patches;
mod proposals;
mod pss;
mod published;
mod reports;
mod suppression;
