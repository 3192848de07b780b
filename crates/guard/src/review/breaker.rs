//! Leaves a failing API server alone for a moment, so that refusals come at once and it gets no load to recover under.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::ReviewError;
use crate::Clock;

/// Failures in a row before it opens: more than one review's attempts, so that one bad review opens nothing.
const FAILURES: u32 = 8;
/// How long nobody asks, then one may try. Short, since meanwhile everyone without a cached answer is refused.
const OPEN: Duration = Duration::from_secs(1);

pub(super) struct Breaker {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// On the steady clock: before this moment nobody asks.
    open_until: Option<Duration>,
    /// Somebody tries whether it is well again.
    probing: bool,
}

/// The right to ask once. Dropped without a word (the caller went away), it says nothing about the API server.
#[must_use]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(super) fn new(clock: Clock) -> Self {
        Self { state: Mutex::default(), clock }
    }

    pub(super) fn pass(&self) -> Result<Pass<'_>, ReviewError> {
        let mut state = self.state();
        let Some(until) = state.open_until else {
            return Ok(Pass { breaker: self, probe: false });
        };
        let now = self.clock.steady();
        if now < until || state.probing {
            let retry_after = until.saturating_sub(now).max(Duration::from_secs(1));
            return Err(ReviewError::Open { retry_after });
        }
        state.probing = true;
        Ok(Pass { breaker: self, probe: true })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    pub(super) fn succeeded(self) {
        *self.breaker.state() = State::default();
    }

    pub(super) fn failed(self) {
        let now = self.breaker.clock.steady();
        let mut state = self.breaker.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.open_until = Some(now + OPEN);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use jiff::Timestamp;

    use super::*;

    fn breaker() -> (Breaker, Arc<AtomicU64>) {
        let millis = Arc::new(AtomicU64::new(0));
        let steady = Arc::clone(&millis);
        let clock = Clock::new(
            || Timestamp::UNIX_EPOCH,
            move || Duration::from_millis(steady.load(Ordering::SeqCst)),
        );
        (Breaker::new(clock), millis)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try() {
        let (breaker, millis) = breaker();
        for _ in 0..FAILURES - 1 {
            breaker.pass().unwrap().failed();
        }
        breaker.pass().unwrap().succeeded();
        for _ in 0..FAILURES {
            breaker.pass().unwrap().failed();
        }
        assert!(matches!(breaker.pass(), Err(ReviewError::Open { .. })));
        millis.store(1_000, Ordering::SeqCst);
        let probe = breaker.pass().unwrap();
        assert!(breaker.pass().is_err(), "one tries, not all");
        probe.failed();
        assert!(breaker.pass().is_err());
        millis.store(2_000, Ordering::SeqCst);
        breaker.pass().unwrap().succeeded();
        breaker.pass().unwrap().succeeded();
    }

    #[test]
    fn a_probe_that_is_dropped_leaves_the_next_one_free() {
        let (breaker, millis) = breaker();
        for _ in 0..FAILURES {
            breaker.pass().unwrap().failed();
        }
        millis.store(1_000, Ordering::SeqCst);
        drop(breaker.pass().unwrap());
        assert!(breaker.pass().is_ok());
    }
}
