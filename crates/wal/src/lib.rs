//! An append-only log of frames that are found again after any crash once their append was acknowledged.
//! It doesn't know what is in a frame, nor when its content became durable elsewhere: the caller says so with [`Wal::release`].
//!
//! # On disk
//! A folder of numbered files, `0000000000000012.wal`, each of a fixed size, preallocated, and reused. All numbers are
//! little-endian; every frame starts at a multiple of 8; what is beyond the last frame is old bytes.
//! ```text
//! header (one 4096-byte block)
//!   0 magic [8] · 8 version u32 · 12 zero u32 · 16 file_no u64 · 24 salt u64 · 32 base_seq u64 · 40 crc32c u32 of 0..40
//! frame
//!   0 len u32 of the payload · 4 crc32c u32 of all other bytes of the frame · 8 salt u64
//!  16 kind u8 (1 rows, 2 end of file) · 17 flags u8 (1 first of its group, 2 has a source) · 18 table u16 · 20 rows u32
//!  24 source u64 · 32 source_seq u64 · 40 first_seq u64 · 48 payload · zeros up to the next multiple of 8
//! ```
//! `N.spare` is a file without content of value, waiting for reuse. The salt is random for each use of a file, so neither a
//! frame from an earlier use nor one smuggled into a payload is ever taken for a frame of this file.
//!
//! # Invariants
//! - **L-1** An append that was acknowledged is replayed by each later [`Wal::open`] whose floor is not above it.
//! - **L-2** Rows are numbered without gaps from 1 in the order of the log, over all files. `base_seq` of a file is the
//!   number that follows the last row of the file before.
//! - **L-3** A group of frames is written only after the group before it was synced. So an unreadable place that is
//!   followed by the first frame of a group is damage; one that is followed by none may be a torn write.
//! - **L-4** A file that is not the last with frames ends in an end frame, which was synced before its successor got a frame.
//! - **L-5** Nothing is appended to a file of an earlier process.
//! - **L-6** After a failed write or sync nothing more is written (a second sync may succeed without the bytes). What the
//!   next start finds of that last group it writes again before it trusts it.
//!
//! # Order of writes, and what a crash between each two leaves
//! A group: 1 write frames → 2 `fdatasync` → 3 apply → 4 acknowledge.
//! - before 2: any part of the frames. Unreadable ones and all that follow are cut, counted as torn; they were never acknowledged.
//! - after 2: all frames; replay applies them, acknowledged or not.
//!
//! A new file: 1 take or create `N.spare`, allocate → 2 write the header, sync → 3 rename to `M.wal` → 4 sync the folder
//! → 5 write the end frame of its predecessor, sync → 6 write the first frames.
//! - before 4: a spare, or a file without frames, which becomes a spare.
//! - before 5: the predecessor has no end frame but no later file has frames: its end is treated as a tail.
//!
//! A release: 1 rename `N.wal` to `N.spare` → 2 sync the folder → 3 the spare may be reused.
//! - before 2: the file is back; all its rows are below the floor and skipped.
//!
//! At start: 1 sync the folder (a killed process leaves names that are seen but not durable) → 2 survey, reading only → 3 write
//! the last group again, sync → 4 write an end frame behind it, which cuts what is torn, sync → 5 new last file, as above →
//! 6 set aside files without frames → 7 replay. The new file comes after 3 because its `base_seq` counts that group.
//! - at any point: the next start finds the same frames.
//!
//! A damaged file is never reused: its readable frames are replayed, and on release it moves to the quarantine folder
//! (at once if nothing in it is readable).

mod error;
mod files;
mod format;
mod metrics;
mod options;
mod queue;
mod recover;
mod replay;
mod scan;
mod source;
mod wal;
mod writer;

pub use error::{BusyReason, WalError};
pub use metrics::Metrics;
pub use options::Options;
pub use recover::inspect;
pub use replay::{Replay, Report};
pub use scan::{Contents, read_frames};
pub use wal::{Wal, WalStatus as Status};

use bytes::Bytes;

/// Rows to append, as one frame: after a crash all of it is there or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Whose rows they are; means nothing to the log.
    pub table: u16,
    /// Who delivered them, and the position in that source; means nothing to the log.
    pub source: Option<(u64, u64)>,
    /// How many rows; at least one.
    pub rows: u32,
    /// The rows.
    pub payload: Bytes,
}

/// Rows found in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// See [`Append::table`].
    pub table: u16,
    /// See [`Append::source`].
    pub source: Option<(u64, u64)>,
    /// Number of the first row.
    pub first_seq: u64,
    /// How many rows.
    pub rows: u32,
    /// The rows.
    pub payload: Bytes,
}

impl Frame {
    /// Numbers of its rows.
    pub fn seqs(&self) -> SeqRange {
        SeqRange { first: self.first_seq, last: self.first_seq + u64::from(self.rows) - 1 }
    }
}

/// Numbers of consecutive rows, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeqRange {
    /// Of the first row.
    pub first: u64,
    /// Of the last row.
    pub last: u64,
}

/// An append that is on disk, synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable<T> {
    /// Numbers of its rows.
    pub seqs: SeqRange,
    /// What was given to [`Wal::append`].
    pub context: T,
}
