//! The log as its users see it.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use parapet_fs::Fs;
use tokio::sync::oneshot;

use crate::files::Files;
use crate::queue::{Limits, Queue, Waiting};
use crate::recover::{Recovered, recover};
use crate::writer::Writer;
use crate::{Append, Durable, Metrics, Options, Replay, SeqRange, WalError};

/// Where a log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalStatus {
    /// Bytes that count against [`Options::budget_bytes`].
    pub bytes: u64,
    /// Files that hold frames or will.
    pub files: usize,
    /// The number that the next row gets.
    pub next_seq: u64,
    /// No row in the log has a lower number; equal to `next_seq` when there is none.
    pub oldest_seq: u64,
    /// Why appends are refused for good, if they are.
    pub failed: Option<Arc<str>>,
}

/// An open log. Its folder must be opened once at a time; who opens it sees to that. Dropping it is [`Wal::close`].
pub struct Wal<T> {
    queue: Arc<Queue<T>>,
    files: Arc<Mutex<Files>>,
    replayed: Arc<AtomicBool>,
    max_payload_bytes: usize,
    metrics: Metrics,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl<T: Send + 'static> Wal<T> {
    /// Opens the log in `dir`, or makes one. Frames whose rows are all below `floor` are skipped, the others come out of
    /// [`Replay`], which must be read to its end before anything is appended. `apply` is called on the writer's thread
    /// with appends that have become durable, in the order of their rows, before their waiters are told.
    pub fn open(
        fs: Arc<dyn Fs>,
        dir: &Path,
        options: Options,
        floor: u64,
        apply: Box<dyn FnMut(Vec<Durable<T>>) + Send>,
    ) -> Result<(Self, Replay), WalError> {
        options.check()?;
        let Recovered { files, active, frames, report } = recover(&fs, dir, &options, floor)?;
        let used = files.sealed.iter().map(|file| file.bytes).sum::<u64>()
            + active.as_ref().map_or(0, |active| active.offset);
        let limits = Limits { budget_bytes: options.budget_bytes, queue_bytes: options.queue_bytes as u64 };
        let queue = Arc::new(Queue::new(limits, used, report.next_seq));
        let files = Arc::new(Mutex::new(files));
        let writer = Writer {
            queue: Arc::clone(&queue),
            files: Arc::clone(&files),
            active,
            next_seq: report.next_seq,
            file_bytes: options.file_bytes,
            apply,
            metrics: options.metrics.clone(),
            buffer: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("wal".into())
            .spawn(move || writer.run())
            .map_err(WalError::io("start the writer of", dir))?;
        let replayed = Arc::new(AtomicBool::new(false));
        let replay = Replay::new(fs, frames, report, Arc::clone(&replayed));
        let wal = Self {
            queue,
            files,
            replayed,
            max_payload_bytes: options.max_payload_bytes,
            metrics: options.metrics,
            writer: Mutex::new(Some(thread)),
        };
        Ok((wal, replay))
    }

    /// Appends rows. When the receiver yields `Ok`, they are durable and were given to `apply`. An error from this method
    /// means that nothing was kept; for one from the receiver, ask [`WalError::is_certainly_not_kept`].
    pub fn append(
        &self,
        append: Append,
        context: T,
    ) -> Result<oneshot::Receiver<Result<SeqRange, WalError>>, WalError> {
        if append.rows == 0 {
            return Err(WalError::Empty);
        }
        let len = append.payload.len();
        if len > self.max_payload_bytes {
            return Err(WalError::TooLarge { len, max: self.max_payload_bytes });
        }
        if !self.replayed.load(Ordering::Acquire) {
            return Err(WalError::NotReplayed);
        }
        let (done, receiver) = oneshot::channel();
        self.queue.push(Waiting { append, context, done }).inspect_err(|error| {
            if let WalError::Busy(reason) = error {
                self.metrics.busy(*reason);
            }
        })?;
        Ok(receiver)
    }

    /// Gives up files whose rows are all below `below`: they are durable elsewhere, and so is that number, which must be
    /// the floor of the next [`Wal::open`]. Durable when this returns.
    pub fn release(&self, below: u64) -> Result<(), WalError> {
        let released = self.lock_files().release(below)?;
        self.queue.give_back(released);
        Ok(())
    }

    /// Where the log stands.
    pub fn status(&self) -> WalStatus {
        let files = self.lock_files();
        let (bytes, next_seq) = self.queue.position();
        WalStatus {
            bytes,
            files: files.count(),
            next_seq,
            oldest_seq: files.oldest_seq().unwrap_or(next_seq),
            failed: self.queue.failure(),
        }
    }
}

impl<T> Wal<T> {
    /// Takes no more appends, writes those that wait, and ends the writer's thread. An error says that not all of them
    /// became durable; their waiters know which. Called from `apply`, it does not wait.
    pub fn close(&self) -> Result<(), WalError> {
        self.queue.close();
        let writer = self.writer.lock().expect("no code panics while it holds this lock").take();
        if let Some(writer) = writer
            && writer.thread().id() != std::thread::current().id()
        {
            // A panic of the thread has failed the queue already.
            let _ = writer.join();
        }
        self.queue.failure().map_or(Ok(()), |reason| Err(WalError::Failed(reason)))
    }

    fn lock_files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().expect("no code panics while it holds this lock")
    }
}

impl<T> Drop for Wal<T> {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "log closed after a failure");
        }
    }
}

impl<T> fmt::Debug for Wal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal").field("files", &self.files).finish_non_exhaustive()
    }
}
