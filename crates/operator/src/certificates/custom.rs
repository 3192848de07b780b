//! What users bring.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use parapet_pki::{Certificate, PkiError, Signer, SubjectKey};

use super::CertificateError;
use super::secret::{CA_CRT, CA_KEY, TLS_CRT, TLS_KEY, text};

/// The contents of a user's Secret for HTTP.
pub(super) enum Custom {
    /// An authority that is to sign.
    Authority(Box<Signer>),
    /// A certificate to be shown as it is.
    Leaf(Box<CustomLeaf>),
}

/// A certificate and its key, as they were written.
pub(super) struct CustomLeaf {
    pub(super) chain: String,
    pub(super) key: String,
    pub(super) authorities: Option<String>,
    pub(super) certificate: Certificate,
}

/// Reads a Secret for HTTP: a certificate or an authority, not both.
pub(super) fn http(name: &str, secret: &Secret) -> Result<Custom, CertificateError> {
    let part = |key| text(secret, key);
    match (part(TLS_CRT), part(TLS_KEY), part(CA_CRT), part(CA_KEY)) {
        (_, Some(_), _, Some(_)) => Err(CertificateError::Mixed { name: name.to_owned() }),
        (_, None, Some(certificate), Some(key)) => {
            Ok(Custom::Authority(Box::new(signer(name, (CA_CRT, certificate), (CA_KEY, key))?)))
        }
        (Some(chain), Some(key), authorities, None) => {
            let certificate = Certificate::from_pem(chain).map_err(|error| unusable(name, TLS_CRT, error))?;
            let parsed = SubjectKey::from_pem(key).map_err(|error| unusable(name, TLS_KEY, error))?;
            if !parsed.fits(&certificate) {
                return Err(unusable(name, TLS_KEY, PkiError::KeyMismatch));
            }
            if let Some(authorities) = authorities {
                Certificate::all_from_pem(authorities).map_err(|error| unusable(name, CA_CRT, error))?;
            }
            Ok(Custom::Leaf(Box::new(CustomLeaf {
                chain: chain.to_owned(),
                key: key.to_owned(),
                authorities: authorities.map(str::to_owned),
                certificate,
            })))
        }
        _ => Err(CertificateError::Incomplete { name: name.to_owned() }),
    }
}

/// Reads a Secret for the transport: an authority, under either pair of keys.
pub(super) fn transport(name: &str, secret: &Secret) -> Result<Signer, CertificateError> {
    for (certificate, key) in [(CA_CRT, CA_KEY), (TLS_CRT, TLS_KEY)] {
        if let (Some(certificate_text), Some(key_text)) = (text(secret, certificate), text(secret, key)) {
            return signer(name, (certificate, certificate_text), (key, key_text));
        }
    }
    Err(CertificateError::Incomplete { name: name.to_owned() })
}

/// Reads a ConfigMap with more authorities.
pub(super) fn authorities(name: &str, config: &ConfigMap) -> Result<Vec<Certificate>, CertificateError> {
    let text = config.data.as_ref().and_then(|data| data.get(CA_CRT)).map(String::as_str).unwrap_or_default();
    Certificate::all_from_pem(text).map_err(|error| unusable(name, CA_CRT, error))
}

fn signer(
    name: &str,
    (certificate_key, certificate): (&str, &str),
    (key_key, key): (&str, &str),
) -> Result<Signer, CertificateError> {
    // Which of the two is at fault is what the user wants to know.
    Certificate::from_pem(certificate).map_err(|error| unusable(name, certificate_key, error))?;
    SubjectKey::from_pem(key).map_err(|error| unusable(name, key_key, error))?;
    Signer::from_pem(certificate, key).map_err(|error| {
        let at = if matches!(error, PkiError::NotAnAuthority) { certificate_key } else { key_key };
        unusable(name, at, error)
    })
}

fn unusable(name: &str, key: &str, source: PkiError) -> CertificateError {
    CertificateError::Unusable { name: name.to_owned(), key: key.to_owned(), source }
}
