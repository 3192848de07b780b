//! A JSON value with its place in the object, so that every problem says where it is.

use std::cell::RefCell;

use serde_json::Value;

use super::{ObjectRef, Problem, Severity};

/// Problems of one object, gathered while it is read.
pub(super) struct Notes {
    object: ObjectRef,
    problems: RefCell<Vec<Problem>>,
}

impl Notes {
    pub(super) fn new(object: ObjectRef) -> Self {
        Self { object, problems: RefCell::default() }
    }

    fn add(&self, severity: Severity, path: &str, message: String) {
        let problem = Problem { object: self.object.clone(), path: path.to_owned(), message, severity };
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// A value and where it stands. `null` counts as absent, as it does after a round trip through the API server.
#[derive(Clone)]
pub(super) struct Field<'a> {
    value: Option<&'a Value>,
    path: String,
    notes: &'a Notes,
}

impl<'a> Field<'a> {
    pub(super) fn root(value: &'a Value, path: &str, notes: &'a Notes) -> Self {
        Self { value: Some(value), path: path.to_owned(), notes }
    }

    pub(super) fn error(&self, message: impl Into<String>) {
        self.notes.add(Severity::Error, &self.path, message.into());
    }

    pub(super) fn warn(&self, message: impl Into<String>) {
        self.notes.add(Severity::Warning, &self.path, message.into());
    }

    /// The value unless it is absent or null.
    pub(super) fn value(&self) -> Option<&'a Value> {
        self.value.filter(|value| !value.is_null())
    }

    pub(super) fn is_present(&self) -> bool {
        self.value().is_some()
    }

    /// A member, absent ones included.
    pub(super) fn get(&self, key: &str) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        let value = self.value.and_then(Value::as_object).and_then(|object| object.get(key));
        Self { value, path: format!("{}/{escaped}", self.path), notes: self.notes }
    }

    /// Walks several members down.
    pub(super) fn at(&self, keys: &[&str]) -> Self {
        keys.iter().fold(self.clone(), |field, key| field.get(key))
    }

    /// What a JSON pointer leads to.
    pub(super) fn below(&self, pointer: &str) -> Self {
        let value = self.value.and_then(|value| value.pointer(pointer));
        Self { value, path: format!("{}{pointer}", self.path), notes: self.notes }
    }

    /// The elements of a list; nothing and null are an empty one.
    pub(super) fn list(&self) -> Vec<Self> {
        match self.value() {
            None => Vec::new(),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, value)| Self {
                    value: Some(value),
                    path: format!("{}/{index}", self.path),
                    notes: self.notes,
                })
                .collect(),
            Some(other) => {
                self.error(format!("must be a list, is {}", kind(other)));
                Vec::new()
            }
        }
    }

    /// The members of a map, by key.
    pub(super) fn map(&self) -> Vec<(&'a str, Self)> {
        match self.value() {
            None => Vec::new(),
            Some(Value::Object(members)) => members.keys().map(|key| (key.as_str(), self.get(key))).collect(),
            Some(other) => {
                self.error(format!("must be a map, is {}", kind(other)));
                Vec::new()
            }
        }
    }

    /// True if it is a map; says so if it is something else.
    pub(super) fn is_map(&self) -> bool {
        match self.value() {
            Some(Value::Object(_)) => true,
            Some(other) => {
                self.error(format!("must be a map, is {}", kind(other)));
                false
            }
            None => false,
        }
    }

    /// A text. Numbers and truth values are errors with a hint at the quotes.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value()? {
            Value::String(text) => Some(text),
            other @ (Value::Bool(_) | Value::Number(_)) => {
                self.error(format!("must be a text, is {}; put it in quotes: \"{other}\"", kind(other)));
                None
            }
            other => {
                self.error(format!("must be a text, is {}", kind(other)));
                None
            }
        }
    }

    pub(super) fn texts(&self) -> Vec<&'a str> {
        self.list().iter().filter_map(Self::text).collect()
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value()? {
            Value::Bool(flag) => Some(*flag),
            other => {
                self.error(format!("must be true or false, is {}", kind(other)));
                None
            }
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        let value = self.value()?;
        if let Some(number) = value.as_i64() {
            return Some(number);
        }
        let hint = if value.is_string() { "; leave out the quotes" } else { "" };
        self.error(format!("must be a whole number, is {}{hint}", kind(value)));
        None
    }

    /// A port from 1 to 65535.
    pub(super) fn port(&self) -> Option<u16> {
        let number = self.integer()?;
        match u16::try_from(number) {
            Ok(port) if port > 0 => Some(port),
            _ => {
                self.error(format!("{number} is no port; ports go from 1 to 65535"));
                None
            }
        }
    }

    /// Reports every member that isn't one of `known`: older API servers drop it silently, so it does nothing.
    pub(super) fn only(&self, known: &[&str]) {
        let Some(Value::Object(members)) = self.value() else { return };
        for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
            let near = known.iter().find(|known| known.eq_ignore_ascii_case(key));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            self.get(key).error(format!("unknown field {key:?} has no effect{hint}"));
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
