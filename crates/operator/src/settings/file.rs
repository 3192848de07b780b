//! The configuration file: one mapping of keys to numbers, words and lists, each with its line.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::error::{Origin, SettingsError};

/// The largest file that is read; a ConfigMap holds no more.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Written {
    /// `key:` with nothing behind it.
    Nothing,
    /// One word or number.
    One(String),
    /// A list of them.
    Many(Vec<String>),
    /// A mapping.
    Mapping(serde_json::Map<String, serde_json::Value>),
}

/// The keys of the file in their order.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<(String, Written, Origin)>, SettingsError> {
    let syntax = |line, message| SettingsError::Syntax { path: path.to_owned(), line, message };
    let Keys(keys) = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(1, |at| at.line());
        syntax(line, error.without_snippet().to_string())
    })?;
    let path: Arc<Path> = path.into();
    let origin = |line| Origin::File { path: Arc::clone(&path), line };
    Ok(keys.into_iter().map(|(key, value)| (key.value, value.value, origin(key.referenced.line()))).collect())
}

struct Keys(Vec<(Spanned<String>, Spanned<Written>)>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AMapping;
        impl<'de> Visitor<'de> for AMapping {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of keys to values")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    keys.push(entry);
                }
                Ok(Keys(keys))
            }
            fn visit_unit<E>(self) -> Result<Keys, E> {
                Ok(Keys(Vec::new()))
            }
        }
        deserializer.deserialize_any(AMapping)
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AValue;
        impl<'de> Visitor<'de> for AValue {
            type Value = Written;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word, a number, a list or a mapping")
            }
            fn visit_unit<E>(self) -> Result<Written, E> {
                Ok(Written::Nothing)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Written, E> {
                Ok(Written::One(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Written, E> {
                Ok(Written::One(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Written, E> {
                Ok(Written::One(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Written, E> {
                Ok(Written::One(value.to_string()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Written, E> {
                Ok(Written::One(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Written, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element::<Written>()? {
                    match value {
                        Written::One(value) => values.push(value),
                        Written::Nothing => {}
                        _ => return Err(serde::de::Error::custom("a list may hold words and numbers only")),
                    }
                }
                Ok(Written::Many(values))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                serde_json::Map::deserialize(map).map(Written::Mapping)
            }
        }
        deserializer.deserialize_any(AValue)
    }
}
