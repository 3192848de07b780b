//! What the kinds are: what is read, refused, warned of, and the definitions made of the types.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod definitions;
mod objects;
mod reading;
mod refused;
mod unknown;
mod updates;
mod warned;
