//! A token bucket, kept as the one moment at which it is full again (the generic cell rate algorithm of ATM Forum TM 4.0).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Clock;

pub(crate) struct Bucket {
    /// On the steady clock: when the bucket will be full if nobody takes any more.
    full_at: Mutex<Duration>,
    interval: Duration,
    burst: Duration,
    clock: Clock,
}

impl Bucket {
    /// `rate` a second on average (positive), and `burst` (at least one) at once.
    pub(crate) fn new(rate: f64, burst: u32, clock: Clock) -> Self {
        let interval = Duration::from_secs_f64((1.0 / rate).clamp(1e-9, 3_600.0));
        Self { full_at: Mutex::default(), interval, burst: interval * burst.max(1), clock }
    }

    /// Takes one; how long to wait until it is due.
    pub(crate) fn wait(&self) -> Duration {
        let now = self.clock.steady();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*full_at).max(now) + self.interval;
        *full_at = next;
        next.saturating_sub(now + self.burst)
    }

    /// Whether one is due now. Takes none.
    pub(crate) fn has_one(&self) -> bool {
        let now = self.clock.steady();
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        (*full_at).max(now) + self.interval <= now + self.burst
    }

    /// Takes one if it is due now.
    pub(crate) fn take(&self) -> bool {
        let now = self.clock.steady();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*full_at).max(now) + self.interval;
        let due = next <= now + self.burst;
        if due {
            *full_at = next;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_burst_passes_then_one_per_interval() {
        let millis = Arc::new(AtomicU64::new(5_000));
        let steady = Arc::clone(&millis);
        let clock = Clock::new(
            || Timestamp::UNIX_EPOCH,
            move || Duration::from_millis(steady.load(Ordering::SeqCst)),
        );
        let bucket = Bucket::new(10.0, 3, clock);
        assert_eq!([(); 4].map(|()| bucket.take()), [true, true, true, false]);
        assert!(!bucket.has_one());
        millis.fetch_add(100, Ordering::SeqCst);
        assert_eq!([(); 2].map(|()| bucket.take()), [true, false]);
        assert_eq!(bucket.wait(), Duration::from_millis(100));
        assert_eq!(bucket.wait(), Duration::from_millis(200));
    }
}
