//! A certificate chain and the private key that fits it, wherever they came from.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::validity::{renew_at, seed_of};
use crate::{PkiError, Validity, bundle, provider};

/// A certificate, the intermediates after it, and its private key.
#[derive(Clone)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    validity: Validity,
    renew_at: Timestamp,
}

impl Pair {
    /// From PEM: the certificates, the one to be shown first, and its key (PKCS #8, SEC1 or PKCS #1). Both may be the
    /// same text. Whether it is valid now is not asked.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, PkiError> {
        let chain = bundle::certificates(certificates)?;
        if key.len() > bundle::MAX_PEM_BYTES {
            return Err(PkiError::TooMany { what: "bytes of PEM", limit: bundle::MAX_PEM_BYTES });
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PkiError::Pem { what: "private key" })?;
        let (rest, parsed) =
            X509Certificate::from_der(&chain[0]).map_err(|error| PkiError::Certificate(error.to_string()))?;
        if !rest.is_empty() {
            return Err(PkiError::Certificate("bytes after its end".to_owned()));
        }
        let validity = Validity::of(&parsed)?;
        let renew_at = renew_at(validity, seed_of(parsed.raw_serial()));
        drop(parsed);
        let certified = match CertifiedKey::from_der(chain, key, &provider()) {
            Err(rustls::Error::InconsistentKeys(_)) => return Err(PkiError::KeyMismatch),
            result => result?,
        };
        Ok(Self { certified: Arc::new(certified), validity, renew_at })
    }

    /// The certificate that is shown, and what follows it.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The certificate that is shown.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certified.cert[0]
    }

    /// When the certificate holds.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// When whoever issues it should replace it: after two thirds of its life, give or take a tenth of that.
    pub fn renew_at(&self) -> Timestamp {
        self.renew_at
    }

    /// As rustls takes it.
    pub fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("validity", &self.validity).finish_non_exhaustive()
    }
}
