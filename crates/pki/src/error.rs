//! What can go wrong with keys and certificates.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Why there is no key, certificate or configuration.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("{step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
    /// One of the authority's two files is there and the other is not.
    #[error("{} is missing, but the folder was in use; restore it from a backup, or remove the folder to start anew (clients must then trust the new authority)", .0.display())]
    AuthorityIncomplete(PathBuf),
    /// Text that is no PEM of what it should be.
    #[error("not a PEM-encoded {what}")]
    Pem {
        /// What was expected.
        what: &'static str,
    },
    /// A file of the authority has unusable content.
    #[error("unusable authority in {}", path.display())]
    Authority {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<PkiError>,
    },
    /// A certificate that cannot be read.
    #[error("malformed certificate: {0}")]
    Certificate(String),
    /// A private key that belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// A certificate that may not issue others.
    #[error("the certificate is not an authority's")]
    NotAnAuthority,
    /// The authority's time is over, or has not begun.
    #[error("the authority is valid from {not_before} to {not_after}, and it is {now}")]
    AuthorityNotValid {
        /// Start of its validity.
        not_before: Timestamp,
        /// End of its validity.
        not_after: Timestamp,
        /// The time asked about.
        now: Timestamp,
    },
    /// Neither a DNS name nor an IP address.
    #[error("not a DNS name or IP address: {0:?}")]
    Name(String),
    /// Making a key or certificate failed.
    #[error("make a key or certificate")]
    Generate(#[from] rcgen::Error),
    /// The operating system has no random numbers.
    #[error("get random numbers: {0}")]
    Random(getrandom::Error),
    /// rustls refused.
    #[error("unusable for TLS")]
    Tls(#[from] rustls::Error),
}

impl PkiError {
    pub(crate) fn io<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { step, path: path.to_owned(), source }
    }

    /// Whether somebody must repair the folder or the configuration; otherwise the same call may succeed later.
    pub fn needs_repair(&self) -> bool {
        match self {
            Self::AuthorityIncomplete(_)
            | Self::Pem { .. }
            | Self::Authority { .. }
            | Self::Certificate(_)
            | Self::KeyMismatch
            | Self::NotAnAuthority
            | Self::AuthorityNotValid { .. }
            | Self::Name(_)
            | Self::Tls(_) => true,
            Self::Io { .. } | Self::Generate(_) | Self::Random(_) => false,
        }
    }
}
