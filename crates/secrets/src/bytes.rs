//! A secret's bytes in memory.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The bytes of one value. Clones share them; they are wiped when the last one is dropped. `Debug` shows nothing of
/// them, and there is no `Display` or `Serialize`: whoever hands them out says so with [`SecretBytes::expose`].
#[derive(Clone)]
pub struct SecretBytes(Arc<Zeroizing<Vec<u8>>>);

impl SecretBytes {
    /// The value itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value as text; `None` if it is not UTF-8.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Text without the line end that editors and `echo` put after it.
    pub(crate) fn trimmed(&self) -> Self {
        let end = self.0.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
        if end == self.0.len() { self.clone() } else { Self::from(self.0[..end].to_vec()) }
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(bytes))
    }
}

/// In a time that depends on the lengths alone.
impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

/// From a string, without a copy that isn't wiped unless the string has escapes.
impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SecretBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SecretBytes, E> {
                Ok(SecretBytes::from(text.as_bytes().to_vec()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<SecretBytes, E> {
                Ok(SecretBytes::from(text.into_bytes()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", SecretBytes::from(b"hunter2".to_vec())), "SecretBytes(…)");
    }

    #[test]
    fn line_ends_after_a_text_are_trimmed() {
        let check = |given: &str, expect: &str| {
            let trimmed = SecretBytes::from(given.as_bytes().to_vec()).trimmed();
            assert_eq!(trimmed.expose_text(), Some(expect));
        };
        check("s.token", "s.token");
        check("s.token\r\n\n", "s.token");
        check(" \n", "");
    }
}
