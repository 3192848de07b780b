//! Follows files that others write, and delivers what is in them exactly once.
//!
//! A file is known by device, inode and a fingerprint of its first bytes, not by its name: a renamed file is followed
//! until it is read to its end, a truncated or replaced one starts a new *generation*, read from its start. Each
//! generation has a random [`SourceId`](parapet_signal::SourceId), and each delivery the byte offset after it as its
//! position, so that the sink applies every byte at most once.
//!
//! What keeps it exact:
//! - F1: a generation's source is in the checkpoint file, synced, before its first delivery.
//! - F2: a delivery holds every record between the acknowledged offset and its position, and nothing else; where records
//!   interleave (two streams, joined lines), the position is one that no record straddles.
//! - F3: the acknowledged offset moves only when the sink has acknowledged; after a failure the same bytes are read again.
//! - F4: after a restart, reading goes on at the higher of the checkpoint's offset and the sink's high-water mark.
//!
//! A crash between checkpoint and delivery leaves a source without rows; between delivery and checkpoint, a high-water
//! mark above the checkpoint's offset. Both are read on correctly.
//!
//! When the sink refuses, nothing is read until its delay has passed; memory is bounded by one read window and the bytes
//! under way. Each file's lag in bytes and the age of its oldest unread byte are metrics and part of [`SourceStatus`].

mod checkpoint;
mod cut;
mod decode;
mod engine;
mod identity;
mod lag;
mod pattern;
mod status;
mod tail;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parapet_fs::Fs;
use parapet_signal::Sink;
use tokio::sync::oneshot;

use crate::{Clock, Metrics};

#[cfg(test)]
pub(crate) use cut::cut;
pub use decode::{Decoder, Input, MakeDecoder, Taken};
pub use pattern::{InvalidPattern, Pattern};
pub use status::{SourceState, SourceStatus};

/// The longest line that is kept whole. Container runtimes split at 16 KiB; OTel's collectors stop here too.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// What to follow, where to deliver, and the bounds.
#[derive(Clone)]
pub struct Options {
    /// The files, by kind.
    pub inputs: Vec<Input>,
    /// Where batches go.
    pub sink: Arc<dyn Sink>,
    /// Where the checkpoint file is.
    pub fs: Arc<dyn Fs>,
    /// The checkpoint file; its directory must exist.
    pub checkpoint: PathBuf,
    /// Time of lines that bring none.
    pub clock: Arc<dyn Clock>,
    /// The crate's counters.
    pub metrics: Metrics,
    /// Bounds and delays.
    pub tuning: Tuning,
}

/// Bounds and delays. The defaults fit a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Bytes of a file per batch; more only where one record needs it.
    pub batch_bytes: usize,
    /// Bytes under way to the sink in all.
    pub in_flight_bytes: usize,
    /// Files followed at a time; more are counted as refused until others end.
    pub max_files: usize,
    /// Handles open at a time. Below the usual soft limit of 1024.
    pub max_open: usize,
    /// How often sizes are looked at when no notification comes.
    pub poll_interval: Duration,
    /// How often directories are listed when no notification comes.
    pub scan_interval: Duration,
    /// How long an unfinished record (joined lines) waits for its next line.
    pub flush_after: Duration,
    /// How long a file that has left its name is still watched at its end: writers reopen late.
    pub linger: Duration,
    /// A handle that has read nothing for so long is closed.
    pub close_idle: Duration,
    /// How often offsets are saved. They only spare re-asking the sink, so seldom is enough.
    pub save_interval: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            batch_bytes: 512 << 10,
            in_flight_bytes: 4 << 20,
            max_files: 10_000,
            max_open: 512,
            poll_interval: Duration::from_millis(500),
            scan_interval: Duration::from_secs(5),
            flush_after: Duration::from_secs(3),
            linger: Duration::from_secs(10),
            close_idle: Duration::from_secs(300),
            save_interval: Duration::from_secs(10),
        }
    }
}

/// Why following could not start.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The checkpoint cannot be read or written.
    #[error("checkpoint {path} could not be {step}")]
    Checkpoint {
        /// The checkpoint file.
        path: PathBuf,
        /// `read` or `written`.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The checkpoint holds something else than a checkpoint of this version.
    #[error("checkpoint {path} is not one of this version")]
    Format {
        /// The checkpoint file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The thread could not be started.
    #[error("the file thread could not be started")]
    Thread(#[source] std::io::Error),
}

impl FilesError {
    /// Whether removing the checkpoint file helps; everything still there is then read again from its start.
    pub fn is_damaged_checkpoint(&self) -> bool {
        match self {
            Self::Format { .. } => true,
            Self::Checkpoint { .. } | Self::Thread(_) => false,
        }
    }
}

/// Files being followed, on a thread of their own.
#[derive(Debug)]
pub struct Files {
    status: tokio::sync::watch::Receiver<Vec<SourceStatus>>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Files {
    /// Reads the checkpoint and starts following.
    pub fn start(options: Options) -> Result<Self, FilesError> {
        let (report, status) = tokio::sync::watch::channel(Vec::new());
        let engine = engine::Engine::new(options, report)?;
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(FilesError::Thread)?;
        std::thread::Builder::new()
            .name("collect-files".into())
            .spawn(move || {
                runtime.block_on(engine.run(stopped));
                // Nobody waiting is fine.
                let _ = end.send(());
            })
            .map_err(FilesError::Thread)?;
        Ok(Self { status, stop: Some(stop), ended: Some(ended) })
    }

    /// Every file followed, as of the last look.
    pub fn status(&self) -> Vec<SourceStatus> {
        self.status.borrow().clone()
    }

    /// The same, announced anew after each look, when metrics are up to date as well.
    pub fn looks(&self) -> tokio::sync::watch::Receiver<Vec<SourceStatus>> {
        self.status.clone()
    }

    /// Stops reading, waits for what is under way, and saves the offsets.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
    }
}
