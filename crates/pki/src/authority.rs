//! The authority: a self-signed certificate and the key that signs leaves.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::validity::{Validity, renew_at, seed_of};
use crate::{KeyKind, Leaf, Names, PkiError};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Clients whose clocks are behind by less accept a certificate at once.
const BACKDATED: SignedDuration = SignedDuration::from_mins(10);
/// Leaves end this much before their authority, so that no client whose clock is a little ahead sees a valid leaf of an
/// expired authority.
const CLAMP: SignedDuration = SignedDuration::from_secs(60);

/// How an authority is made.
#[derive(Clone, Debug)]
pub struct AuthorityOptions {
    /// Its key.
    pub key: KeyKind,
    /// How long it holds.
    pub life: SignedDuration,
    /// Its name; `None`: "Parapet authority" and part of its serial number, so that two can be told apart.
    pub common_name: Option<String>,
}

impl Default for AuthorityOptions {
    /// ECDSA P-256, one year.
    fn default() -> Self {
        Self { key: KeyKind::default(), life: DAY * 365, common_name: None }
    }
}

/// What a leaf may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// To be connected to.
    #[default]
    Server,
    /// To connect.
    Client,
    /// Both: peers of a cluster.
    Both,
}

/// How a leaf is made.
#[derive(Clone, Debug)]
pub struct LeafOptions {
    /// Its key.
    pub key: KeyKind,
    /// How long it holds, unless its authority ends before that.
    pub life: SignedDuration,
    /// What it may be used for.
    pub usage: Usage,
    /// Its name for people, and for those who read nothing else.
    pub common_name: String,
}

impl Default for LeafOptions {
    /// A server's, ECDSA P-256, 90 days: short enough that renewal is known to work, long enough for a machine that was
    /// off for a holiday.
    fn default() -> Self {
        Self {
            key: KeyKind::default(),
            life: DAY * 90,
            usage: Usage::default(),
            common_name: "Parapet server".to_owned(),
        }
    }
}

/// A certificate authority with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    validity: Validity,
    renew_at: Timestamp,
}

impl Authority {
    /// A new authority with a new key, as [`AuthorityOptions::default`] says.
    pub fn generate(now: Timestamp) -> Result<Self, PkiError> {
        Self::generate_with(&AuthorityOptions::default(), now)
    }

    /// A new authority with a new key.
    pub fn generate_with(options: &AuthorityOptions, now: Timestamp) -> Result<Self, PkiError> {
        Self::with_key(options.key.generate()?, options, now)
    }

    /// A new certificate for a key that has signed nothing yet.
    pub(crate) fn with_key(
        key: KeyPair,
        options: &AuthorityOptions,
        now: Timestamp,
    ) -> Result<Self, PkiError> {
        let mut params = CertificateParams::default();
        let serial = random_serial()?;
        params.distinguished_name = match &options.common_name {
            Some(name) => distinguished_name(name),
            None => {
                let part: String = serial[1..5].iter().map(|byte| format!("{byte:02x}")).collect();
                distinguished_name(&format!("Parapet authority {part}"))
            }
        };
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.not_before = date(now - BACKDATED)?;
        params.not_after = date(now + options.life)?;
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

    /// When it holds.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// When it ends.
    pub fn not_after(&self) -> Timestamp {
        self.validity.not_after
    }

    /// When its rotation should begin: after two thirds of its life, give or take a tenth of that.
    pub fn rotate_at(&self) -> Timestamp {
        self.renew_at
    }

    /// A server's certificate with a new key, as [`LeafOptions::default`] says.
    pub fn issue(&self, names: &Names, now: Timestamp) -> Result<Leaf, PkiError> {
        self.issue_with(&LeafOptions::default(), names, now)
    }

    /// A leaf with a new key. It ends a minute before the authority does, if not earlier (**P-2**).
    pub fn issue_with(&self, options: &LeafOptions, names: &Names, now: Timestamp) -> Result<Leaf, PkiError> {
        let Validity { not_before, not_after } = self.validity;
        let last = not_after - CLAMP;
        if !self.validity.holds(now) || now >= last {
            return Err(PkiError::AuthorityNotValid { not_before, not_after, now });
        }
        let key = options.key.generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&options.common_name);
        params.subject_alt_names = names.to_sans()?;
        params.serial_number = Some(SerialNumber::from_slice(&random_serial()?));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = match options.key {
            KeyKind::EcdsaP256 => vec![KeyUsagePurpose::DigitalSignature],
            // Those who want RSA may still look for it, though no cipher suite here encrypts with the key.
            KeyKind::Rsa2048 => vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment],
        };
        params.extended_key_usages = match options.usage {
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Both => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        params.not_before = date((now - BACKDATED).max(not_before))?;
        params.not_after = date((now + options.life).min(last))?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = Zeroizing::new(key.serialize_pem());
        Leaf::from_pem(&Zeroizing::new(format!("{}{}", certificate.pem(), *key)))
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
        let renew_at = renew_at(validity, seed_of(parsed.raw_serial()));
        drop(parsed);
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { issuer, certificate_pem, certificate, validity, renew_at })
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

/// 158 random bits: unguessable, positive, and as long as RFC 5280 §4.1.2.2 allows, twenty bytes.
fn random_serial() -> Result<[u8; 20], PkiError> {
    let mut serial = [0; 20];
    getrandom::fill(&mut serial).map_err(PkiError::Random)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(serial)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, PkiError> {
    OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|error| PkiError::Certificate(error.to_string()))
}
