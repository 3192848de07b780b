//! A server's side of TLS, made whole from what a source has: certificate, key and whom to trust.

use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig};

use crate::reloading::{Built, Profile};
use crate::source::Material;
use crate::{Bundle, Pair, PkiError, Trust, assert_fips_server, provider};

/// Sessions that may be resumed, per configuration. A resumption saves a signature; 1024 of about 1 KiB are a bound that
/// scrapers and sidecars stay far below.
const SESSIONS: usize = 1024;

const ONLY_TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The oldest version of TLS that is spoken. Older ones than 1.2 there are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// 1.2 and 1.3.
    #[default]
    Tls12,
    /// 1.3 alone.
    Tls13,
}

impl MinVersion {
    pub(crate) fn versions(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self {
            Self::Tls12 => rustls::DEFAULT_VERSIONS,
            Self::Tls13 => ONLY_TLS13,
        }
    }
}

/// What is asked of clients in the handshake. Both kinds need a bundle in the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing.
    #[default]
    NotAsked,
    /// A certificate, if they have one. The handshake shows that they have its key, and nothing else: whoever reads
    /// `peer_certificates` must ask [`Trust::accepts_client`] before believing it.
    Asked,
    /// A trusted certificate; without one there is no connection.
    Required,
}

/// How a server's configuration is made.
#[derive(Clone, Debug, Default)]
pub struct ServerProfile {
    /// Application protocols, the preferred one first (`h2`, `http/1.1`).
    pub alpn: Vec<Vec<u8>>,
    /// The oldest version spoken.
    pub min_version: MinVersion,
    /// The only cipher suites spoken; empty: all that the provider has.
    pub cipher_suites: Vec<CipherSuite>,
    /// What is asked of clients.
    pub client_certificates: ClientCertificates,
}

/// A server's configuration and what it was made of. Take one per accepted connection.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    pair: Arc<Pair>,
    trust: Option<Arc<Trust>>,
    generation: u64,
}

impl ServerTls {
    /// For the handshake. Its sessions can be resumed with itself alone: each generation has its own store.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What it shows.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Whom it trusts as clients; `None` when it asks nobody.
    pub fn trust(&self) -> Option<&Trust> {
        self.trust.as_deref()
    }

    /// 1 for the first, one more for each that replaced another.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl ServerProfile {
    /// A configuration of its own, with a session store of its own and no early data.
    ///
    /// # Errors
    /// Clients are to be asked and there is no `trust`, none of the cipher suites exists, or this is a FIPS build and the
    /// result is not approved.
    pub fn config(&self, pair: &Pair, trust: Option<&Trust>) -> Result<ServerConfig, PkiError> {
        let trust = || trust.ok_or(PkiError::NoTrust);
        let mut provider = (*provider()).clone();
        if !self.cipher_suites.is_empty() {
            provider.cipher_suites.retain(|suite| self.cipher_suites.contains(&suite.suite()));
        }
        let builder = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(self.min_version.versions())?;
        let builder = match self.client_certificates {
            ClientCertificates::NotAsked => builder.with_no_client_auth(),
            ClientCertificates::Asked => builder.with_client_cert_verifier(trust()?.asked()),
            ClientCertificates::Required => builder.with_client_cert_verifier(trust()?.required()),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Always(pair.certified())));
        config.alpn_protocols.clone_from(&self.alpn);
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        assert_fips_server(&config)?;
        Ok(config)
    }
}

impl Profile for ServerProfile {
    type Tls = ServerTls;

    fn build(&self, material: &Material, generation: u64) -> Result<Built<ServerTls>, PkiError> {
        let Some((certificates, key)) = &material.pair else { return Err(PkiError::NoPair) };
        let pair = Arc::new(Pair::from_pem(certificates, key)?);
        let trust = match (self.client_certificates, &material.trust) {
            (ClientCertificates::NotAsked, _) | (_, None) => None,
            (_, Some(pem)) => Some(Arc::new(Trust::new(Bundle::from_pem(pem)?)?)),
        };
        let config = Arc::new(self.config(&pair, trust.as_deref())?);
        let validity = Some(pair.validity());
        Ok(Built { tls: ServerTls { config, pair, trust, generation }, validity })
    }
}

/// One certificate for whoever connects.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
