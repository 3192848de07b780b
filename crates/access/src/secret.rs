//! Secrets in memory: made from the system's randomness, wiped when dropped, never printed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// A secret text. Wiped from memory when dropped; `Debug` shows nothing of it, and it has no `Display` or `Serialize`:
/// whoever hands it out says so with [`Secret::expose`].
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The digits of generated passwords: Crockford's base 32, which has no letter that reads as a digit.
const READABLE: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Five groups of five digits of 5 bits each: 125 bits.
pub(crate) fn generate_password() -> Result<Secret, getrandom::Error> {
    let mut random = Zeroizing::new([0u8; 25]);
    getrandom::fill(random.as_mut_slice())?;
    let mut text = String::with_capacity(29);
    for (position, byte) in random.iter().enumerate() {
        if position > 0 && position % 5 == 0 {
            text.push('-');
        }
        text.push(char::from(READABLE[usize::from(byte % 32)]));
    }
    Ok(Secret::from(text))
}

/// 256 random bits that name themselves: a session id or the secret part of a token.
pub(crate) struct RandomId(Zeroizing<[u8; 32]>);

impl RandomId {
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// From base64 (URL alphabet, unpadded); `None` for anything that [`RandomId::to_base64`] does not write.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        // 43 digits hold 32 bytes; the check keeps a stranger's megabytes away from the decoder.
        if text.len() != 43 {
            return None;
        }
        let written = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok()?;
        (written == 32).then_some(Self(bytes))
    }

    /// From 64 lower-case hexadecimal digits.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        hex::decode_to_slice(text, bytes.as_mut_slice()).ok()?;
        Some(Self(bytes))
    }

    pub(crate) fn to_base64(&self) -> Secret {
        Secret::from(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    pub(crate) fn to_hex(&self) -> Secret {
        Secret::from(hex::encode(self.0.as_slice()))
    }

    /// What is kept of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.0.as_slice()).into())
    }

    /// A value that only the holder of the id, or who saw it from us, can name: the session's CSRF token.
    pub(crate) fn derive(&self, purpose: &str) -> Secret {
        let mut hasher = Sha256::new();
        hasher.update(purpose.as_bytes());
        hasher.update([0]);
        hasher.update(self.0.as_slice());
        let mut derived: [u8; 32] = hasher.finalize().into();
        let text = URL_SAFE_NO_PAD.encode(derived);
        derived.zeroize();
        Secret::from(text)
    }
}

/// SHA-256 of a [`RandomId`]; in JSON 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// Compares in a time that does not depend on where they differ.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), other.0.as_slice()).into()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        hex::encode(digest.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(&text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_five_readable_groups_and_differ() {
        let (one, two) = (generate_password().unwrap(), generate_password().unwrap());
        assert_ne!(one.expose(), two.expose());
        let groups: Vec<&str> = one.expose().split('-').collect();
        assert_eq!(groups.len(), 5);
        assert!(groups.iter().all(|g| g.len() == 5 && g.bytes().all(|b| READABLE.contains(&b))));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from(String::from("hunter2"))), "Secret(…)");
    }

    #[test]
    fn ids_survive_their_text() {
        let id = RandomId::generate().unwrap();
        assert_eq!(RandomId::from_base64(id.to_base64().expose()).unwrap().digest(), id.digest());
        assert_eq!(RandomId::from_hex(id.to_hex().expose()).unwrap().digest(), id.digest());
        assert_ne!(id.derive("csrf").expose(), id.to_base64().expose());
        assert_ne!(id.derive("csrf").expose(), id.derive("other").expose());
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_or_none(text in "\\PC{0,80}") {
            if let Some(id) = RandomId::from_base64(&text) {
                let again = id.to_base64();
                prop_assert_eq!(again.expose(), text.as_str());
            }
            if let Some(id) = RandomId::from_hex(&text) {
                let again = id.to_hex();
                prop_assert_eq!(again.expose(), text.as_str());
            }
        }
    }
}
