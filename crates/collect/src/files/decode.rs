//! What the engine asks of a format.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use parapet_signal::{Batch, UnixNanos};

use super::Pattern;

/// Files of one kind.
#[derive(Clone)]
pub struct Input {
    /// The kind, for status and metrics: `container`, `file`, `open_traffic`.
    pub kind: &'static str,
    /// Which files.
    pub patterns: Vec<Pattern>,
    /// Whether rotated siblings (`name.log.20260101-000000`, not compressed ones) are read too. Only where rotation
    /// renames: a copied sibling would be read twice.
    pub rotated_siblings: bool,
    /// Makes their decoders.
    pub decoder: MakeDecoder,
}

/// Makes the decoder of a file from the name it is first found under.
pub type MakeDecoder = Arc<dyn Fn(&Path) -> Box<dyn Decoder> + Send + Sync>;

/// Turns lines of one file into records. Used for one batch at a time; it keeps nothing from one to the next.
pub trait Decoder: Send {
    /// Takes a line without its end. `span` is where it lies in the file, line end included; `truncated`: it was longer
    /// than [`MAX_LINE_BYTES`](super::MAX_LINE_BYTES), and the rest is skipped.
    fn line(&mut self, line: &[u8], span: Range<u64>, truncated: bool, now: UnixNanos);

    /// Finishes records that wait for more lines.
    fn flush(&mut self);

    /// Where the earliest record that waits for more lines begins.
    fn pending(&self) -> Option<u64>;

    /// Where the finished records lie, in any order.
    fn spans(&self) -> &[Range<u64>];

    /// The finished records that begin below `offset`, and forgets everything.
    fn take(&mut self, offset: u64) -> Taken;
}

/// Records of a batch, and lines that were none.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The records.
    pub batch: Batch,
    /// Lines that could not be read, by reason.
    pub bad: Vec<(&'static str, u64)>,
}
