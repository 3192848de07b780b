//! Versions of the stack.

use std::{fmt, str::FromStr};

use semver::Version;

/// A version such as `8.15.3` or `9.0.0-SNAPSHOT`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackVersion(Version);

/// A version that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a version like 8.15.3")]
pub struct VersionError {
    /// What was written.
    pub text: String,
}

impl StackVersion {
    /// The major number.
    pub fn major(&self) -> u64 {
        self.0.major
    }

    /// The minor number.
    pub fn minor(&self) -> u64 {
        self.0.minor
    }

    /// Whether it has what came with `major.minor.patch`; a pre-release of that version has it too.
    pub fn at_least(&self, major: u64, minor: u64, patch: u64) -> bool {
        (self.0.major, self.0.minor, self.0.patch) >= (major, minor, patch)
    }
}

impl FromStr for StackVersion {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        Version::parse(text).map(Self).map_err(|_| VersionError { text: text.to_owned() })
    }
}

impl fmt::Display for StackVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
