//! Addresses as users write them, bound.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use parapet_guard::settings::ListenAddress;

/// Where it listens.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Bound {
    pub(super) secure: Option<SocketAddr>,
    pub(super) insecure: Option<SocketAddr>,
    pub(super) health: Option<SocketAddr>,
}

impl Bound {
    /// Writes the file whole or not at all.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        std::fs::write(&unfinished, serde_json::to_vec(self)?)?;
        std::fs::rename(&unfinished, path)
    }
}

/// Binds the first of the addresses that `address` stands for that can be bound.
pub(super) async fn bind_first<L>(
    address: &ListenAddress,
    bind: impl AsyncFn(SocketAddr) -> io::Result<L>,
) -> io::Result<L> {
    let port = address.port;
    let candidates: Vec<SocketAddr> = if address.host.is_empty() {
        // Of both families; a machine without IPv6 has only the second.
        vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]
    } else {
        tokio::net::lookup_host((address.host.as_str(), port)).await?.collect()
    };
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for candidate in candidates {
        match bind(candidate).await {
            Ok(bound) => return Ok(bound),
            Err(error) => last = error,
        }
    }
    Err(last)
}
