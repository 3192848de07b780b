//! The frames found at start, one after the other.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parapet_fs::{Fs, OpenMode};

use crate::scan::{Run, frame_at};
use crate::source::Window;
use crate::{Frame, WalError};

/// What was found at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files found, whatever is in them.
    pub files: u64,
    /// Frames replayed so far.
    pub frames: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of an unfinished write that were cut; nothing in them was acknowledged.
    pub torn_bytes: u64,
    /// Damaged files. What is readable in them is replayed; they go to quarantine at once or when released.
    pub quarantined_files: u64,
    /// Rows at or above the floor whose numbers were given, but which are unreadable.
    pub missing_rows: u64,
    /// The number that the next row gets.
    pub next_seq: u64,
}

/// What of a file is to be replayed.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) salt: u64,
    pub(crate) runs: Vec<Run>,
}

/// The frames found at start, in the order of their rows. Holds one window over one file in memory. Appends are refused
/// until it has returned `None`; an error ends it for good.
#[derive(Debug)]
pub struct Replay {
    fs: Arc<dyn Fs>,
    frames: Frames,
    report: Report,
    failed: bool,
    drained: Arc<AtomicBool>,
}

impl Replay {
    pub(crate) fn new(fs: Arc<dyn Fs>, frames: Frames, report: Report, drained: Arc<AtomicBool>) -> Self {
        drained.store(frames.parts.is_empty(), Ordering::Release);
        Self { fs, frames, report, failed: false, drained }
    }

    /// What was found; `frames` and `rows` count what this returned so far.
    pub fn report(&self) -> Report {
        self.report
    }
}

impl Iterator for Replay {
    type Item = Result<Frame, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.frames.next(&*self.fs) {
            Ok(Some(frame)) => {
                self.report.count(&frame);
                Some(Ok(frame))
            }
            Ok(None) => {
                self.drained.store(true, Ordering::Release);
                None
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

impl Report {
    pub(crate) fn count(&mut self, frame: &Frame) {
        self.frames += 1;
        self.rows += u64::from(frame.rows);
    }
}

/// Reads parts of files one after the other.
#[derive(Debug)]
pub(crate) struct Frames {
    parts: VecDeque<Part>,
    current: Option<Current>,
    /// Rows below this number were returned, or are not wanted.
    above: u64,
}

impl Frames {
    pub(crate) fn new(parts: VecDeque<Part>, floor: u64) -> Self {
        Self { parts, current: None, above: floor }
    }

    pub(crate) fn next(&mut self, fs: &dyn Fs) -> Result<Option<Frame>, WalError> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(part) = self.parts.pop_front() else { return Ok(None) };
                self.current = Some(Current::open(fs, part)?);
                continue;
            };
            let Some(run) = current.runs.front().copied() else {
                self.current = None;
                continue;
            };
            current.at = current.at.max(run.start);
            if current.at >= run.end {
                current.runs.pop_front();
                continue;
            }
            let frame = current.next()?;
            let next_seq = frame.first_seq + u64::from(frame.rows);
            if next_seq > self.above {
                self.above = next_seq;
                return Ok(Some(frame));
            }
        }
    }
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    salt: u64,
    window: Window,
    runs: VecDeque<Run>,
    at: u64,
}

impl Current {
    fn open(fs: &dyn Fs, part: Part) -> Result<Self, WalError> {
        let Part { path, salt, runs } = part;
        let window =
            fs.open(&path, OpenMode::Read).and_then(Window::new).map_err(WalError::io("open", &path))?;
        Ok(Self { path, salt, window, runs: runs.into(), at: 0 })
    }

    fn next(&mut self) -> Result<Frame, WalError> {
        let found =
            frame_at(&mut self.window, self.at, self.salt).map_err(WalError::io("read", &self.path))?;
        // It was readable a moment ago, when the folder was surveyed.
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "a frame has become unreadable");
        let (head, frame) = found.ok_or_else(changed).map_err(WalError::io("read", &self.path))?;
        self.at += head.frame_len();
        Ok(frame)
    }
}
