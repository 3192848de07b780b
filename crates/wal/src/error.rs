//! What can go wrong, and what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why an append is refused for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BusyReason {
    /// The log has as many bytes as it may; rows must be flushed and released first.
    Budget,
    /// More is waiting for the disk than may wait.
    Queue,
    /// Too little space is left on the disk for another file.
    DiskLow,
}

impl BusyReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Budget, Self::Queue, Self::DiskLow];

    /// The value of the `reason` label, and the word in messages.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Queue => "queue",
            Self::DiskLow => "disk_low",
        }
    }
}

/// Why the log did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WalError {
    /// An operation on a file failed.
    #[error("{step} {}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// How it failed.
        source: Arc<io::Error>,
    },
    /// An earlier write or sync failed; the log takes nothing until it is opened again.
    #[error("the log failed before: {0}")]
    Failed(Arc<str>),
    /// There is no room for now; nothing of the append was kept.
    #[error("no room in the log for now: {}", .0.reason())]
    Busy(BusyReason),
    /// [`crate::Wal::close`] was called.
    #[error("the log is closed")]
    Closed,
    /// The frames found at start were not all read yet.
    #[error("the log is not fully replayed yet")]
    NotReplayed,
    /// More bytes than one frame may have.
    #[error("{len} bytes in one append, at most {max} are possible")]
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes possible.
        max: usize,
    },
    /// An append of no rows, which could not be numbered.
    #[error("an append without rows")]
    Empty,
    /// Written by a version of this program that knows more.
    #[error("{} has format {version}, newer than this program's", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// Options that contradict each other.
    #[error("unusable options: {0}")]
    Options(&'static str),
}

impl WalError {
    pub(crate) fn io<'a>(step: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { step, path: path.to_owned(), source: Arc::new(source) }
    }

    /// Whether the same append can succeed later on this log.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy(_) | Self::NotReplayed => true,
            Self::Io { .. }
            | Self::Failed(_)
            | Self::Closed
            | Self::TooLarge { .. }
            | Self::Empty
            | Self::NewerFormat { .. }
            | Self::Options(_) => false,
        }
    }

    /// Whether nothing of the append will be found by a later start. After a failed write or sync it may be, or may not.
    pub fn is_certainly_not_kept(&self) -> bool {
        match self {
            Self::Io { .. } => false,
            Self::Failed(_)
            | Self::Busy(_)
            | Self::NotReplayed
            | Self::Closed
            | Self::TooLarge { .. }
            | Self::Empty
            | Self::NewerFormat { .. }
            | Self::Options(_) => true,
        }
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}
