//! From bytes to certificates and keys.

use jiff::Timestamp;
use rustls_pki_types::pem::{self, PemObject as _, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::CertificateFacts;
use crate::bundle::MAX_PEM_BYTES;
use crate::rotation::Rotation;
use crate::{PkiError, provider};

/// More than any chain or bundle of a machine has; a file with more is no certificate file.
const MAX_SECTIONS: usize = 1024;

/// The certificates and keys of one or more files, in their order.
#[derive(Debug, Default)]
pub struct Found {
    /// The certificates.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The public halves of private keys, DER; the private ones are forgotten at once.
    pub(super) keys: Vec<Vec<u8>>,
    /// Blocks that are neither.
    pub others: usize,
}

impl Found {
    /// How many private keys there were.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// What each certificate says; the position of the first that says nothing readable.
    pub fn facts(&self) -> Result<Vec<CertificateFacts>, (usize, PkiError)> {
        let of = |(position, der)| CertificateFacts::of(der).map_err(|error| (position, error));
        self.certificates.iter().enumerate().map(of).collect()
    }

    /// These, and then those of another file.
    pub fn and(mut self, other: Self) -> Self {
        self.certificates.extend(other.certificates);
        self.keys.extend(other.keys);
        self.others += other.others;
        self
    }
}

impl From<Vec<CertificateDer<'static>>> for Found {
    /// Certificates that came without keys.
    fn from(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self { certificates, ..Self::default() }
    }
}

/// Reads PEM with any blocks and any text between them, or one certificate in DER.
pub fn read(bytes: &[u8]) -> Result<Found, PkiError> {
    if bytes.len() > MAX_PEM_BYTES {
        return Err(PkiError::TooMany { what: "bytes", limit: MAX_PEM_BYTES });
    }
    let mut found = Found::default();
    // A DER certificate is a SEQUENCE of more than 255 bytes.
    if bytes.starts_with(&[0x30, 0x82]) {
        CertificateFacts::of(&CertificateDer::from(bytes))?;
        found.certificates.push(CertificateDer::from(bytes.to_vec()));
        return Ok(found);
    }
    for (sections, section) in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes).enumerate() {
        if sections == MAX_SECTIONS {
            return Err(PkiError::TooMany { what: "blocks of PEM", limit: MAX_SECTIONS });
        }
        let (kind, der) = section.map_err(|_| PkiError::Pem { what: "certificate or key" })?;
        match kind {
            SectionKind::Certificate => found.certificates.push(CertificateDer::from(der)),
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                found.keys.push(public_half(kind, der)?);
            }
            _ => found.others += 1,
        }
    }
    let nothing = found.certificates.is_empty() && found.keys.is_empty();
    if nothing { Err(PkiError::Pem { what: "certificate or key" }) } else { Ok(found) }
}

/// How far the rotation in a folder has come, from its record; the keys in it are not looked at.
pub fn rotation_of(record: &[u8]) -> Option<Rotation> {
    #[derive(Deserialize)]
    struct Record {
        rotation: Rotation,
    }
    serde_json::from_slice(record).ok().map(|Record { rotation }| rotation)
}

fn public_half(kind: SectionKind, der: Vec<u8>) -> Result<Vec<u8>, PkiError> {
    let unusable = || PkiError::Pem { what: "private key" };
    let key = <PrivateKeyDer<'static> as pem::PemObject>::from_pem(kind, der).ok_or_else(unusable)?;
    let key = provider().key_provider.load_private_key(key).map_err(|_| unusable())?;
    key.public_key().map(|key| key.to_vec()).ok_or_else(unusable)
}

/// The key of a certificate, in the form of [`public_half`]'s.
pub(super) fn public_key_of(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let key: &SubjectPublicKeyInfo<'_> = parsed.public_key();
    Some(key.raw.to_vec())
}

/// A time in a certificate, as everything here shows it.
pub(super) fn at(seconds: i64) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(seconds).map_err(|error| PkiError::Certificate(error.to_string()))
}
