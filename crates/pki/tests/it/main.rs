//! Certificates as they are used: in folders that break, and in handshakes over the loopback.

mod folder;
mod handshake;
