//! The log on disks that work, fail, fill up, lose power, and lie.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

mod basics;
mod bounds;
mod crash;
mod damage;
mod failure;
mod group;
