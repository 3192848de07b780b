//! What a listener shows to those who connect, replaceable while it listens.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{Leaf, PkiError, provider};

/// The certificate and key of a server. Clones are the same one.
#[derive(Clone, Debug)]
pub struct ServerIdentity {
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current(ArcSwap<Leaf>);

impl ServerIdentity {
    /// Shows `leaf`.
    pub fn new(leaf: Leaf) -> Self {
        Self { current: Arc::new(Current(ArcSwap::from_pointee(leaf))) }
    }

    /// Shows `leaf` from the next handshake on, in every configuration made from this. Connections that stand are not touched.
    pub fn replace(&self, leaf: Leaf) {
        self.current.0.store(Arc::new(leaf));
    }

    /// What is shown now.
    pub fn leaf(&self) -> Arc<Leaf> {
        self.current.0.load_full()
    }

    /// Until when clients accept what is shown now.
    pub fn not_after(&self) -> Timestamp {
        self.leaf().not_after()
    }

    /// A server's side of TLS 1.2 and 1.3 that offers the application protocols `alpn`, the preferred one first
    /// (`h2`, `http/1.1`); asks for no client certificate.
    pub fn server_config(&self, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, PkiError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified())
    }
}
