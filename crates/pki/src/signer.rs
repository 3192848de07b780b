//! An authority whose certificates are exactly what its caller describes: for those who must produce what another program
//! produced, and take over what it left.
//!
//! Unlike [`Authority`](crate::Authority), it decides nothing: not the names' order, not the life, not when to renew. Its
//! renewal is a new certificate over the same key, with the same subject and the same key identifier, so that what it
//! signed before still verifies (also for clients that insist on identifiers). A leaf may outlive the certificate of its
//! signer: it is the renewal that goes on.

mod certificate;
mod subject;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use zeroize::Zeroizing;

pub use certificate::Certificate;
pub use subject::{AlternativeName, Subject};

use crate::{KeyKind, PkiError, Validity};

/// Those whose clocks are behind by less accept a certificate at once.
const BACKDATED: SignedDuration = SignedDuration::from_mins(10);

/// A private key.
pub struct SubjectKey {
    pair: KeyPair,
    pem: Zeroizing<String>,
}

impl SubjectKey {
    /// A new one, in PKCS #8.
    pub fn generate(kind: KeyKind) -> Result<Self, PkiError> {
        let pair = kind.generate()?;
        let pem = Zeroizing::new(pair.serialize_pem());
        Ok(Self { pair, pem })
    }

    /// One that exists, in PKCS #8, PKCS #1 or SEC1; it is handed out again as it was given.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        let bad = |_| PkiError::Pem { what: "private key" };
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| PkiError::Pem { what: "private key" })?;
        Ok(Self { pair: KeyPair::try_from(&der).map_err(bad)?, pem: Zeroizing::new(pem.to_owned()) })
    }

    /// As PEM.
    pub fn pem(&self) -> &Zeroizing<String> {
        &self.pem
    }

    /// Which kind of key goes with it: RSA with RSA, all others with ECDSA.
    pub fn kind(&self) -> KeyKind {
        if self.pair.is_compatible(&rcgen::PKCS_RSA_SHA256) { KeyKind::Rsa2048 } else { KeyKind::EcdsaP256 }
    }

    /// Whether it is the key of `certificate`.
    pub fn fits(&self, certificate: &Certificate) -> bool {
        rcgen::PublicKeyData::subject_public_key_info(&self.pair) == certificate.public_key()
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(…)")
    }
}

/// An authority, and the key that signs.
pub struct Signer {
    key: SubjectKey,
    certificate: Certificate,
}

impl Signer {
    /// A new authority: any length of path, may sign and be a peer itself, valid from ten minutes ago for `life`.
    pub fn generate(
        key: SubjectKey,
        subject: &Subject,
        life: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, PkiError> {
        let identifier = KeyIdMethod::Sha256;
        Self::self_signed(key, subject.to_distinguished_name(), identifier, life, now)
    }

    /// One that exists. Its key must fit, and it must be an authority; whether it is valid now is not asked.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, PkiError> {
        let certificate = Certificate::from_pem(certificate)?;
        let key = SubjectKey::from_pem(key)?;
        if !key.fits(&certificate) {
            return Err(PkiError::KeyMismatch);
        }
        if !certificate.is_authority() {
            return Err(PkiError::NotAnAuthority);
        }
        Ok(Self { key, certificate })
    }

    /// A new certificate over the same key, with the same subject and key identifier.
    ///
    /// # Errors
    /// The subject is none that can be written again byte for byte.
    pub fn renew(&self, life: SignedDuration, now: Timestamp) -> Result<Self, PkiError> {
        let subject = self.certificate.distinguished_name()?;
        let identifier = match self.certificate.subject_key_id() {
            Some(identifier) => KeyIdMethod::PreSpecified(identifier.to_vec()),
            None => KeyIdMethod::Sha256,
        };
        let key = SubjectKey::from_pem(&self.key.pem)?;
        let renewed = Self::self_signed(key, subject, identifier, life, now)?;
        if renewed.certificate.raw_subject() != self.certificate.raw_subject() {
            return Err(PkiError::Certificate("its subject can't be written again".to_owned()));
        }
        Ok(renewed)
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// A certificate for `key`, as a server's and a client's: valid from ten minutes ago for `life`.
    pub fn sign(
        &self,
        key: &SubjectKey,
        subject: &Subject,
        names: &[AlternativeName],
        life: SignedDuration,
        now: Timestamp,
    ) -> Result<Certificate, PkiError> {
        let mut params = params(subject.to_distinguished_name(), life, now)?;
        params.subject_alt_names = names.iter().map(AlternativeName::to_san).collect::<Result<_, _>>()?;
        params.is_ca = IsCa::NoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        // An identifier that the authority's certificate doesn't show would send some clients looking for another one.
        params.use_authority_key_identifier_extension = self.certificate.subject_key_id().is_some();
        let issuer = Issuer::from_ca_cert_der(self.certificate.der(), &self.key.pair)?;
        Certificate::from_der(params.signed_by(&key.pair, &issuer)?.der().clone())
    }

    fn self_signed(
        key: SubjectKey,
        subject: DistinguishedName,
        identifier: KeyIdMethod,
        life: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, PkiError> {
        let mut params = params(subject, life, now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        params.key_identifier_method = identifier;
        let certificate = Certificate::from_der(params.self_signed(&key.pair)?.der().clone())?;
        Ok(Self { key, certificate })
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What all certificates have: a subject, a serial number of 128 random bits, and a time.
fn params(
    subject: DistinguishedName,
    life: SignedDuration,
    now: Timestamp,
) -> Result<CertificateParams, PkiError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(PkiError::Random)?;
    let out_of_range = |_| PkiError::Certificate("its time can't be written".to_owned());
    let validity = Validity {
        not_before: now.checked_sub(BACKDATED).map_err(out_of_range)?,
        not_after: now.checked_add(life).map_err(out_of_range)?,
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = date(validity.not_before)?;
    params.not_after = date(validity.not_after)?;
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, PkiError> {
    OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|error| PkiError::Certificate(error.to_string()))
}
