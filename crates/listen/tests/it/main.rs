//! Listeners over real sockets on loopback.

mod bounds;
mod http;
mod shutdown;
mod world;
