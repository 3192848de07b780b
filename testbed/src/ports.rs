//! Ports for programs that must be told theirs.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use anyhow::{Result, bail};
use rand::Rng as _;

/// Below Linux's range of ephemeral ports (32768 and up), so that nobody who asks for port 0 gets one in between.
const RANGE: Range<u16> = 20_000..32_000;
/// So many taken ports in a row mean that something else is wrong.
const TRIES: usize = 200;

/// A port of 127.0.0.1 that was free a moment ago. Another process may be quicker; the caller's program then says so.
pub fn free_port() -> Result<u16> {
    for _ in 0..TRIES {
        let port = rand::rng().random_range(RANGE);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port found in {RANGE:?}")
}
