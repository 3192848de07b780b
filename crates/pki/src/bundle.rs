//! Which authorities are trusted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::PkiError;
use crate::validity::Validity;

/// More than any Secret or ConfigMap may hold.
pub(crate) const MAX_PEM_BYTES: usize = 1 << 20;
/// Three times what a browser trusts.
const MAX_CERTIFICATES: usize = 512;

/// Certificates of trusted authorities: at least one, each public key once. The order has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    certificates: Vec<CertificateDer<'static>>,
}

impl Bundle {
    /// Concatenated PEM certificates (`ca.crt`). Text between them and blocks of other kinds are skipped; a certificate
    /// that is damaged spoils the whole: half a bundle would refuse clients in silence.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PkiError> {
        Self::new(certificates(pem)?)
    }

    /// These certificates. Of two with the same public key, which a re-issued authority leaves behind, the one that ends
    /// later is kept.
    pub fn new(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self, PkiError> {
        let mut by_key: BTreeMap<Vec<u8>, (Timestamp, CertificateDer<'static>)> = BTreeMap::new();
        for certificate in certificates {
            let (_, parsed) = X509Certificate::from_der(&certificate)
                .map_err(|error| PkiError::Certificate(error.to_string()))?;
            let ends = Validity::of(&parsed)?.not_after;
            let key = parsed.public_key().raw.to_vec();
            drop(parsed);
            match by_key.get(&key) {
                Some((kept, _)) if *kept >= ends => {}
                _ => {
                    by_key.insert(key, (ends, certificate));
                }
            }
        }
        if by_key.is_empty() {
            return Err(PkiError::Pem { what: "certificate" });
        }
        let bundle =
            Self { certificates: by_key.into_values().map(|(_, certificate)| certificate).collect() };
        bundle.roots()?;
        Ok(bundle)
    }

    /// The certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Whether this certificate is in it, byte for byte.
    pub fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.iter().any(|own| **own == **certificate)
    }

    /// As PEM, for `ca.crt`. The same bundle gives the same text.
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(|der| pem_of("CERTIFICATE", der)).collect()
    }

    /// SHA-256 of the certificates, in hexadecimal: what consumers report to say which bundle they use.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for certificate in &self.certificates {
            hash.update((certificate.len() as u64).to_be_bytes());
            hash.update(certificate);
        }
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    pub(crate) fn roots(&self) -> Result<RootCertStore, PkiError> {
        let mut roots = RootCertStore::empty();
        for certificate in &self.certificates {
            roots.add(certificate.clone())?;
        }
        Ok(roots)
    }
}

/// The certificates in PEM text, in their order, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    if pem.len() > MAX_PEM_BYTES {
        return Err(PkiError::TooMany { what: "bytes of PEM", limit: MAX_PEM_BYTES });
    }
    let certificates = CertificateDer::pem_slice_iter(pem)
        .take(MAX_CERTIFICATES + 1)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| PkiError::Pem { what: "certificate" })?;
    if certificates.len() > MAX_CERTIFICATES {
        return Err(PkiError::TooMany { what: "certificates", limit: MAX_CERTIFICATES });
    }
    if certificates.is_empty() { Err(PkiError::Pem { what: "certificate" }) } else { Ok(certificates) }
}

/// With lines of 64 characters and line feeds, as everybody writes it.
pub(crate) fn pem_of(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), config)
}
