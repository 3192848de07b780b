//! What waits for the writer, and the bounds on it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::format::frame_len;
use crate::{Append, BusyReason, SeqRange, WalError};

/// One group is one write and one sync: above a mebibyte a group's time is the disk's bandwidth, and no more is saved.
const GROUP_BYTES: u64 = 1 << 20;
/// How long a group waits for appends that are likely to come; well below what a sync takes on a busy disk.
const GROUP_WAIT: Duration = Duration::from_millis(2);

/// An append on its way to the disk.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) append: Append,
    pub(crate) context: T,
    pub(crate) done: oneshot::Sender<Result<SeqRange, WalError>>,
}

impl<T> Waiting<T> {
    pub(crate) fn frame_len(&self) -> u64 {
        frame_len(self.append.payload.len())
    }
}

#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) budget_bytes: u64,
    pub(crate) queue_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    limits: Limits,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<Waiting<T>>,
    /// Of frames waiting and being written.
    queued_bytes: u64,
    /// Of the log's files, as far as they are filled or cannot be filled any more.
    used_bytes: u64,
    next_seq: u64,
    closed: bool,
    failed: Option<Arc<str>>,
}

/// What the writer knows of its last group.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    pub(crate) appends: usize,
    pub(crate) sync: Duration,
}

impl<T> Queue<T> {
    pub(crate) fn new(limits: Limits, used_bytes: u64, next_seq: u64) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            queued_bytes: 0,
            used_bytes,
            next_seq,
            closed: false,
            failed: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), limits }
    }

    pub(crate) fn push(&self, waiting: Waiting<T>) -> Result<(), WalError> {
        let bytes = waiting.frame_len();
        let mut state = self.lock();
        if let Some(reason) = &state.failed {
            return Err(WalError::Failed(Arc::clone(reason)));
        }
        if state.closed {
            return Err(WalError::Closed);
        }
        if state.used_bytes + state.queued_bytes + bytes > self.limits.budget_bytes {
            return Err(WalError::Busy(BusyReason::Budget));
        }
        if state.queued_bytes > 0 && state.queued_bytes + bytes > self.limits.queue_bytes {
            return Err(WalError::Busy(BusyReason::Queue));
        }
        state.queued_bytes += bytes;
        state.waiting.push_back(waiting);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next group, or `None` when the queue is closed and empty. A lone append is not kept waiting: only when the
    /// last group had more appends than wait now, more are given up to the time of a sync to come.
    pub(crate) fn next_group(&self, pace: Pace) -> Option<Vec<Waiting<T>>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).expect("no code panics while it holds this lock");
        }
        let until = Instant::now() + pace.sync.min(GROUP_WAIT);
        while state.waiting.len() < pace.appends && state.queued_bytes < GROUP_BYTES && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state =
                self.changed.wait_timeout(state, left).expect("no code panics while it holds this lock").0;
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(next) = state.waiting.front().map(Waiting::frame_len)
            && (group.is_empty() || bytes + next <= GROUP_BYTES)
        {
            bytes += next;
            group.extend(state.waiting.pop_front());
        }
        Some(group)
    }

    /// `queued` bytes are no longer waiting; the log's files have grown by `used`.
    pub(crate) fn settle(&self, queued: u64, used: u64, next_seq: u64) {
        let mut state = self.lock();
        state.queued_bytes -= queued;
        state.used_bytes += used;
        state.next_seq = next_seq;
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        let mut state = self.lock();
        state.used_bytes = state.used_bytes.saturating_sub(bytes);
    }

    /// Takes nothing more; what waits now is still written.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Takes nothing more and refuses what waits.
    pub(crate) fn fail(&self, reason: Arc<str>) {
        let mut state = self.lock();
        let reason = Arc::clone(state.failed.get_or_insert(reason));
        state.queued_bytes = 0;
        let refused = std::mem::take(&mut state.waiting);
        drop(state);
        for waiting in refused {
            // Whoever stopped waiting does not want to know.
            let _ = waiting.done.send(Err(WalError::Failed(Arc::clone(&reason))));
        }
    }

    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        self.lock().failed.clone()
    }

    /// Bytes used and the next row's number.
    pub(crate) fn position(&self) -> (u64, u64) {
        let state = self.lock();
        (state.used_bytes, state.next_seq)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}
