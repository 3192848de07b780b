//! The HTTP/2 streams of one connection, each on a task that ends when its reader has given no room for too long.
//!
//! hyper asks an answer's body for more only when the stream's window has room. So what is seen here is the time since the
//! body last gave something, or since it was to begin; while it waits for the upstream itself, no time runs.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::rt::Executor;

/// Runs the streams of one connection.
pub(super) struct Streams<S> {
    limit: Duration,
    stalled: Arc<S>,
    /// Of the request that was taken just now: hyper runs its stream before it takes another.
    latest: Arc<Mutex<Option<Arc<Progress>>>>,
}

impl<S> Clone for Streams<S> {
    fn clone(&self) -> Self {
        let Self { limit, stalled, latest } = self;
        Self { limit: *limit, stalled: Arc::clone(stalled), latest: Arc::clone(latest) }
    }
}

impl<S: Fn()> Streams<S> {
    /// A stream without progress for `limit` is reset, and `stalled` told.
    pub(super) fn new(limit: Duration, stalled: S) -> Self {
        Self { limit, stalled: Arc::new(stalled), latest: Arc::default() }
    }

    /// The progress of the stream that is run next.
    pub(super) fn begin(&self) -> Arc<Progress> {
        let progress =
            Arc::new(Progress { born: Instant::now(), waiting_since: AtomicU64::new(NOT_WAITING) });
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&progress));
        progress
    }
}

impl<S, F> Executor<F> for Streams<S>
where
    S: Fn() + Send + Sync + 'static,
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        let begun = self.latest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(progress) = begun else {
            tokio::spawn(async move { drop(stream.await) });
            return;
        };
        let (limit, stalled) = (self.limit, Arc::clone(&self.stalled));
        tokio::spawn(async move {
            let mut stream = pin!(stream);
            tokio::select! {
                biased;
                _ = stream.as_mut() => {}
                // With the stream's last handle dropped, h2 resets it.
                () = progress.stops(limit) => stalled(),
            }
        });
    }
}

/// In place of the milliseconds since a stream began.
const NOT_WAITING: u64 = u64::MAX;

/// Since when an answer waits for its reader.
#[derive(Debug)]
pub(super) struct Progress {
    born: Instant,
    /// Milliseconds after `born`.
    waiting_since: AtomicU64,
}

impl Progress {
    /// The body has something to give, or has just given something.
    pub(super) fn waits_for_reader(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(NOT_WAITING);
        self.waiting_since.store(now, Ordering::Relaxed);
    }

    /// The body has nothing to give now.
    pub(super) fn waits_for_upstream(&self) {
        self.waiting_since.store(NOT_WAITING, Ordering::Relaxed);
    }

    /// Resolves when the reader has kept the answer waiting for `limit`.
    async fn stops(&self, limit: Duration) {
        let mut look_at = self.born + limit;
        loop {
            tokio::time::sleep_until(look_at.into()).await;
            look_at = match self.waiting_since.load(Ordering::Relaxed) {
                NOT_WAITING => Instant::now() + limit,
                since => self.born + Duration::from_millis(since) + limit,
            };
            if look_at <= Instant::now() {
                return;
            }
        }
    }
}
