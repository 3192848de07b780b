//! What can go wrong on the way to a secret. No text here quotes a value, nor what a provider answered: a server's
//! message may repeat what it was sent.

use std::io;
use std::time::Duration;

use crate::Location;

/// Why there is no new value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A reference names a provider that the configuration has not.
    #[error("no provider is named {0}")]
    UnknownProvider(String),
    /// The configuration of a provider cannot work.
    #[error("provider {provider}: {why}")]
    Configuration {
        /// Its name.
        provider: String,
        /// What is wrong.
        why: String,
    },
    /// A namespace asks for what it may not have.
    #[error("{location} is not for namespace {namespace}")]
    NotAllowed {
        /// What was asked for.
        location: Location,
        /// Who asked.
        namespace: String,
    },
    /// The provider can't do what the reference asks.
    #[error("{0}")]
    Unsupported(&'static str),
    /// There is no such secret.
    #[error("there is no such secret")]
    NotFound,
    /// The version was deleted; the provider may still undo that.
    #[error("the version was deleted")]
    Deleted,
    /// The version was destroyed for good.
    #[error("the version was destroyed")]
    Destroyed,
    /// The provider refused our credentials or our right to this secret.
    #[error("the provider refused: {0}")]
    Denied(&'static str),
    /// The provider asked to come back later.
    #[error("the provider is throttling")]
    Throttled {
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The provider answered that it can't work now.
    #[error("the provider answered {status} to {step}")]
    Status {
        /// What was tried.
        step: &'static str,
        /// The status of its answer.
        status: u16,
    },
    /// The provider could not be reached, or broke off.
    #[error("{step}")]
    Unreachable {
        /// What was tried.
        step: &'static str,
        /// How it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The provider took too long.
    #[error("the provider did not answer in {0:?}")]
    TimedOut(Duration),
    /// The provider sent us to where we may not go.
    #[error("the provider redirects to a place that is not among its addresses")]
    Redirect,
    /// More than [`crate::MAX_SECRET_BYTES`].
    #[error("the secret is larger than 1 MiB")]
    TooLarge,
    /// What was read is not what it should be.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A file that somebody is still writing.
    #[error("still being written")]
    Incomplete,
    /// A file that others could have written or read, or that lies elsewhere.
    #[error("{0}")]
    Unsafe(&'static str),
    /// A file could not be read.
    #[error("{step}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// How it failed.
        source: io::Error,
    },
    /// The secret has no such key.
    #[error("{location} has no key {key}")]
    MissingKey {
        /// The secret.
        location: Location,
        /// The key.
        key: String,
    },
}

/// The kinds of failure, as labels of metrics and fields of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The configuration, or a reference, is wrong.
    Configuration,
    /// Not there, deleted, destroyed, or without the key.
    Missing,
    /// Refused for lack of rights.
    Denied,
    /// Asked to come back later.
    Throttled,
    /// Unreachable, or out of order.
    Unavailable,
    /// Took too long.
    Timeout,
    /// Too large, malformed, or half-written.
    Malformed,
    /// From a place, or in a state, that is not safe.
    Unsafe,
}

impl Reason {
    /// The word for it in logs and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed",
            Self::Unsafe => "unsafe",
        }
    }
}

impl SecretError {
    /// What kind of failure it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnknownProvider(_)
            | Self::Configuration { .. }
            | Self::NotAllowed { .. }
            | Self::Unsupported(_) => Reason::Configuration,
            Self::NotFound | Self::Deleted | Self::Destroyed | Self::MissingKey { .. } => Reason::Missing,
            Self::Denied(_) => Reason::Denied,
            Self::Throttled { .. } => Reason::Throttled,
            Self::Status { .. } | Self::Unreachable { .. } | Self::Io { .. } => Reason::Unavailable,
            Self::TimedOut(_) => Reason::Timeout,
            Self::TooLarge | Self::Malformed(_) | Self::Incomplete => Reason::Malformed,
            Self::Redirect | Self::Unsafe(_) => Reason::Unsafe,
        }
    }

    /// How long the provider asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => *retry_after,
            _ => None,
        }
    }

    /// Reading a file failed; that it is not there has its own error.
    pub(crate) fn io(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::Io { step, source },
        }
    }
}
