//! Certificates as they are used: in folders that break, in handshakes over the loopback, from files that others replace,
//! and while authorities rotate.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod asking;
mod clients;
mod folder;
mod handshake;
mod inspect;
mod issued;
mod phases;
mod power;
mod reload;
mod rotating;
mod signer;
mod wire;
