//! Which keys are made.

use std::str::FromStr;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

use crate::PkiError;

/// The kind of a new key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ECDSA on P-256, signed with SHA-256: small, quick, and understood by everything that speaks TLS 1.2.
    #[default]
    EcdsaP256,
    /// RSA with 2048 bits, for those whose manifests or clients insist; a tenth of a second to make, and slow to sign with.
    Rsa2048,
}

impl KeyKind {
    pub(crate) fn generate(self) -> Result<KeyPair, PkiError> {
        let algorithm = match self {
            Self::EcdsaP256 => &PKCS_ECDSA_P256_SHA256,
            Self::Rsa2048 => &PKCS_RSA_SHA256,
        };
        Ok(KeyPair::generate_for(algorithm)?)
    }
}

impl FromStr for KeyKind {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        match text {
            "ecdsa-p256" => Ok(Self::EcdsaP256),
            "rsa-2048" => Ok(Self::Rsa2048),
            other => Err(PkiError::KeyKind(other.to_owned())),
        }
    }
}
