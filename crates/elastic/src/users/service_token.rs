//! Tokens of service accounts.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha512};

use crate::random::{Random, alphanumeric};

/// A token, and what Elasticsearch stores of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceToken {
    /// What is sent.
    pub wire: String,
    /// What stands in `service_tokens`.
    pub hash: String,
}

impl std::fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceToken(…)")
    }
}

/// How often the hash is taken; Elasticsearch reads it from the hash.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("more than none");

impl ServiceToken {
    /// A new token called `name` for `account`, such as `elastic/kibana`.
    pub fn make(account: &str, name: &str, random: Random<'_>) -> Self {
        /// As long as the reference's: 380 bits.
        const SECRET_LENGTH: usize = 64;
        let secret = alphanumeric(SECRET_LENGTH, random);
        let mut salt = [0; 32];
        random(&mut salt);
        Self { wire: wire(account, name, &secret), hash: hash(&secret, &salt) }
    }
}

/// Base64 of the version bytes 0 1 0 1 (the first says that it is a service token, written as Elasticsearch's streams do),
/// account, name and secret.
fn wire(account: &str, name: &str, secret: &str) -> String {
    let mut bytes = vec![0x00, 0x01, 0x00, 0x01];
    bytes.extend_from_slice(format!("{account}/{name}:{secret}").as_bytes());
    STANDARD.encode(bytes)
}

/// `{PBKDF2_STRETCH}<rounds>$<salt>$<digest>`: PBKDF2 with HMAC-SHA-512 over the hexadecimal SHA-512 of the secret, both
/// salt and digest 32 bytes in base64.
fn hash(secret: &str, salt: &[u8; 32]) -> String {
    let stretched: String = Sha512::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut digest = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, ROUNDS, salt, stretched.as_bytes(), &mut digest);
    format!("{{PBKDF2_STRETCH}}{ROUNDS}${}${}", STANDARD.encode(salt), STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib: `pbkdf2_hmac("sha512", sha512(secret).hexdigest(), salt, 10000, 32)`.
    #[test]
    fn the_bytes_are_those_that_elasticsearch_reads() {
        let secret = "A".repeat(64);
        let salt: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(
            hash(&secret, &salt),
            "{PBKDF2_STRETCH}10000$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=$RAfEjZxucm6nVrqfXB5vFflpOexestUpmpVVp4n68XQ="
        );
        let expected = "AAEAAWVsYXN0aWMva2liYW5hL25zX2tfdWlkOkFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\
            QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
        assert_eq!(wire("elastic/kibana", "ns_k_uid", &secret), expected);
    }

    #[test]
    fn what_is_sent_fits_what_is_stored() {
        let mut drawn = 0_u8;
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                drawn = drawn.wrapping_mul(13).wrapping_add(7);
                *byte = drawn;
            }
        };
        let token = ServiceToken::make("elastic/kibana", "n", &mut random);
        let sent = String::from_utf8(STANDARD.decode(&token.wire).unwrap()[4..].to_vec()).unwrap();
        let secret = sent.strip_prefix("elastic/kibana/n:").unwrap();
        let parts: Vec<&str> = token.hash.split('$').collect();
        let salt: [u8; 32] = STANDARD.decode(parts[1]).unwrap().try_into().unwrap();
        assert_eq!((secret.len(), hash(secret, &salt)), (64, token.hash));
    }
}
