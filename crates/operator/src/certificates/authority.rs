//! Who signs: the user's authority, the operator's, or the application's own.

use std::path::Path;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_pki::{PkiError, Signer, Subject};

use super::leaf::{due, is_due};
use super::secret::{self, CA_CRT, CA_KEY, TLS_CRT, TLS_KEY};
use super::{CertificateError, Context};

/// An authority that belongs to the application, and its Secret.
pub(super) struct Own {
    pub(super) signer: Signer,
    pub(super) secret: Secret,
    /// When it is to be renewed.
    pub(super) next: Timestamp,
    /// Something that the user should know.
    pub(super) warning: Option<String>,
}

/// The authority in `live` if it can be used, renewed over its key if it is due; else a new one.
pub(super) async fn own(
    live: Option<&Secret>,
    metadata: ObjectMeta,
    subject: &Subject,
    context: &Context<'_>,
) -> Result<Own, CertificateError> {
    let policy = context.policy;
    let mut warning = None;
    let kept = match live.map(read) {
        Some(Ok(signer)) => Some(signer),
        Some(Err(problem)) => {
            let name = metadata.name.as_deref().unwrap_or_default();
            warning = Some(format!(
                "a new authority is made, since that of Secret {name} can't be used: {problem}"
            ));
            None
        }
        None => None,
    };
    let kept = match kept {
        Some(signer)
            if is_due(signer.certificate().validity(), policy.authority_rotate_before, context.now) =>
        {
            match signer.renew(policy.authority_life, context.now) {
                Ok(renewed) => Some(renewed),
                Err(problem) => {
                    warning = Some(format!(
                        "a new authority is made, since the old one can't be renewed: {problem}"
                    ));
                    None
                }
            }
        }
        kept => kept,
    };
    let signer = match kept {
        Some(signer) => signer,
        None => {
            let key = context.keys.make(policy.key).await?;
            Signer::generate(key, subject, policy.authority_life, context.now)?
        }
    };
    let entries = [(TLS_CRT, signer.certificate().pem()), (TLS_KEY, signer.key().pem().to_string())];
    let secret = secret::build(metadata, entries);
    let next = due(signer.certificate().validity(), policy.authority_rotate_before);
    Ok(Own { signer, secret, next, warning })
}

fn read(secret: &Secret) -> Result<Signer, PkiError> {
    let part = |key: &'static str| secret::text(secret, key).ok_or(PkiError::SecretKey { key });
    Signer::from_pem(part(TLS_CRT)?, part(TLS_KEY)?)
}

/// The authority in a folder: `ca.crt` and `ca.key`, or `tls.crt` and `tls.key`; to be read once, at start.
pub fn read_global(folder: &Path) -> Result<Signer, CertificateError> {
    let failed = |problem: String| CertificateError::Global { folder: folder.display().to_string(), problem };
    for (certificate, key) in [(CA_CRT, CA_KEY), (TLS_CRT, TLS_KEY)] {
        if !folder.join(certificate).exists() && !folder.join(key).exists() {
            continue;
        }
        let read = |file: &str| {
            std::fs::read_to_string(folder.join(file))
                .map_err(|error| failed(format!("read {file}: {error}")))
        };
        let (certificate, key) = (read(certificate)?, read(key)?);
        return Signer::from_pem(&certificate, &key).map_err(|error| failed(error.with_causes()));
    }
    Err(failed("it has neither ca.crt with ca.key nor tls.crt with tls.key".to_owned()))
}
