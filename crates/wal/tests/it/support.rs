//! A log whose applied rows are written down.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use parapet_fs::Fs;
use parapet_wal::{Append, Durable, Frame, Options, Report, SeqRange, Wal, WalError};

pub(crate) type Applied = Arc<Mutex<Vec<Durable<u64>>>>;

pub(crate) const DIR: &str = "wal";

/// Files of 16 KiB, so that few appends fill one.
pub(crate) fn small() -> Options {
    Options {
        file_bytes: 16 << 10,
        budget_bytes: 1 << 20,
        queue_bytes: 1 << 20,
        max_payload_bytes: 8 << 10,
        min_free_bytes: 0,
        seed: 7,
        ..Options::default()
    }
}

pub(crate) fn append(rows: u32, payload: Vec<u8>) -> Append {
    Append { table: 3, source: Some((1, 2)), rows, payload: Bytes::from(payload) }
}

pub(crate) struct Opened {
    pub(crate) wal: Wal<u64>,
    pub(crate) applied: Applied,
    pub(crate) frames: Vec<Frame>,
    pub(crate) report: Report,
}

pub(crate) fn open(fs: &Arc<dyn Fs>, dir: &Path, options: Options, floor: u64) -> Result<Opened, WalError> {
    let applied = Applied::default();
    let sink = Arc::clone(&applied);
    let apply = Box::new(move |durable: Vec<Durable<u64>>| sink.lock().unwrap().extend(durable));
    let (wal, mut replay) = Wal::open(Arc::clone(fs), dir, options, floor, apply)?;
    let frames = replay.by_ref().collect::<Result<Vec<_>, _>>()?;
    let report = replay.report();
    Ok(Opened { wal, applied, frames, report })
}

/// Appends and waits for the answer.
pub(crate) fn acked(wal: &Wal<u64>, append: Append, context: u64) -> Result<SeqRange, WalError> {
    wal.append(append, context)?.blocking_recv().expect("every append is answered")
}
