//! What can go wrong with keys and certificates.

use std::error::Error as _;
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
    /// A file has unusable content.
    #[error("unusable {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<PkiError>,
    },
    /// A file with a private key may be read or written by others than its owner.
    #[error("{} holds a private key and is open to other users; if no stranger can have read it, `chmod 600` it, otherwise remove the folder to start anew (clients must then trust the new authority)", .0.display())]
    KeyExposed(PathBuf),
    /// What remains of a folder shows that there was an authority, but it is gone.
    #[error("{} is missing, but the folder was in use; restore it from a backup, or remove the folder to start anew (clients must then trust the new authority)", .0.display())]
    AuthorityIncomplete(PathBuf),
    /// A file was replaced each time it was read.
    #[error("{} keeps changing", .0.display())]
    KeepsChanging(PathBuf),
    /// Text that is no PEM of what it should be.
    #[error("not a PEM-encoded {what}")]
    Pem {
        /// What was expected.
        what: &'static str,
    },
    /// More than anybody needs.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most that is taken.
        limit: usize,
    },
    /// A Secret lacks a key.
    #[error("the secret has no {key:?}")]
    SecretKey {
        /// Which.
        key: &'static str,
    },
    /// A source has no certificate with its key, and one is needed.
    #[error("no certificate and key where one is needed")]
    NoPair,
    /// A source has no bundle, and one is needed.
    #[error("no bundle of trusted authorities where one is needed")]
    NoTrust,
    /// A folder's authority is unusable.
    #[error("unusable authority in {}", path.display())]
    Authority {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<PkiError>,
    },
    /// The record of a folder's authorities is of a newer version.
    #[error("the folder is of version {0}, which only a newer program knows")]
    NewerVersion(u32),
    /// The record of a folder's authorities is damaged.
    #[error("damaged record of the authorities: {0}")]
    Record(String),
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
    #[error(
        "the authority is valid from {not_before} to {not_after}, and it is {now}; if the clock is right, remove the folder to start anew (clients must then trust the new authority)"
    )]
    AuthorityNotValid {
        /// Start of its validity.
        not_before: Timestamp,
        /// End of its validity.
        not_after: Timestamp,
        /// The time asked about.
        now: Timestamp,
    },
    /// The certificate's time is over, or has not begun.
    #[error("the certificate is valid from {not_before} to {not_after}, and it is {now}")]
    NotValidNow {
        /// Start of its validity.
        not_before: Timestamp,
        /// End of its validity.
        not_after: Timestamp,
        /// The time asked about.
        now: Timestamp,
    },
    /// The rotation cannot do that in its phase.
    #[error(transparent)]
    Rotation(#[from] crate::rotation::RotationError),
    /// A rotation was asked for while the authority isn't valid by this machine's clock.
    #[error("the authority is not valid now by this machine's clock, so no rotation was begun")]
    NotBegun,
    /// No name that a certificate can have.
    #[error("not a DNS name, IP address or URI: {0:?}")]
    Name(String),
    /// No kind of key that is made.
    #[error("{0:?} is no kind of key; there are ecdsa-p256 and rsa-2048")]
    KeyKind(String),
    /// A FIPS build found something that is not approved.
    #[error("this is a FIPS build, but the {what} is not in FIPS mode")]
    NotFips {
        /// Which part.
        what: &'static str,
    },
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

/// The kinds of failures of a reload, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// Not read.
    Unreadable,
    /// A part is missing.
    Incomplete,
    /// Not what it should be.
    Malformed,
    /// Certificate and key of different pairs.
    KeyMismatch,
    /// Expired, or not valid yet.
    NotValidNow,
    /// Anything else.
    Other,
}

impl RefusalReason {
    /// The word for it in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Incomplete => "incomplete",
            Self::Malformed => "malformed",
            Self::KeyMismatch => "key_mismatch",
            Self::NotValidNow => "not_valid_now",
            Self::Other => "other",
        }
    }
}

impl PkiError {
    pub(crate) fn io<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { step, path: path.to_owned(), source }
    }

    /// Whether somebody must repair the folder or the configuration; otherwise the same call may succeed later.
    pub fn needs_repair(&self) -> bool {
        match self {
            Self::File { .. }
            | Self::KeyExposed(_)
            | Self::AuthorityIncomplete(_)
            | Self::Pem { .. }
            | Self::TooMany { .. }
            | Self::SecretKey { .. }
            | Self::NoPair
            | Self::NoTrust
            | Self::Authority { .. }
            | Self::NewerVersion(_)
            | Self::Record(_)
            | Self::Certificate(_)
            | Self::KeyMismatch
            | Self::NotAnAuthority
            | Self::AuthorityNotValid { .. }
            | Self::NotValidNow { .. }
            | Self::Rotation(_)
            | Self::NotBegun
            | Self::Name(_)
            | Self::KeyKind(_)
            | Self::NotFips { .. }
            | Self::Tls(_) => true,
            Self::Io { .. } | Self::KeepsChanging(_) | Self::Generate(_) | Self::Random(_) => false,
        }
    }

    /// What to count it as.
    pub fn reason(&self) -> RefusalReason {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => RefusalReason::Incomplete,
            Self::Io { .. } | Self::KeepsChanging(_) | Self::KeyExposed(_) => RefusalReason::Unreadable,
            Self::File { source, .. } | Self::Authority { source, .. } => source.reason(),
            Self::SecretKey { .. } | Self::NoPair | Self::NoTrust | Self::AuthorityIncomplete(_) => {
                RefusalReason::Incomplete
            }
            Self::Pem { .. }
            | Self::TooMany { .. }
            | Self::Certificate(_)
            | Self::Record(_)
            | Self::NewerVersion(_)
            | Self::Tls(_) => RefusalReason::Malformed,
            Self::KeyMismatch => RefusalReason::KeyMismatch,
            Self::AuthorityNotValid { .. } | Self::NotValidNow { .. } => RefusalReason::NotValidNow,
            Self::NotAnAuthority
            | Self::Rotation(_)
            | Self::NotBegun
            | Self::Name(_)
            | Self::KeyKind(_)
            | Self::NotFips { .. }
            | Self::Generate(_)
            | Self::Random(_) => RefusalReason::Other,
        }
    }

    /// The error and its causes in one line, for logs.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
