//! The one thread that writes: groups of frames, one sync each.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::files::{Active, Files, Sealed};
use crate::format::{END_LEN, HEADER_LEN, encode_end, encode_rows};
use crate::queue::{Pace, Queue, Waiting};
use crate::{Durable, Metrics, SeqRange, WalError};

/// Memory kept between groups: one of usual size. What a larger one took is given back.
const BUFFER_BYTES: usize = 2 << 20;

/// Called with appends that are durable, in the order of their rows.
pub(crate) type Apply<T> = Box<dyn FnMut(Vec<Durable<T>>) + Send>;

pub(crate) struct Writer<T> {
    pub(crate) queue: Arc<Queue<T>>,
    pub(crate) files: Arc<Mutex<Files>>,
    pub(crate) active: Option<Active>,
    pub(crate) next_seq: u64,
    pub(crate) file_bytes: u64,
    pub(crate) apply: Apply<T>,
    pub(crate) metrics: Metrics,
    /// The bytes of a group; kept so that its memory is used again.
    pub(crate) buffer: Vec<u8>,
}

impl<T> Writer<T> {
    /// Writes until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _guard = FailOnPanic(Arc::clone(&self.queue));
        let mut pace = Pace::default();
        while let Some(group) = self.queue.next_group(pace) {
            pace.appends = group.len();
            let mut rest = group;
            while !rest.is_empty() {
                match self.write(&mut rest, &mut pace) {
                    Ok(written) => self.acknowledge(written),
                    Err(error) => self.refuse(rest.split_off(0), &error),
                }
            }
        }
        self.end();
    }

    /// Writes and syncs as many of `group` as fit the file, and takes them out of it.
    fn write(&mut self, group: &mut Vec<Waiting<T>>, pace: &mut Pace) -> Result<Written<T>, WalError> {
        if let Some(reason) = self.queue.failure() {
            return Err(WalError::Failed(reason));
        }
        self.make_room(group[0].frame_len())?;
        let active = self.active.as_mut().expect("make_room leaves an active file");
        let room = self.file_bytes - END_LEN - active.offset;
        let (bytes, mut seqs, mut next_seq) = (&mut self.buffer, Vec::new(), self.next_seq);
        bytes.clear();
        bytes.shrink_to(BUFFER_BYTES);
        for waiting in group.iter() {
            if bytes.len() as u64 + waiting.frame_len() > room {
                break;
            }
            encode_rows(bytes, active.salt, seqs.is_empty(), &waiting.append, next_seq);
            let last = next_seq + u64::from(waiting.append.rows) - 1;
            seqs.push(SeqRange { first: next_seq, last });
            next_seq = last + 1;
        }
        active.file.write_all_at(bytes, active.offset).map_err(WalError::io("write", &active.path))?;
        let started = Instant::now();
        active.file.sync_data().map_err(WalError::io("sync", &active.path))?;
        pace.sync = started.elapsed();

        let written = bytes.len() as u64;
        active.offset += written;
        let rows = next_seq - self.next_seq;
        self.next_seq = next_seq;
        self.metrics.sync_seconds.observe(pace.sync.as_secs_f64());
        self.metrics.appended_frames.inc_by(seqs.len() as u64);
        self.metrics.appended_bytes.inc_by(written);
        self.metrics.appended_rows.inc_by(rows);
        self.queue.settle(written, written, next_seq);
        let appends = group.drain(..seqs.len()).collect();
        Ok(Written { seqs, appends })
    }

    fn acknowledge(&mut self, Written { seqs, appends }: Written<T>) {
        let mut durable = Vec::with_capacity(seqs.len());
        let mut done = Vec::with_capacity(seqs.len());
        for (seqs, waiting) in seqs.into_iter().zip(appends) {
            durable.push(Durable { seqs, context: waiting.context });
            done.push((waiting.done, seqs));
        }
        (self.apply)(durable);
        for (done, seqs) in done {
            // Whoever stopped waiting does not want to know.
            let _ = done.send(Ok(seqs));
        }
    }

    fn refuse(&self, group: Vec<Waiting<T>>, error: &WalError) {
        match error {
            WalError::Busy(reason) => {
                let bytes = group.iter().map(Waiting::frame_len).sum();
                self.queue.settle(bytes, 0, self.next_seq);
                group.iter().for_each(|_| self.metrics.busy(*reason));
            }
            WalError::Failed(_) => {}
            error => {
                tracing::error!(%error, "log write failed, appends are refused until it is opened again");
                self.queue.fail(describe(error).into());
            }
        }
        for waiting in group {
            let _ = waiting.done.send(Err(error.clone()));
        }
    }

    /// Makes sure that a frame of `len` bytes fits the active file, with a new one if needed.
    fn make_room(&mut self, len: u64) -> Result<(), WalError> {
        let fits = |active: &Active| active.offset + len + END_LEN <= self.file_bytes;
        if self.active.as_ref().is_some_and(fits) {
            return Ok(());
        }
        let mut files = self.files.lock().expect("no code panics while it holds this lock");
        let new = files.create(self.next_seq).map_err(|error| match error {
            // Nothing of the group is written, and the old file is as it was.
            error if error.is_disk_full() => WalError::Busy(crate::BusyReason::DiskLow),
            error => error,
        })?;
        let mut used = HEADER_LEN;
        if let Some(old) = self.active.replace(new) {
            write_end(&old, self.next_seq)?;
            used += self.file_bytes - old.offset;
            files.sealed.push_back(Sealed {
                path: old.path,
                bytes: self.file_bytes,
                first_seq: old.base_seq,
                next_seq: self.next_seq,
                damaged: false,
            });
        }
        drop(files);
        self.queue.settle(0, used, self.next_seq);
        Ok(())
    }

    /// Ends the file, so that the next start takes anything unreadable in it for damage.
    fn end(&mut self) {
        let Some(active) = self.active.take().filter(|_| self.queue.failure().is_none()) else { return };
        if active.offset > HEADER_LEN
            && let Err(error) = write_end(&active, self.next_seq)
        {
            self.queue.fail(describe(&error).into());
        }
    }
}

fn write_end(file: &Active, next_seq: u64) -> Result<(), WalError> {
    let end = encode_end(file.salt, next_seq);
    file.file.write_all_at(&end, file.offset).map_err(WalError::io("end", &file.path))?;
    file.file.sync_data().map_err(WalError::io("sync", &file.path))
}

fn describe(error: &WalError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

struct Written<T> {
    seqs: Vec<SeqRange>,
    appends: Vec<Waiting<T>>,
}

/// A panic in the caller's `apply` must not leave appends waiting forever.
struct FailOnPanic<T>(Arc<Queue<T>>);

impl<T> Drop for FailOnPanic<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("its writer panicked".into());
        }
    }
}
