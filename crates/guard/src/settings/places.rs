//! Where something stands in a configuration file.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_saphyr::Location;

/// File, line, column and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// From 1; none if it isn't known.
    pub line: Option<(u64, u64)>,
    /// As a path: `authorization.static[1].path`.
    pub key: String,
}

impl Place {
    pub(super) fn new(file: &Path, at: Option<Location>, key: impl Into<String>) -> Self {
        let line = at.map(|at| (at.line(), at.column())).filter(|&(line, _)| line > 0);
        Self { file: file.to_owned(), line, key: key.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.line {
            write!(f, ":{line}:{column}")?;
        }
        if self.key.is_empty() { Ok(()) } else { write!(f, ": {}", self.key) }
    }
}
