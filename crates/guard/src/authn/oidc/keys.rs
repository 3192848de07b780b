//! The keys that an issuer publishes.

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// Keys of an issuer; the largest ones publish about ten.
const KEYS_LIMIT: usize = 100;
/// Keys that are tried for a token that names none.
const TRIES: usize = 4;

pub(super) struct KeySet(Vec<Published>);

struct Published {
    id: Option<String>,
    /// The one algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Of a JWK set. Keys of kinds that no allowed algorithm uses are left out, as RFC 7517 asks.
    pub(super) fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        let Document { keys } = serde_json::from_slice(json)?;
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(Self(keys.filter_map(published).take(KEYS_LIMIT).collect()))
    }

    pub(super) fn knows(&self, id: Option<&str>, algorithm: Algorithm) -> bool {
        self.candidates(id, algorithm).next().is_some()
    }

    /// The keys that a token's header may mean: by name and algorithm both, so that no key is used as another kind.
    pub(super) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        self.0
            .iter()
            .filter(move |published| id.is_none_or(|id| published.id.as_deref() == Some(id)))
            .filter(move |published| published.algorithm.is_none_or(|one| one == algorithm))
            .map(|published| &published.key)
            .filter(move |key| key.family() == algorithm.family())
            .take(TRIES)
    }
}

fn published(jwk: Jwk) -> Option<Published> {
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm {
        None => None,
        // One that isn't known can't be the one that a token was allowed to use.
        Some(named) => Some(named.to_string().parse().ok()?),
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Published { id: jwk.common.key_id, algorithm, key })
}
