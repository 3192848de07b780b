//! Settings of Elasticsearch, Kibana and APM Server as users write them: `a.b: 1` and `a: {b: 1}` are the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A configuration's settings by their dotted paths. Lists are values, not levels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings<'a> {
    values: BTreeMap<String, &'a Value>,
}

/// A path that is a value and a level at once, such as `node: 3` beside `node.roles: []`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is a value in one place and has settings below it in another")]
pub struct SettingsError {
    /// The path.
    pub path: String,
}

impl<'a> Settings<'a> {
    /// Reads a configuration. Where it gives a path twice, one of the two values counts.
    pub fn read(config: Option<&'a Map<String, Value>>) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for (key, value) in config.into_iter().flatten() {
            settings.add(key.clone(), value);
        }
        for path in settings.values.keys() {
            let above = path.match_indices('.').map(|(at, _)| &path[..at]);
            if let Some(value) = above.into_iter().find(|above| settings.values.contains_key(*above)) {
                return Err(SettingsError { path: value.to_owned() });
            }
        }
        Ok(settings)
    }

    /// The value of a setting.
    pub fn get(&self, path: &str) -> Option<&'a Value> {
        self.values.get(path).copied()
    }

    /// A setting that is true or false; the words are accepted too, as the stack does.
    pub fn flag(&self, path: &str) -> Option<bool> {
        match self.get(path)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Whether a setting is there.
    pub fn has(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    fn add(&mut self, path: String, value: &'a Value) {
        match value {
            Value::Object(below) if !below.is_empty() => {
                for (key, value) in below {
                    self.add(format!("{path}.{key}"), value);
                }
            }
            _ => {
                self.values.insert(path, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dots_and_levels_are_the_same() {
        let config = json!({ "node": { "roles": ["master"], "store.allow_mmap": false }, "a.b": { "c": "true" }, "n": null });
        let settings = Settings::read(config.as_object()).unwrap();
        assert_eq!(settings.get("node.roles"), Some(&json!(["master"])));
        assert_eq!(settings.flag("node.store.allow_mmap"), Some(false));
        assert_eq!(settings.flag("a.b.c"), Some(true));
        assert!(settings.has("n") && !settings.has("node"));
        assert_eq!(Settings::read(None), Ok(Settings::default()));
    }

    #[test]
    fn a_path_is_a_value_or_a_level() {
        let config = json!({ "node": 3, "node.roles": [] });
        assert_eq!(Settings::read(config.as_object()), Err(SettingsError { path: "node".to_owned() }));
    }
}
