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

    /// A release.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self(Version::new(major, minor, patch))
    }

    /// The patch number.
    pub fn patch(&self) -> u64 {
        self.0.patch
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

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> StackVersion {
        text.parse().unwrap()
    }

    #[test]
    fn a_pre_release_has_what_its_release_has_and_is_older() {
        assert!(version("9.0.0-SNAPSHOT").at_least(9, 0, 0));
        assert!(version("9.0.0-SNAPSHOT") < version("9.0.0"));
        assert!(version("8.16.0-rc1").at_least(8, 16, 0));
        assert!(!version("8.15.3").at_least(8, 16, 0));
        assert!(version("8.15.3") < version("8.16.0"));
        assert!(version("8.9.0") < version("8.10.0"));
        assert_eq!(version("8.15.3").to_string(), "8.15.3");
        assert_eq!(version("8.15.3"), StackVersion::new(8, 15, 3));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in ["", "8", "8.15", "v8.15.3", "8.15.3.1", "8.x.0", " 8.15.3", "latest"] {
            assert!(bad.parse::<StackVersion>().is_err(), "{bad:?}");
        }
    }
}
