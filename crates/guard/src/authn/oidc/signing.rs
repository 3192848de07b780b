//! What tokens may be signed with: what the JWT library checks, and ES512, which it doesn't know.

use std::str::FromStr;

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Bytes of a coordinate on P-521, and of each half of a signature (RFC 7518 §3.4 and §6.2.1.2).
const P521_BYTES: usize = 66;

/// An asymmetric signature algorithm of RFC 7518. `none`, and those that share a secret, are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// RS, PS 256, 384 or 512, ES256, ES384.
    Library(Algorithm),
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

/// The text names no algorithm that tokens may be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or ES512")]
pub struct UnknownAlgorithm;

impl FromStr for SigningAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        if name == "ES512" {
            return Ok(Self::Es512);
        }
        let known: Algorithm = name.parse().map_err(|_| UnknownAlgorithm)?;
        match known.family() {
            AlgorithmFamily::Rsa | AlgorithmFamily::Ec => Ok(Self::Library(known)),
            _ => Err(UnknownAlgorithm),
        }
    }
}

impl SigningAlgorithm {
    /// What a token says that it is signed with, and the key's name. Unverified.
    pub(super) fn of(token: &str) -> Option<(Self, Option<String>)> {
        match jsonwebtoken::decode_header(token) {
            Ok(header) => Some((Self::Library(header.alg), header.kid)),
            Err(_) => Some((Self::Es512, es512_header(token)?.kid)),
        }
    }
}

/// A key that an issuer publishes.
pub(super) enum Key {
    Library(DecodingKey),
    /// A point on P-521, uncompressed.
    P521(Vec<u8>),
}

impl Key {
    /// Whether it is of the kind that the algorithm uses.
    pub(super) fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        match (self, algorithm) {
            (Self::Library(key), SigningAlgorithm::Library(algorithm)) => key.family() == algorithm.family(),
            (Self::P521(_), SigningAlgorithm::Es512) => true,
            _ => false,
        }
    }

    /// The claims of a token that this key has signed. Only the signature is checked.
    pub(super) fn claims(&self, token: &str, algorithm: SigningAlgorithm) -> Option<Map<String, Value>> {
        match (self, algorithm) {
            (Self::Library(key), SigningAlgorithm::Library(algorithm)) => {
                jsonwebtoken::decode(token, key, &signature_alone(algorithm)).ok().map(|data| data.claims)
            }
            (Self::P521(point), SigningAlgorithm::Es512) => es512_claims(token, point),
            _ => None,
        }
    }

    /// A key on P-521 of a JWK set.
    pub(super) fn p521(jwk: &Value) -> Option<Self> {
        let coordinate = |name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()?;
            (bytes.len() == P521_BYTES).then_some(bytes)
        };
        let is = |name: &str, value: &str| jwk.get(name).and_then(Value::as_str) == Some(value);
        if !is("kty", "EC") || !is("crv", "P-521") {
            return None;
        }
        // SEC 1 §2.3.3. Whether it is a point of the curve is found when a signature is checked.
        Some(Self::P521([vec![4], coordinate("x")?, coordinate("y")?].concat()))
    }
}

/// The claims are checked by [`super::identity_of_claims`], on the clock that was passed in.
fn signature_alone(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

#[derive(Deserialize)]
struct Es512Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// What must be understood (RFC 7515 §4.1.11), and isn't.
    #[serde(default)]
    crit: Option<Value>,
}

fn es512_header(token: &str) -> Option<Es512Header> {
    let (header, _) = token.split_once('.')?;
    let header: Es512Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    (header.alg == "ES512" && header.crit.is_none()).then_some(header)
}

fn es512_claims(token: &str, point: &[u8]) -> Option<Map<String, Value>> {
    es512_header(token)?;
    let (signed, signature) = token.rsplit_once('.')?;
    let (_, payload) = signed.split_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if signature.len() != 2 * P521_BYTES {
        return None;
    }
    let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point);
    key.verify(signed.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    fn token(pair: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn jwk(pair: &EcdsaKeyPair) -> Value {
        let (x, y) = pair.public_key().as_ref()[1..].split_at(P521_BYTES);
        json!({"kty": "EC", "crv": "P-521", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
    }

    #[test]
    fn es512_is_checked_and_nothing_else_passes_for_it() {
        let generate = || EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
        let (pair, other) = (generate(), generate());
        let (key, stranger) = (Key::p521(&jwk(&pair)).unwrap(), Key::p521(&jwk(&other)).unwrap());
        let claims = json!({"iss": "i"});
        let good = token(&pair, &json!({"alg": "ES512", "kid": "1"}), &claims);
        assert_eq!(SigningAlgorithm::of(&good), Some((SigningAlgorithm::Es512, Some("1".to_owned()))));
        assert_eq!(key.claims(&good, SigningAlgorithm::Es512).map(Value::Object), Some(claims.clone()));
        assert_eq!(stranger.claims(&good, SigningAlgorithm::Es512), None);
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let changed = URL_SAFE_NO_PAD.encode(r#"{"iss":"j"}"#);
        for bad in [
            format!("{header}.{changed}.{signature}"),
            format!("{signed}."),
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 2 * P521_BYTES])),
            signed.to_owned(),
            token(&pair, &json!({"alg": "ES512", "crit": ["exp"]}), &claims),
            token(&pair, &json!({"alg": "none"}), &claims),
            token(&pair, &json!({"alg": "HS256"}), &claims),
            String::new(),
        ] {
            assert_eq!(key.claims(&bad, SigningAlgorithm::Es512), None, "{bad}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_left_out() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
        for (name, value) in
            [("kty", json!("RSA")), ("crv", json!("P-256")), ("x", json!("AA")), ("y", json!(1))]
        {
            let mut jwk = jwk(&pair);
            jwk[name] = value;
            assert!(Key::p521(&jwk).is_none(), "{jwk}");
        }
        // Not a point of the curve: no signature is one of it.
        let mut off = jwk(&pair);
        off["y"] = json!(URL_SAFE_NO_PAD.encode([1; P521_BYTES]));
        let key = Key::p521(&off).unwrap();
        assert_eq!(
            key.claims(&token(&pair, &json!({"alg": "ES512"}), &json!({})), SigningAlgorithm::Es512),
            None
        );
    }

    #[test]
    fn names_of_algorithms() {
        for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"] {
            assert!(name.parse::<SigningAlgorithm>().is_ok(), "{name}");
        }
        for name in ["", "none", "HS256", "HS512", "EdDSA", "es512", "ES521"] {
            assert_eq!(name.parse::<SigningAlgorithm>(), Err(UnknownAlgorithm), "{name}");
        }
    }
}
