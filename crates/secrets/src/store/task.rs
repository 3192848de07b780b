//! The task of one secret: resolve, publish, wait, again. There is one, so at most one call is under way (S-3).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::{Entry, Inner};
use crate::schedule::{self, Terms};
use crate::{Provider, SecretError, Snapshot};

/// How much longer than our own longest wait a provider may make us wait.
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(300);

/// Changes come in bursts (a file's bytes, its time, its name): one look for each burst. Bounds the looks too, should a
/// provider tell of changes without end.
const BURST: Duration = Duration::from_millis(100);

pub(crate) struct Task {
    pub(crate) inner: Arc<Inner>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) permits: Arc<Semaphore>,
}

impl Task {
    /// Until the store closes, or nobody is subscribed.
    pub(crate) async fn run(self) {
        tokio::select! {
            biased;
            () = self.inner.closed() => return,
            () = self.abandoned() => {}
            () = async { loop { self.turn().await } } => {}
        }
        self.provider.forget(&self.entry.location).await;
    }

    /// Resolves when nobody is subscribed, and the store has let go of the secret.
    async fn abandoned(&self) {
        loop {
            self.entry.abandoned().await;
            if self.inner.release(&self.entry) {
                return;
            }
        }
    }

    /// One look, and the wait until the next.
    async fn turn(&self) {
        let wait = match self.resolve().await {
            Ok(snapshot) => self.took(snapshot),
            Err(error) => self.failed(&error),
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = self.entry.refresh.notified() => {}
            () = self.provider.changed(&self.entry.location) => sleep(BURST).await,
        }
    }

    async fn resolve(&self) -> Result<Snapshot, SecretError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let limit = self.inner.options.settings.resolve_timeout;
        match timeout(limit, self.provider.resolve(&self.entry.location)).await {
            Ok(result) => result,
            Err(_) => Err(SecretError::TimedOut(limit)),
        }
    }

    /// Publishes the value; how long it is to be left alone.
    fn took(&self, snapshot: Snapshot) -> Duration {
        let options = &self.inner.options;
        let terms = Terms {
            interval: options.settings.refresh_every,
            refresh_after: snapshot.refresh_after,
            expires_in: snapshot.expires_at.map(|end| end.saturating_duration_since(Instant::now())),
        };
        let (location, version) = (&self.entry.location, snapshot.version().clone());
        options.metrics.success(location, (options.clock)());
        if self.entry.succeed(snapshot) {
            options.metrics.change(location);
            tracing::info!(secret = %location, %version, "secret read");
        } else {
            tracing::debug!(secret = %location, %version, "secret unchanged");
        }
        schedule::refresh(terms, (options.chance)())
    }

    /// Keeps the last good value (S-2); how long to wait before the next attempt.
    fn failed(&self, error: &SecretError) -> Duration {
        let options = &self.inner.options;
        let location = &self.entry.location;
        options.metrics.failure(location, error.reason());
        let failures = self.entry.fail(error.reason());
        let wait = schedule::backoff(failures, (options.chance)())
            .max(error.retry_after().unwrap_or_default().min(LONGEST_ASKED_WAIT));
        tracing::warn!(
            secret = %location, reason = error.reason().as_str(), error = %Causes(error), failures,
            retry_in_seconds = wait.as_secs(), has_value = self.entry.latest().is_some(),
            "a secret could not be read"
        );
        wait
    }
}

/// An error with what caused it.
struct Causes<'a>(&'a SecretError);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
