//! How long one pass waits for Elasticsearch, and how long a cluster that was waited for in vain is let be.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For all calls of a pass together: no worker is held up longer by a cluster that hangs.
const OF_A_PASS: Duration = Duration::from_secs(5);
/// How often the pause doubles at most: from twice to sixteen times of what was waited in vain.
const DOUBLINGS: u32 = 3;

/// What is left of the time that one pass may wait for Elasticsearch. All its clients share it.
#[derive(Debug)]
pub struct Patience {
    spent: Mutex<Spent>,
}

#[derive(Clone, Debug, Default)]
struct Spent {
    waited: Duration,
    answered: bool,
    /// The call that was waited for in vain.
    late: Option<String>,
}

impl Patience {
    /// That of a pass which begins.
    pub fn of_a_pass() -> Self {
        Self { spent: Mutex::default() }
    }

    /// How long the next call may take.
    pub(super) fn left(&self) -> Duration {
        OF_A_PASS.saturating_sub(self.lock().waited)
    }

    /// A call ended, or was given up after that time.
    pub(super) fn spend(&self, waited: Duration, late: Option<String>) {
        let mut spent = self.lock();
        spent.waited += waited;
        spent.answered |= late.is_none();
        spent.late = spent.late.take().or(late);
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a cluster that lets passes wait is let be, so that it has a small share of the workers' time.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    misses: u32,
    why: String,
}

impl Pause {
    /// A pass ends. Returns how long no other one may call the cluster.
    pub(super) fn after(&mut self, patience: &Patience) -> Option<Duration> {
        let spent = patience.lock().clone();
        let Some(late) = spent.late else {
            if spent.answered {
                *self = Self::default();
            }
            return None;
        };
        let pause = spent.waited * (2 << self.misses.min(DOUBLINGS));
        self.until = Some(Instant::now() + pause);
        self.misses = self.misses.saturating_add(1);
        self.why = late;
        Some(pause)
    }

    /// How long the cluster is still let be, and which call it didn't answer.
    pub(super) fn left(&self) -> Option<(Duration, &str)> {
        let left = self.until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((left, &*self.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_lets_passes_wait_is_called_less_and_less_until_it_answers() {
        let mut pause = Pause::default();
        let seconds = Duration::from_secs;
        for (waited, expected) in [(5, 10), (5, 20), (5, 40), (5, 80), (5, 80), (1, 16)] {
            let patience = Patience::of_a_pass();
            patience.spend(seconds(waited), Some("GET /".to_owned()));
            assert_eq!(pause.after(&patience), Some(seconds(expected)));
            tokio::time::advance(seconds(expected - 1)).await;
            assert_eq!(pause.left(), Some((seconds(1), "GET /")));
            tokio::time::advance(seconds(1)).await;
            assert_eq!(pause.left(), None);
        }
        assert_eq!(pause.after(&Patience::of_a_pass()), None, "a pass without a call says nothing");
        let patience = Patience::of_a_pass();
        patience.spend(seconds(2), None);
        assert_eq!(pause.after(&patience), None);
        let patience = Patience::of_a_pass();
        patience.spend(seconds(1), None);
        patience.spend(seconds(4), Some("GET /".to_owned()));
        assert_eq!(pause.after(&patience), Some(seconds(10)), "it had answered");
    }
}
