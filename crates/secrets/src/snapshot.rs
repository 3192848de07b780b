//! One version of one secret.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::{SecretBytes, SecretError};

/// The most that the keys and values of one secret may have together: what Kubernetes allows for a Secret.
pub const MAX_SECRET_BYTES: usize = 1 << 20;

/// What names a version to people: never made from the values, so that it can be shown.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Version(String);

impl Version {
    /// At most 128 characters of `text`, control characters left out: it may come from a provider.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().chars().filter(|c| !c.is_control()).take(128).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All keys of a secret in one version. Never changes.
#[derive(Clone, Debug)]
pub struct Snapshot {
    values: BTreeMap<String, SecretBytes>,
    version: Version,
    /// When the provider wants to be asked again, counted from the answer.
    pub refresh_after: Option<Duration>,
    /// When the values stop working, by the monotonic clock: a clock that is set doesn't shorten a lease.
    pub expires_at: Option<Instant>,
}

impl Snapshot {
    /// Values by key.
    ///
    /// # Errors
    /// They are more than [`MAX_SECRET_BYTES`].
    pub fn new(values: BTreeMap<String, SecretBytes>, version: Version) -> Result<Self, SecretError> {
        let size: usize = values.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size > MAX_SECRET_BYTES {
            return Err(SecretError::TooLarge);
        }
        Ok(Self { values, version, refresh_after: None, expires_at: None })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&SecretBytes> {
        self.values.get(key)
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// What names the version to people.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Whether a user of the secret would see a difference.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        self.version != other.version || self.values != other.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_mebibyte_is_refused() {
        let of = |bytes: usize| {
            let values = BTreeMap::from([("k".to_owned(), SecretBytes::from(vec![0; bytes]))]);
            Snapshot::new(values, Version::new("1"))
        };
        assert!(of(MAX_SECRET_BYTES - 1).is_ok());
        assert!(matches!(of(MAX_SECRET_BYTES), Err(SecretError::TooLarge)));
    }

    #[test]
    fn versions_from_strangers_are_short_and_printable() {
        assert_eq!(Version::new("4\n2").as_str(), "42");
        assert_eq!(Version::new("x".repeat(1000)).as_str().len(), 128);
    }
}
