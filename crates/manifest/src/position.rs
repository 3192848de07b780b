//! Where something stands in a file.

use std::fmt;

use serde::Serialize;

/// A place in a file: line and column, both from 1; a column counts characters, as editors do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

impl Span {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place at `line` and `column`, both from 1.
    pub fn new(line: u32, column: u32) -> Self {
        Self { line, column }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
