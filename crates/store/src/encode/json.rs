//! Attribute values as JSON text, streamed through serde_json without a tree in between.

use parapet_signal::{Attributes, Value};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

/// A buffer that holds one JSON text after the other.
#[derive(Default)]
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// Writes `value` and returns its text, until the next call.
    pub(super) fn write(&mut self, value: &impl Serialize) -> &str {
        self.0.clear();
        serde_json::to_writer(&mut self.0, value)
            .expect("writing to memory does not fail, and map keys are strings");
        str::from_utf8(&self.0).expect("serde_json writes UTF-8")
    }

    /// The attributes as a JSON object; empty if there are none.
    pub(super) fn attributes(&mut self, attributes: &Attributes) -> &str {
        if attributes.is_empty() { "" } else { self.write(&AsJson(attributes)) }
    }

    /// A body: strings bare, nothing for null, everything else as JSON.
    pub(super) fn body<'a>(&'a mut self, body: &'a Value) -> &'a str {
        match body {
            Value::Null => "",
            Value::Str(text) => text,
            other => self.write(&AsJson(other)),
        }
    }
}

/// Serializes as `to_json` of the data model does, keys in their order of arrival.
pub(super) struct AsJson<T>(pub(super) T);

impl Serialize for AsJson<&Attributes> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.iter() {
            map.serialize_entry(key, &AsJson(value))?;
        }
        map.end()
    }
}

impl Serialize for AsJson<&Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Str(text) => serializer.serialize_str(text),
            Value::Bool(b) => serializer.serialize_bool(*b),
            Value::Int(i) => serializer.serialize_i64(*i),
            Value::Double(d) if d.is_finite() => serializer.serialize_f64(*d),
            Value::Array(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&AsJson(value))?;
                }
                list.end()
            }
            Value::Map(map) => AsJson(map).serialize(serializer),
            // Rare shapes: the data model knows what they look like.
            Value::Null | Value::Double(_) | Value::Bytes(_) => self.0.to_json().serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_the_data_model_says() {
        let nested = Attributes::new().with("z", 1).with("a", "ü\"\n");
        let value = Value::Map(
            Attributes::new()
                .with("list", Value::Array(vec![Value::Null, true.into(), 1.5.into(), f64::NAN.into()]))
                .with("bytes", Value::Bytes(vec![0, 255]))
                .with("map", Value::Map(nested)),
        );
        let mut scratch = Scratch::default();
        let text = scratch.body(&value).to_owned();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value.to_json());
        assert!(text.find("\"z\"") < text.find("\"a\""), "order of arrival is kept: {text}");
        assert_eq!(scratch.body(&Value::Null), "");
        assert_eq!(scratch.body(&"plain".into()), "plain");
        assert_eq!(scratch.attributes(&Attributes::new()), "");
    }
}
