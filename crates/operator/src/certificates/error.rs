//! What can be wrong with certificates.

use parapet_pki::PkiError;

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A Secret or ConfigMap that the specification names isn't there.
    #[error("{kind} {name} is not there; it is named in {field}")]
    Missing {
        /// `Secret` or `ConfigMap`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it is named.
        field: &'static str,
    },
    /// It lacks what is needed.
    #[error("Secret {name} has neither tls.crt with tls.key nor ca.crt with ca.key")]
    Incomplete {
        /// Its name.
        name: String,
    },
    /// It has an authority's key and a leaf's, so that what is meant can't be said.
    #[error(
        "Secret {name} has both ca.key and tls.key; keep ca.key to have certificates signed, tls.key to bring one"
    )]
    Mixed {
        /// Its name.
        name: String,
    },
    /// A key of a Secret or ConfigMap that isn't what it should be.
    #[error("{key} of {name} can't be used")]
    Unusable {
        /// The object's name.
        name: String,
        /// The key.
        key: String,
        /// Why.
        source: PkiError,
    },
    /// The files of `ca-dir`.
    #[error("the authority in {folder} can't be used: {problem}")]
    Global {
        /// The folder.
        folder: String,
        /// What is wrong.
        problem: String,
    },
    /// Making keys or certificates failed.
    #[error("certificates can't be made")]
    Make(#[from] PkiError),
    /// The thread that made a key is gone.
    #[error("making a key was interrupted")]
    Interrupted,
}

impl CertificateError {
    /// Whether somebody must change an object for it to pass; otherwise the same may succeed later.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::Incomplete { .. }
            | Self::Mixed { .. }
            | Self::Unusable { .. }
            | Self::Global { .. } => true,
            Self::Make(_) | Self::Interrupted => false,
        }
    }
}
