//! What can go wrong, and whose turn it is then.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A setting with which no store could run.
    #[error("configuration: {0}")]
    Config(&'static str),
    /// Another process has the data folder.
    #[error("{} is in use by process {holder}", dir.display())]
    InUse {
        /// The data folder.
        dir: PathBuf,
        /// What the holder wrote into `LOCK`: its process id, as a rule.
        holder: String,
    },
    /// Written by a newer version.
    #[error("{} has format version {found}, this program knows up to {supported}", dir.display())]
    NewerFormat {
        /// The data folder.
        dir: PathBuf,
        /// Version of the folder.
        found: u64,
        /// Highest version known.
        supported: u64,
    },
    /// Reading or writing a file failed.
    #[error("{what} {}", path.display())]
    Io {
        /// The step, such as `open`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what the manifest says it holds.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Writing or reading a Parquet file failed.
    #[error("parquet file {}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    /// Rows in memory could not be put together.
    #[error("rows in memory")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The manifest failed.
    #[error("manifest")]
    Manifest(#[source] Box<redb::Error>),
    /// An entry of the manifest that is not what this version writes.
    #[error("manifest entry: {0}")]
    ManifestEntry(String),
    /// The write-ahead log failed.
    #[error("write-ahead log")]
    Wal(#[from] parapet_wal::WalError),
    /// An earlier failure left it open what is on disk; a restart finds out.
    #[error("the store failed earlier and has to be restarted: {0}")]
    Failed(String),
}

/// What the caller can do about a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Change the configuration, or the program's version.
    Reconfigure,
    /// Try again later: the disk may have room, the other process may have ended.
    Retry,
    /// Look at the data folder: a file is damaged.
    Inspect,
    /// Restart the process.
    Restart,
}

impl StoreError {
    /// What the caller can do.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Config(_) | Self::NewerFormat { .. } => Remedy::Reconfigure,
            Self::InUse { .. } | Self::Io { .. } => Remedy::Retry,
            Self::Damaged { .. } | Self::Parquet { .. } | Self::Arrow(_) | Self::ManifestEntry(_) => {
                Remedy::Inspect
            }
            Self::Manifest(_) | Self::Wal(_) | Self::Failed(_) => Remedy::Restart,
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    pub(crate) fn manifest<E: Into<redb::Error>>(source: E) -> Self {
        Self::Manifest(Box::new(source.into()))
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn parquet(path: &Path) -> impl Fn(parquet::errors::ParquetError) -> Self {
        move |source| Self::Parquet { path: path.to_owned(), source }
    }

    /// The error with the errors that caused it, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
