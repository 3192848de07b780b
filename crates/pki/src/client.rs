//! The other side: connecting to servers whose authority is known.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use crate::reloading::{Built, Profile};
use crate::server::MinVersion;
use crate::source::Material;
use crate::{Bundle, Pair, PkiError, assert_fips_client, provider};

/// A client's side of TLS 1.2 and 1.3 that trusts the authorities in `ca_pem` and no other. It names no application
/// protocols; HTTP clients set theirs.
pub fn client_config(ca_pem: &str) -> Result<Arc<ClientConfig>, PkiError> {
    let bundle = Bundle::from_pem(ca_pem.as_bytes())?;
    ClientProfile::default().config(&bundle, None).map(Arc::new)
}

/// How a client's configuration is made.
#[derive(Clone, Debug, Default)]
pub struct ClientProfile {
    /// Application protocols, the preferred one first.
    pub alpn: Vec<Vec<u8>>,
    /// The oldest version spoken.
    pub min_version: MinVersion,
}

/// A client's configuration. Take one per connection.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    bundle: Bundle,
    generation: u64,
}

impl ClientTls {
    /// For the handshake. Its sessions can be resumed with itself alone.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Whom it trusts.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// 1 for the first, one more for each that replaced another.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

impl ClientProfile {
    /// A configuration of its own that trusts `bundle`, and shows `pair` to servers that ask.
    ///
    /// # Errors
    /// The bundle has an unusable certificate, or this is a FIPS build and the result is not approved.
    pub fn config(&self, bundle: &Bundle, pair: Option<&Pair>) -> Result<ClientConfig, PkiError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.min_version.versions())?
            .with_root_certificates(bundle.roots()?);
        let mut config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_cert_resolver(Arc::new(Always(pair.certified()))),
        };
        config.alpn_protocols.clone_from(&self.alpn);
        assert_fips_client(&config)?;
        Ok(config)
    }
}

impl Profile for ClientProfile {
    type Tls = ClientTls;

    fn build(&self, material: &Material, generation: u64) -> Result<Built<ClientTls>, PkiError> {
        let bundle = Bundle::from_pem(material.trust.as_ref().ok_or(PkiError::NoTrust)?)?;
        let pair = match &material.pair {
            Some((certificates, key)) => Some(Pair::from_pem(certificates, key)?),
            None => None,
        };
        let config = Arc::new(self.config(&bundle, pair.as_ref())?);
        let validity = pair.map(|pair| pair.validity());
        Ok(Built { tls: ClientTls { config, bundle, generation }, validity })
    }
}

/// One certificate for whoever asks.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
