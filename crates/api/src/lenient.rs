//! Reading what an API server holds, which is more than what our types would write: `null` for what is absent, and, in a
//! status, words of another operator's release. A specification is never read so: there, a word nobody knows is refused.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `null` is the same as absent.
pub(crate) fn or_default<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What isn't understood is the same as absent: the next status that is written says it anew.
pub(crate) fn if_known<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Default + DeserializeOwned,
    D: Deserializer<'de>,
{
    Ok(serde_json::from_value(Value::deserialize(from)?).unwrap_or_default())
}

/// The elements that are understood.
pub(crate) fn each_known<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let all: Option<Vec<Value>> = if_known(from)?;
    Ok(all.into_iter().flatten().filter_map(|one| serde_json::from_value(one).ok()).collect())
}
