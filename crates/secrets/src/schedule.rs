//! When to ask a provider again: pure functions of what it said and of chance.

use std::time::Duration;

/// Chance moves each moment by at most this part of the wait, so that what started together doesn't ask together.
const JITTER: f64 = 0.1;
/// Never more often than this, whatever a provider says.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long before the end of a value a new one is to be there; less if the value itself lives for less than five minutes.
const MARGIN: Duration = Duration::from_secs(30);
/// First wait after a failure; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Longest wait after a failure.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What bounds the time to the next look.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How often is asked if nothing else is said.
    pub interval: Duration,
    /// When the provider wants to be asked: [`two_thirds`] of a lease.
    pub refresh_after: Option<Duration>,
    /// How long the value still works.
    pub expires_in: Option<Duration>,
}

/// When to look again: the earliest of the terms, moved by up to a tenth by `chance` (-1 to 1), but never to after the
/// point where only the margin before the end of the value is left, and never sooner than in a second.
pub fn refresh(terms: Terms, chance: f64) -> Duration {
    let last = terms.expires_in.map(|end| end.saturating_sub(MARGIN.min(end / 10)));
    let earliest = [terms.refresh_after, last].into_iter().flatten().fold(terms.interval, Duration::min);
    let moved = moved(earliest, chance);
    last.map_or(moved, |last| moved.min(last)).max(SHORTEST)
}

/// How long to wait after this many failures in a row (1 is the first): 1 s, doubled each time up to 60 s, moved by up
/// to a tenth by `chance` (-1 to 1).
pub fn backoff(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST_RETRY * 2u32.saturating_pow(failures.saturating_sub(1).min(16));
    moved(doubled.min(LAST_RETRY), chance)
}

/// When a lease is due for renewal.
pub fn two_thirds(lease: Duration) -> Duration {
    // Divided first: a provider may say any number of seconds.
    lease / 3 * 2
}

fn moved(wait: Duration, chance: f64) -> Duration {
    let chance = if chance.is_finite() { chance.clamp(-1.0, 1.0) } else { 0.0 };
    Duration::try_from_secs_f64(wait.as_secs_f64() * (1.0 + JITTER * chance)).unwrap_or(wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_earliest_term_counts() {
        let check = |interval, refresh_after: Option<u64>, expires_in: Option<u64>, expect| {
            let terms = Terms {
                interval: s(interval),
                refresh_after: refresh_after.map(s),
                expires_in: expires_in.map(s),
            };
            assert_eq!(refresh(terms, 0.0), s(expect), "{terms:?}");
        };
        check(300, None, None, 300);
        check(300, Some(40), None, 40);
        check(300, Some(400), Some(3600), 300);
        check(300, None, Some(200), 180);
        check(7200, None, Some(3600), 3570);
        check(300, Some(40), Some(0), 1);
    }

    #[test]
    fn failures_double_the_wait_up_to_a_minute() {
        let waits: Vec<u64> = (1..=9).map(|failures| backoff(failures, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff(u32::MAX, 0.0), s(60));
    }

    /// Seconds up to beyond what any date holds.
    fn wait() -> impl Strategy<Value = Duration> {
        prop_oneof![0u64..10_000, Just(u64::MAX)].prop_map(s)
    }

    proptest! {
        #[test]
        fn a_refresh_keeps_to_every_term(
            interval in wait(), refresh_after in prop::option::of(wait()),
            expires_in in prop::option::of(wait()), chance in -2.0..2.0f64,
        ) {
            let terms = Terms { interval, refresh_after, expires_in };
            let next = refresh(terms, chance);
            prop_assert!(next >= SHORTEST);
            // The naive form, without chance: each term by itself allows what was chosen, give or take a tenth.
            let slack = |wait: Duration| wait.as_secs_f64() * 1.1 + 1e-6;
            for term in [Some(interval), refresh_after].into_iter().flatten() {
                prop_assert!(next == SHORTEST || next.as_secs_f64() <= slack(term));
            }
            if let Some(end) = expires_in {
                prop_assert!(next <= end.max(SHORTEST));
                prop_assert!(end < s(10) || next < end);
            }
            // Not needlessly early either.
            let earliest = [Some(interval), refresh_after, expires_in].into_iter().flatten().min().unwrap();
            prop_assert!(next.as_secs_f64() >= earliest.as_secs_f64() * 0.9 * 0.9 - 1e-6);
        }

        #[test]
        fn a_retry_stays_between_its_bounds(failures in any::<u32>(), chance in any::<f64>()) {
            let wait = backoff(failures, chance);
            prop_assert!(wait >= s(1).mul_f64(0.9) && wait <= s(60).mul_f64(1.1));
        }
    }
}
