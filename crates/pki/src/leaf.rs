//! A certificate that one of our authorities issued, with its key.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::validity::unix_time;
use crate::{Authority, Bundle, Names, Pair, PkiError, provider};

/// A certificate and its key, which fit each other.
pub struct Leaf {
    pem: Zeroizing<String>,
    pair: Arc<Pair>,
}

impl Leaf {
    /// A leaf as [`Leaf::to_pem`] gave it: the certificate first, then the key.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let pair = Pair::from_pem(pem.as_bytes(), pem.as_bytes())?;
        Ok(Self { pem: Zeroizing::new(pem.to_owned()), pair: Arc::new(pair) })
    }

    /// Certificate and private key.
    pub fn to_pem(&self) -> &Zeroizing<String> {
        &self.pem
    }

    /// The certificate alone, as PEM.
    pub fn certificate_pem(&self) -> String {
        crate::bundle::pem_of("CERTIFICATE", self.certificate())
    }

    /// The private key alone, as PEM.
    pub fn key_pem(&self) -> Zeroizing<String> {
        let start = self.pem.find("-----BEGIN PRIVATE KEY-----").unwrap_or(0);
        Zeroizing::new(self.pem[start..].to_owned())
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.pair.certificate()
    }

    /// Certificate and key, to serve or connect with.
    pub fn pair(&self) -> Arc<Pair> {
        Arc::clone(&self.pair)
    }

    /// From when on it is accepted.
    pub fn not_before(&self) -> Timestamp {
        self.pair.validity().not_before
    }

    /// Until when it is accepted.
    pub fn not_after(&self) -> Timestamp {
        self.pair.validity().not_after
    }

    /// When to replace it ([`crate::renew_at`]).
    pub fn renew_at(&self) -> Timestamp {
        self.pair.renew_at()
    }

    /// Whether clients that trust `authority` accept it as a server's for `names` at `now`.
    pub fn check(&self, authority: &Authority, names: &Names, now: Timestamp) -> Result<(), PkiError> {
        self.check_against(&Bundle::new([authority.certificate().clone()])?, names, now)
    }

    /// Whether clients that trust `bundle` accept it as a server's for `names` at `now`.
    pub fn check_against(&self, bundle: &Bundle, names: &Names, now: Timestamp) -> Result<(), PkiError> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(bundle.roots()?), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        for name in names.server_names() {
            verifier.verify_server_cert(self.certificate(), &[], &name, &[], unix_time(now))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("validity", &self.pair.validity()).finish_non_exhaustive()
    }
}
