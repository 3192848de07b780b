//! The authority: a self-signed certificate and the key that signs leaves.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::{Leaf, Names, PkiError};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// It never leaves the machine, and replacing it means visiting every client.
const AUTHORITY_DAYS: i32 = 5 * 365;
/// Short enough that renewal is known to work, long enough for a machine that was off for a holiday.
const LEAF_DAYS: i32 = 90;
/// Clients whose clocks are behind by less accept a certificate at once.
const BACKDATED: SignedDuration = SignedDuration::from_mins(10);

/// A certificate authority with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    validity: Validity,
}

/// From when to when a certificate holds, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Validity {
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Result<Self, PkiError> {
        let at = |seconds| {
            Timestamp::from_second(seconds).map_err(|error| PkiError::Certificate(error.to_string()))
        };
        let validity = certificate.validity();
        Ok(Self {
            not_before: at(validity.not_before.timestamp())?,
            not_after: at(validity.not_after.timestamp())?,
        })
    }

    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

impl Authority {
    /// A new authority with a new key (ECDSA P-256), valid for five years.
    pub fn generate(now: Timestamp) -> Result<Self, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Self::with_key(key, now)
    }

    /// A new certificate for a key that has signed nothing yet.
    pub(crate) fn with_key(key: KeyPair, now: Timestamp) -> Result<Self, PkiError> {
        let mut params = CertificateParams::default();
        let serial = random_serial()?;
        // Two machines' authorities can be told apart by name.
        let name: String = serial[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name = distinguished_name(&format!("Parapet authority {name}"));
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        params.not_before = date(now - BACKDATED)?;
        params.not_after = date(now + DAY * AUTHORITY_DAYS)?;
        let certificate = params.self_signed(&key)?;
        Self::new(certificate.pem(), key)
    }

    /// An authority as it was stored. Its key must fit, and it must be an authority; whether it is valid now, it says
    /// when it is to issue something.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(key_pem).map_err(|_| PkiError::Pem { what: "private key" })?;
        Self::new(certificate_pem.to_owned(), key)
    }

    /// The certificate, which clients are to trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The private key. Whoever has it can be any server to clients that trust this authority.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// When it ends.
    pub fn not_after(&self) -> Timestamp {
        self.validity.not_after
    }

    /// A server certificate with a new key, for 90 days or as long as the authority lasts.
    pub fn issue(&self, names: &Names, now: Timestamp) -> Result<Leaf, PkiError> {
        let Validity { not_before, not_after } = self.validity;
        if !self.validity.holds(now) {
            return Err(PkiError::AuthorityNotValid { not_before, not_after, now });
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name("Parapet server");
        params.subject_alt_names = names.to_sans()?;
        params.serial_number = Some(SerialNumber::from_slice(&random_serial()?));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = date((now - BACKDATED).max(not_before))?;
        params.not_after = date((now + DAY * LEAF_DAYS).min(not_after))?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Leaf::from_pem(&Zeroizing::new(format!(
            "{}{}",
            certificate.pem(),
            *Zeroizing::new(key.serialize_pem())
        )))
    }

    fn new(certificate_pem: String, key: KeyPair) -> Result<Self, PkiError> {
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| PkiError::Pem { what: "certificate" })?;
        let (rest, parsed) = X509Certificate::from_der(&certificate)
            .map_err(|error| PkiError::Certificate(error.to_string()))?;
        if !rest.is_empty() {
            return Err(PkiError::Certificate("bytes after its end".to_owned()));
        }
        if parsed.public_key().raw != rcgen::PublicKeyData::subject_public_key_info(&key) {
            return Err(PkiError::KeyMismatch);
        }
        if !parsed.is_ca() {
            return Err(PkiError::NotAnAuthority);
        }
        let validity = Validity::of(&parsed)?;
        drop(parsed);
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { issuer, certificate_pem, certificate, validity })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("validity", &self.validity).finish_non_exhaustive()
    }
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// 127 random bits: unguessable, and positive in sixteen bytes, as RFC 5280 wants serial numbers.
fn random_serial() -> Result<[u8; 16], PkiError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(PkiError::Random)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, PkiError> {
    OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|error| PkiError::Certificate(error.to_string()))
}
