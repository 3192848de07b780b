//! Why a listener could not be opened.

use std::io;
use std::net::SocketAddr;

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address could not be bound.
    #[error("listening on {address} failed")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ListenError {
    /// Whether another process holds the address, so that a different port would do.
    pub fn is_address_in_use(&self) -> bool {
        match self {
            Self::Bind { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
        }
    }
}
