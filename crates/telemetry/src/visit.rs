//! Fields of an event or span, as attributes.

use std::fmt;

use parapet_signal::{Attributes, Value};
use tracing::field::{Field, Visit};

/// A value longer than this is cut: nobody reads more of one field, and a record must fit into a row.
const MAX_VALUE_BYTES: usize = 16 * 1024;
/// `tracing` allows 32 fields at one call site; a span may be given more later.
const MAX_FIELDS: usize = 64;

/// Collects fields. `message` and fields named `otel.*` are kept apart: they say what the record is, not what it is about.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) message: Option<String>,
    pub(crate) otel: Vec<(&'static str, String)>,
    pub(crate) attributes: Attributes,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let value = value.into();
        match field.name() {
            "message" => self.message = Some(value.to_text()),
            name if name.starts_with("otel.") => self.otel.push((name, value.to_text())),
            name if self.attributes.len() < MAX_FIELDS || self.attributes.get(name).is_some() => {
                self.attributes.set(name, value);
            }
            _ => {}
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, cut(value.to_owned()));
    }

    /// The error and what caused it, in one line.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        self.put(field, cut(text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, cut(format!("{value:?}")));
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_VALUE_BYTES {
        text.truncate(text.floor_char_boundary(MAX_VALUE_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_between_characters() {
        let text = cut("é".repeat(MAX_VALUE_BYTES));
        assert_eq!(text.chars().count(), MAX_VALUE_BYTES / 2 + 1);
        assert_eq!(cut("short".to_owned()), "short");
    }
}
