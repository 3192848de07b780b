//! Bodies that are one JSON object.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::key::Key;
use super::level::Level;
use super::{Lifted, Stated};

/// Nothing, if the body is no JSON object.
pub(super) fn lift(body: &str) -> Lifted {
    serde_json::from_str::<Stated<'_>>(body).map(Stated::lifted).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Stated<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members)
    }
}

/// Values are raw, so that one of another type hides nothing else.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Stated<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut stated = Stated::default();
        while let Some(Text(name)) = members.next_key()? {
            let value: &RawValue = members.next_value()?;
            let Some(key) = Key::of(&name) else { continue };
            if let Ok(Text(text)) = serde_json::from_str(value.get()) {
                stated.take(key, text);
            } else if let Key::Level(rank) = key {
                stated.take_level(rank, Level::numbered(value.get()));
            }
        }
        Ok(stated)
    }
}

/// A string, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
