//! Why nothing was started.

use std::path::PathBuf;

use super::places::Place;

/// The command line or the configuration file is wrong.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A flag has a value that means nothing, or contradicts another.
    #[error("--{flag}: {message}")]
    Flag {
        /// Its name, without dashes.
        flag: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A key of the configuration file has.
    #[error("{place}: {message}")]
    Key {
        /// File, line, column and key.
        place: Place,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A file can't be read.
    #[error("--{flag}: can't read {path:?}")]
    File {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl SettingsError {
    pub(super) fn flag(flag: &'static str, message: impl Into<String>) -> Self {
        Self::Flag { flag, message: message.into() }
    }
}
