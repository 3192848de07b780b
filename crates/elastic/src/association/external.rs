//! Targets that nobody here manages: a Secret says where they are.

use k8s_openapi::api::core::v1::Secret;

use super::Conf;
use crate::data;

/// What such a Secret lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExternalError {
    /// A key that must be there.
    #[error("the Secret {secret} has no key {key}")]
    Missing {
        /// Which Secret.
        secret: String,
        /// Which key.
        key: &'static str,
    },
    /// An address that can't be one.
    #[error("url in the Secret {secret} begins neither with https:// nor with http://")]
    Url {
        /// Which Secret.
        secret: String,
    },
}

/// What the annotation says about the target in `secret`, which runs `version`. No user is made for it.
pub fn external(secret: &Secret, version: &str) -> Result<Conf, ExternalError> {
    let name = secret.metadata.name.clone().unwrap_or_default();
    let get = |key: &'static str| {
        data::filled(secret, key).ok_or_else(|| ExternalError::Missing { secret: name.clone(), key })
    };
    let url = get("url")?;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(ExternalError::Url { secret: name });
    }
    get("username")?;
    get(super::credentials::PASSWORD)?;
    let ca_cert_provided = data::filled(secret, "ca.crt").is_some();
    Ok(Conf {
        auth_secret_name: name.clone(),
        auth_secret_key: super::credentials::PASSWORD.to_owned(),
        ca_cert_provided,
        ca_secret_name: if ca_cert_provided { name } else { String::new() },
        url,
        version: version.to_owned(),
        ..Conf::default()
    })
}
