//! What can go wrong, and what the caller should answer.

use std::io;
use std::time::Duration;

use crate::Scope;

/// Whose doing a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller asked for something that cannot be; asking again does not help.
    Caller,
    /// Disk or system; the caller's request was fine.
    Host,
}

/// An operation on accounts failed; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The state file could not be read.
    #[error("reading the accounts failed")]
    Read(#[source] io::Error),
    /// The state file could not be replaced.
    #[error("writing the accounts failed")]
    Write(#[source] io::Error),
    /// The state file is not what this program writes.
    #[error("the accounts file is damaged")]
    Damaged(#[source] serde_json::Error),
    /// The state file was written by a newer program.
    #[error("the accounts file has format version {found}, this program knows up to {known}")]
    Newer {
        /// Version in the file.
        found: u32,
        /// Newest version known here.
        known: u32,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes")]
    Random(#[source] getrandom::Error),
    /// Hashing a password failed.
    #[error("hashing the password failed: {0}")]
    Hash(argon2::password_hash::Error),
    /// A name is empty, too long, or has characters that names do not have.
    #[error(
        "a name has 1 to 64 letters, digits, spaces or the characters . _ - @ / :, and neither starts nor ends with a space"
    )]
    InvalidName,
    /// A token without scopes can do nothing.
    #[error("a token needs at least one scope")]
    NoScopes,
    /// The wanted life time is out of range.
    #[error("a token lives 1 to {max_days} days")]
    InvalidExpiry {
        /// The longest life.
        max_days: u32,
    },
    /// There is a user of this name already.
    #[error("this user exists already")]
    UserExists,
    /// There is no such user.
    #[error("no such user")]
    NoSuchUser,
    /// There is no such token.
    #[error("no such token")]
    NoSuchToken,
    /// So many are kept already.
    #[error("there are {limit} {what} already; remove some first")]
    Full {
        /// `users` or `tokens`.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

impl AccessError {
    /// Whose doing it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Read(_)
            | Self::Write(_)
            | Self::Damaged(_)
            | Self::Newer { .. }
            | Self::Random(_)
            | Self::Hash(_) => Fault::Host,
            Self::InvalidName
            | Self::NoScopes
            | Self::InvalidExpiry { .. }
            | Self::UserExists
            | Self::NoSuchUser
            | Self::NoSuchToken
            | Self::Full { .. } => Fault::Caller,
        }
    }
}

/// A login did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown user or wrong password; which of them is not told.
    #[error("wrong user name or password")]
    Wrong,
    /// Too many failures for this user or from this address; the password was not looked at.
    #[error("too many failed logins; try again in {} s", retry_after.as_secs().max(1))]
    Throttled {
        /// When a try counts again.
        retry_after: Duration,
    },
    /// Too many logins are being checked; the password was not looked at.
    #[error("too many logins at once; try again in {} s", retry_after.as_secs().max(1))]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The password was right, but the session could not be made.
    #[error("login failed")]
    Failed(#[from] AccessError),
}

impl LoginError {
    /// When trying again can help; `None` if it depends on the caller.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Busy { retry_after } => Some(*retry_after),
            Self::Wrong | Self::Failed(_) => None,
        }
    }

    /// The value of the `outcome` label in metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Throttled { .. } => "throttled",
            Self::Busy { .. } => "busy",
            Self::Failed(_) => "failed",
        }
    }
}

/// A token or session was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credentials were sent.
    #[error("credentials are required")]
    Missing,
    /// Credentials were sent that are not in the form of ours.
    #[error("the credentials are malformed")]
    Malformed,
    /// Never issued, revoked, or logged out.
    #[error("the credentials are not valid")]
    Unknown,
    /// Valid once.
    #[error("the credentials have expired")]
    Expired,
    /// Valid, but not for this.
    #[error("this needs the scope {}", needed.name())]
    Scope {
        /// What is needed.
        needed: Scope,
    },
}

impl Denied {
    /// Whether the caller is known but may not (403), rather than unknown (401).
    pub fn is_known_caller(self) -> bool {
        match self {
            Self::Scope { .. } => true,
            Self::Missing | Self::Malformed | Self::Unknown | Self::Expired => false,
        }
    }

    /// The value of the `reason` label in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Scope { .. } => "scope",
        }
    }
}
