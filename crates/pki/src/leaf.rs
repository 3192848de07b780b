//! A server's certificate and key.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::authority::Validity;
use crate::{Authority, Names, PkiError, client, provider};

/// A server's certificate and key, which fit each other.
pub struct Leaf {
    pem: Zeroizing<String>,
    certified: Arc<CertifiedKey>,
    validity: Validity,
    renew_at: Timestamp,
}

impl Leaf {
    /// A leaf as [`Leaf::to_pem`] gave it: the certificate first, then the key.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| PkiError::Pem { what: "certificate" })?;
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| PkiError::Pem { what: "private key" })?;
        let (_, parsed) = X509Certificate::from_der(&certificate)
            .map_err(|error| PkiError::Certificate(error.to_string()))?;
        let validity = Validity::of(&parsed)?;
        let renew_at = renew_at(validity, parsed.raw_serial());
        drop(parsed);
        let certified = match CertifiedKey::from_der(vec![certificate], key, &provider()) {
            Err(rustls::Error::InconsistentKeys(_)) => return Err(PkiError::KeyMismatch),
            result => result?,
        };
        Ok(Self { pem: Zeroizing::new(pem.to_owned()), certified: Arc::new(certified), validity, renew_at })
    }

    /// Certificate and private key.
    pub fn to_pem(&self) -> &Zeroizing<String> {
        &self.pem
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certified.cert[0]
    }

    /// From when on it is accepted.
    pub fn not_before(&self) -> Timestamp {
        self.validity.not_before
    }

    /// Until when it is accepted.
    pub fn not_after(&self) -> Timestamp {
        self.validity.not_after
    }

    /// When to replace it: after two thirds of its life, give or take a tenth of that, so that leaves made together are
    /// not renewed together. The same for the same leaf, however often it is loaded.
    pub fn renew_at(&self) -> Timestamp {
        self.renew_at
    }

    /// Whether clients that trust `authority` accept it for `names` at `now`.
    pub fn check(&self, authority: &Authority, names: &Names, now: Timestamp) -> Result<(), PkiError> {
        let roots = client::roots([authority.certificate().clone()])?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        for name in names.iter() {
            verifier.verify_server_cert(self.certificate(), &[], &name, &[], now)?;
        }
        Ok(())
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

fn renew_at(validity: Validity, serial: &[u8]) -> Timestamp {
    let life = validity.not_after.duration_since(validity.not_before);
    let two_thirds = life * 2 / 3;
    // The last byte of a random serial is a random number; -128..=127 of 1280 is up to a tenth each way.
    let jitter = i32::from(serial.last().copied().unwrap_or(128)) - 128;
    let offset = SignedDuration::from_secs(two_thirds.as_secs() / 1280 * i64::from(jitter));
    validity.not_before + two_thirds + offset
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("validity", &self.validity).finish_non_exhaustive()
    }
}
