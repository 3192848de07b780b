//! A bound address with the TLS configuration that everything on it goes through.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::metrics::ListenerMetrics;
use crate::{Limits, ListenError, Metrics};

/// The protocols offered, in order of preference.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// An address that is bound but not served yet: connections wait in the system's queue.
#[derive(Debug)]
pub struct Listener {
    pub(crate) name: &'static str,
    pub(crate) tcp: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) limits: Limits,
    pub(crate) metrics: ListenerMetrics,
}

impl Listener {
    /// Binds `address` (port 0: a free one). `name` is the listener's label in metrics and logs. Certificates that
    /// rotate do so behind the configuration's resolver; its ALPN protocols are set here.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(
        name: &'static str,
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        limits: Limits,
        metrics: &Metrics,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { address, source };
        let tcp = TcpListener::bind(address).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        let mut tls = Arc::unwrap_or_clone(tls);
        tls.alpn_protocols = ALPN.iter().map(|protocol| protocol.to_vec()).collect();
        // A replayed request must not be able to do anything twice.
        tls.max_early_data_size = 0;
        let metrics = metrics.of(name);
        Ok(Self { name, tcp, address, tls: Arc::new(tls), limits, metrics })
    }

    /// The address, with the port that the system chose if it was to choose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}
