//! `attr(json, key)`: one key of an attributes column.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// Strings come out bare, everything else as JSON; a key that is absent or null, and a text that is no JSON object, as null.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Attr {
    signature: Signature,
}

impl Default for Attr {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Attr {
    fn name(&self) -> &str {
        "attr"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [json, key] = types else { return plan_err!("attr takes a JSON column and a key") };
        let json = match json {
            // Each distinct value is looked into once.
            DataType::Dictionary(_, value) if **value == DataType::Utf8 => json.clone(),
            DataType::Dictionary(..)
            | DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Null => DataType::Utf8,
            other => return plan_err!("attr takes a JSON text, not {other}"),
        };
        if !(key.is_string() || key.is_null() || matches!(key, DataType::Dictionary(..))) {
            return plan_err!("attr takes a key that is text, not {key}");
        }
        Ok(vec![json, DataType::Utf8])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [json, key] = args.args.as_slice() else { return exec_err!("attr takes two arguments") };
        match (json, key) {
            (ColumnarValue::Scalar(json), ColumnarValue::Scalar(key)) => {
                let json = json.to_array_of_size(1)?;
                let found = look_up(&json, |_| text(key))?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?))
            }
            (ColumnarValue::Array(json), ColumnarValue::Scalar(key)) => {
                Ok(ColumnarValue::Array(look_up(json, |_| text(key))?))
            }
            (json, ColumnarValue::Array(keys)) => {
                let keys: &StringArray = keys.as_string();
                // With a key of its own per row there is nothing to look up once.
                let json = cast(&json.clone().into_array(rows)?, &DataType::Utf8)?;
                Ok(ColumnarValue::Array(look_up(&json, |row| keys.is_valid(row).then(|| keys.value(row)))?))
            }
        }
    }
}

fn look_up<'a>(json: &ArrayRef, key: impl Fn(usize) -> Option<&'a str>) -> Result<ArrayRef> {
    if let Some(dictionary) = json.as_any_dictionary_opt() {
        let values = look_up_plain(dictionary.values(), key);
        return Ok(cast(&dictionary.with_values(values), &DataType::Utf8)?);
    }
    Ok(look_up_plain(json, key))
}

fn look_up_plain<'a>(json: &ArrayRef, key: impl Fn(usize) -> Option<&'a str>) -> ArrayRef {
    let json: &StringArray = json.as_string();
    let mut found = StringBuilder::new();
    for row in 0..json.len() {
        let value = key(row).filter(|_| json.is_valid(row)).and_then(|key| find(json.value(row), key));
        found.append_option(value);
    }
    Arc::new(found.finish())
}

fn text(key: &ScalarValue) -> Option<&str> {
    key.try_as_str().flatten()
}

/// Reads the object without building what stands beside the key. Of a repeated key the last counts.
fn find(json: &str, key: &str) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match Key(key).deserialize(&mut deserializer).ok()?? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

struct Key<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_keys_of_objects_and_nothing_elsewhere() {
        #[track_caller]
        fn check(json: &str, key: &str, expect: Option<&str>) {
            assert_eq!(find(json, key).as_deref(), expect, "{json}");
        }
        check(r#"{"a":"x","http.method":"GET"}"#, "http.method", Some("GET"));
        check(r#"{"n":{"deep":1}}"#, "n", Some(r#"{"deep":1}"#));
        check(r#"{"n":5}"#, "n", Some("5"));
        check(r#"{"n":null}"#, "n", None);
        check(r#"{"k\"ey":true}"#, "k\"ey", Some("true"));
        check(r#"{"a":1}"#, "b", None);
        for broken in ["", "{", "[1]", "7", "no json", r#"{"a":"#] {
            check(broken, "a", None);
        }
    }
}
