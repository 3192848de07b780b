//! What can be wrong with the configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// Which.
        path: Arc<Path>,
        /// From one.
        line: u64,
    },
    /// In the environment, under that name.
    Environment(String),
    /// After that flag.
    Flag,
}

/// A value's place: origin and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub origin: Origin,
    /// Which key.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { path, line } => write!(f, "{}:{line}: {}", path.display(), self.key),
            Origin::Environment(name) => f.write_str(name),
            Origin::Flag => write!(f, "--{}", self.key),
        }
    }
}

/// The configuration can't be used; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file isn't YAML, or no mapping.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// From one.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// A key looks like another one, written wrongly.
    #[error("{place}: there is no such key; was {meant} meant?")]
    Typo {
        /// Where.
        place: Place,
        /// The key that there is.
        meant: &'static str,
    },
    /// A value can't be what it should be.
    #[error("{place}: {found:?} is {wanted}")]
    Value {
        /// Where.
        place: Place,
        /// What is written.
        found: String,
        /// What it isn't: "no duration, such as 24h".
        wanted: String,
    },
    /// Two values contradict each other.
    #[error("{place}: {message}")]
    Clash {
        /// Where one of the two is.
        place: Place,
        /// What doesn't fit.
        message: String,
    },
    /// A key has to be given.
    #[error("{key} is missing: write it into the file, or set {variable}, or give --{key}")]
    Missing {
        /// Which.
        key: &'static str,
        /// Its variable.
        variable: String,
    },
}

/// What is odd, but nothing to stop for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}
