//! Listeners that speak HTTP/1.1 and HTTP/2 over TLS, with a bound on everything that a stranger can make them hold.
//! It does not know what is served or who may ask: that is the service's matter, and there is no listener without TLS.
//!
//! A service finds its peer's address in the request's extensions, as a [`std::net::SocketAddr`].

mod connection;
mod error;
mod handshake;
mod limits;
mod listener;
mod metrics;
mod serve;
mod unread;

pub use error::ListenError;
pub use limits::Limits;
pub use listener::Listener;
pub use metrics::Metrics;
pub use serve::{Drained, serve};
pub use unread::RequestBody;
