//! The keys that an issuer publishes.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::signing::{Key, SigningAlgorithm};

/// Keys of an issuer; the largest ones publish about ten.
const KEYS_LIMIT: usize = 100;
/// Keys that are tried for a token that names none.
const TRIES: usize = 4;

/// Those that it publishes now, as far as an allowed algorithm can use them.
pub struct KeySet(Vec<Published>);

struct Published {
    id: Option<String>,
    /// The one algorithm that it is for, if it says so.
    algorithm: Option<SigningAlgorithm>,
    key: Key,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Of a JWK set. Keys of kinds that no allowed algorithm uses are left out, as RFC 7517 asks.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        let Document { keys } = serde_json::from_slice(json)?;
        Ok(Self(keys.into_iter().filter_map(published).take(KEYS_LIMIT).collect()))
    }

    /// The claims of a token that one of the keys has signed, with one of the allowed algorithms. Only the signature is
    /// checked; see [`super::identity_of_claims`].
    pub fn claims(&self, token: &str, allowed: &[SigningAlgorithm]) -> Option<Map<String, Value>> {
        let (algorithm, id) = SigningAlgorithm::of(token)?;
        if !allowed.contains(&algorithm) {
            return None;
        }
        self.candidates(id.as_deref(), algorithm).find_map(|key| key.claims(token, algorithm))
    }

    pub(super) fn knows(&self, id: Option<&str>, algorithm: SigningAlgorithm) -> bool {
        self.candidates(id, algorithm).next().is_some()
    }

    /// The keys that a token's header may mean: by name and algorithm both, so that no key is used as another kind.
    fn candidates(&self, id: Option<&str>, algorithm: SigningAlgorithm) -> impl Iterator<Item = &Key> {
        self.0
            .iter()
            .filter(move |published| id.is_none_or(|id| published.id.as_deref() == Some(id)))
            .filter(move |published| published.algorithm.is_none_or(|one| one == algorithm))
            .map(|published| &published.key)
            .filter(move |key| key.fits(algorithm))
            .take(TRIES)
    }
}

fn published(jwk: Value) -> Option<Published> {
    match Key::p521(&jwk) {
        Some(key) => published_p521(&jwk, key),
        None => published_for_library(serde_json::from_value(jwk).ok()?),
    }
}

/// The library knows neither the curve nor the algorithm.
fn published_p521(jwk: &Value, key: Key) -> Option<Published> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let is_for_signatures = text("use").is_none_or(|purpose| purpose == "sig");
    let is_for_es512 = text("alg").is_none_or(|algorithm| algorithm == "ES512");
    (is_for_signatures && is_for_es512).then(|| Published {
        id: text("kid").map(str::to_owned),
        algorithm: Some(SigningAlgorithm::Es512),
        key,
    })
}

fn published_for_library(jwk: Jwk) -> Option<Published> {
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm {
        None => None,
        // One that isn't known can't be the one that a token was allowed to use.
        Some(named) => Some(SigningAlgorithm::Library(named.to_string().parse().ok()?)),
    };
    let key = Key::Library(DecodingKey::from_jwk(&jwk).ok()?);
    Some(Published { id: jwk.common.key_id, algorithm, key })
}
