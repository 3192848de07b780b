//! What a listener shows to those who connect, replaceable while it listens.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::CertifiedKey;

use crate::{Leaf, PkiError, assert_fips_server, provider};

/// As in [`crate::ServerProfile`]'s configurations.
const SESSIONS: usize = 1024;

/// The certificate and key of a server. Clones are the same one.
#[derive(Clone, Debug)]
pub struct ServerIdentity {
    current: Arc<Current>,
    sessions: Arc<Sessions>,
}

#[derive(Debug)]
struct Current(ArcSwap<Leaf>);

/// The sessions of one generation of trust.
#[derive(Debug)]
struct Sessions(ArcSwap<Arc<dyn StoresServerSessions>>);

impl ServerIdentity {
    /// Shows `leaf`.
    pub fn new(leaf: Leaf) -> Self {
        Self {
            current: Arc::new(Current(ArcSwap::from_pointee(leaf))),
            sessions: Arc::new(Sessions(ArcSwap::from_pointee(ServerSessionMemoryCache::new(SESSIONS)))),
        }
    }

    /// Shows `leaf` from the next handshake on, in every configuration made from this. Connections that stand are not
    /// touched; sessions can be resumed.
    pub fn replace(&self, leaf: Leaf) {
        self.current.0.store(Arc::new(leaf));
    }

    /// Forgets all sessions, so that nobody resumes one that began with a certificate of an authority that is no longer
    /// used.
    pub fn forget_sessions(&self) {
        self.sessions.0.store(Arc::new(ServerSessionMemoryCache::new(SESSIONS)));
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
        config.session_storage = Arc::clone(&self.sessions) as Arc<dyn StoresServerSessions>;
        assert_fips_server(&config)?;
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().pair().certified())
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.load().put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.load().get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.load().take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}
