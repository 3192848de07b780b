//! What could not be read, or only with a doubt.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::Span;

/// How much of the input a problem costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Read as meant; worth knowing.
    Note,
    /// Read, but something was left out that need not be an object.
    Warning,
    /// Something was not read: what is computed from the rest is incomplete.
    Error,
}

impl Severity {
    /// `note`, `warning` or `error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something about the input, with its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file as it was named; `-` for standard input.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and what to do.
    pub message: String,
}

impl Problem {
    /// A problem of `file` at `span`.
    pub fn new(file: &Arc<str>, span: Span, severity: Severity, message: impl Into<String>) -> Self {
        Self { file: file.clone(), line: span.line, column: span.column, severity, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, severity, message } = self;
        write!(f, "{file}:{line}:{column}: {}: {message}", severity.name())
    }
}
