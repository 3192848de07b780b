//! The attacks that a gate must withstand, each through real sockets, with an upstream that records what reached it.
//! The ids are those of `docs/guard-attacks.md`, which is made of [`table`].

mod bodies;
mod credentials;
mod framing;
mod headers;
mod http2;
mod paths;
mod queries;
mod resources;
mod table;
mod upgrades;
