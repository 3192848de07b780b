//! Sizes and bounds of a log.

use std::path::PathBuf;

use crate::format::{ALIGN, END_LEN, HEADER_LEN, MAX_PAYLOAD, frame_len};
use crate::{Metrics, WalError};

/// Sizes and bounds of a log. [`Options::default`] suits one process on one machine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of one file. Larger files are changed less often; what the last rows of one hold back is larger.
    pub file_bytes: u64,
    /// Bytes that frames waiting for release may take, and above which appends are [`crate::BusyReason::Budget`].
    /// On disk there may be one file and [`Options::spare_files`] more. At least two files.
    pub budget_bytes: u64,
    /// Bytes that may wait for the writer; above, appends are [`crate::BusyReason::Queue`].
    pub queue_bytes: usize,
    /// Bytes one payload may have; a file must hold it.
    pub max_payload_bytes: usize,
    /// Bytes that stay free on the disk: no file is added that would leave less.
    pub min_free_bytes: u64,
    /// Released files kept for reuse: writing over allocated space syncs several times faster.
    pub spare_files: usize,
    /// Where damaged files go. `None`: `quarantine` within the log's folder.
    pub quarantine: Option<PathBuf>,
    /// What the files' salts are drawn from; must not be predictable by those who send rows.
    pub seed: u64,
    /// Counters.
    pub metrics: Metrics,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // About a second of a disk's sequential writing: rotation costs little, release is fine-grained enough.
            file_bytes: 32 << 20,
            // Replays in seconds at a million rows a second.
            budget_bytes: 512 << 20,
            // Some ten groups of a mebibyte: more only adds latency.
            queue_bytes: 16 << 20,
            max_payload_bytes: 16 << 20,
            // Enough for the store to commit deletions and free more.
            min_free_bytes: 64 << 20,
            spare_files: 2,
            quarantine: None,
            seed: rand::random(),
            metrics: Metrics::default(),
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), WalError> {
        let largest = frame_len(self.max_payload_bytes.min(MAX_PAYLOAD)) + HEADER_LEN + END_LEN;
        if self.max_payload_bytes > MAX_PAYLOAD {
            Err(WalError::Options("max_payload_bytes is above what the format holds"))
        } else if !self.file_bytes.is_multiple_of(ALIGN) {
            Err(WalError::Options("file_bytes is no multiple of 8"))
        } else if self.file_bytes < largest {
            Err(WalError::Options("file_bytes does not hold one frame of max_payload_bytes"))
        } else if self.budget_bytes < self.file_bytes.saturating_mul(2) {
            Err(WalError::Options("budget_bytes is below two files"))
        } else {
            Ok(())
        }
    }
}
