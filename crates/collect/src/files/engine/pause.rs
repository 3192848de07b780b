//! How long nothing is read after the sink has refused.

use std::time::{Duration, Instant};

/// The longest pause: a sink that is back is noticed within half a minute.
const LONGEST: Duration = Duration::from_secs(30);

/// Starts with the sink's own delay and doubles while it goes on refusing.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    refusals: u32,
}

impl Pause {
    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// When it ends, if that is to come and before `latest`.
    pub(super) fn end_before(&self, latest: Instant) -> Instant {
        self.until.filter(|until| *until > Instant::now()).map_or(latest, |until| until.min(latest))
    }

    /// Deliveries refused while it is on are part of the same refusal.
    pub(super) fn begin(&mut self, now: Instant, delay: Duration) -> Duration {
        if self.is_on(now) {
            return Duration::ZERO;
        }
        let factor = 1 << self.refusals.min(6);
        self.refusals += 1;
        let delay = delay.saturating_mul(factor).min(LONGEST.max(delay));
        self.until = Some(now + delay);
        delay
    }

    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_until_the_sink_takes_again() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(pause.begin(now, second), second);
        assert_eq!(pause.begin(now, second), Duration::ZERO);
        assert!(pause.is_on(now) && !pause.is_on(now + second));
        assert_eq!(pause.begin(now + second, second), 2 * second);
        for n in 1..10 {
            assert!(pause.begin(now + n * 100 * second, second) <= LONGEST);
        }
        pause.end();
        assert_eq!(pause.begin(now, second), second);
    }
}
