//! Hours, days and ranges of event time, and the clock that the store asks.

use std::fmt::{self, Debug};
use std::time::Duration;

use parapet_signal::UnixNanos;
use serde::{Deserialize, Serialize};

/// Microseconds in an hour: the window of a segment. A constant of the disk format.
const HOUR_MICROS: i64 = 3_600_000_000;

/// Tells the time. Tests bring their own.
pub trait Clock: Send + Sync + Debug + 'static {
    /// Now.
    fn now(&self) -> UnixNanos;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixNanos {
        let nanos = jiff::Timestamp::now().as_nanosecond();
        UnixNanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// An hour of event time, as hours since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub i64);

impl Hour {
    /// The hour that holds an instant.
    pub fn of(time: UnixNanos) -> Self {
        Self::of_micros(time.micros())
    }

    /// The hour that holds an instant in microseconds.
    pub fn of_micros(micros: i64) -> Self {
        Self(micros.div_euclid(HOUR_MICROS))
    }

    /// Its first instant.
    pub fn start(self) -> UnixNanos {
        UnixNanos::from_micros(self.0.saturating_mul(HOUR_MICROS))
    }

    /// The first instant after it.
    pub fn end(self) -> UnixNanos {
        Self(self.0.saturating_add(1)).start()
    }

    /// The day it belongs to.
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(24))
    }

    /// Whether it ended `keep` or longer before `now`.
    pub(crate) fn expired(self, now: UnixNanos, keep: Duration) -> bool {
        self.end() <= now.saturating_sub(keep)
    }
}

impl fmt::Display for Hour {
    /// `2026-11-21T06`, as folders are named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match timestamp(self.start()) {
            Some(at) => write!(f, "{}", at.strftime("%Y-%m-%dT%H")),
            None => write!(f, "h{}", self.0),
        }
    }
}

/// A day of event time, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i64);

impl Day {
    /// Its first instant.
    pub fn start(self) -> UnixNanos {
        Hour(self.0.saturating_mul(24)).start()
    }

    /// The first instant after it.
    pub fn end(self) -> UnixNanos {
        Self(self.0.saturating_add(1)).start()
    }

    /// Whether it ended `keep` or longer before `now`.
    pub(crate) fn expired(self, now: UnixNanos, keep: Duration) -> bool {
        self.end() <= now.saturating_sub(keep)
    }
}

impl fmt::Display for Day {
    /// `2026-11-21`, as folders are named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match timestamp(self.start()) {
            Some(at) => write!(f, "{}", at.strftime("%Y-%m-%d")),
            None => write!(f, "d{}", self.0),
        }
    }
}

/// A half-open range of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// First instant inside.
    pub from: UnixNanos,
    /// First instant outside.
    pub to: UnixNanos,
}

impl TimeRange {
    /// Everything.
    pub const ALL: Self = Self { from: UnixNanos(i64::MIN), to: UnixNanos(i64::MAX) };

    /// Whether any instant of `hour` may be inside.
    pub fn touches(&self, hour: Hour) -> bool {
        self.from < self.to && hour.end() > self.from && hour.start() < self.to
    }
}

fn timestamp(time: UnixNanos) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(i128::from(time.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_cut_downwards_and_named_for_people() {
        assert_eq!(Hour::of_micros(-1), Hour(-1));
        assert_eq!(Hour::of_micros(HOUR_MICROS), Hour(1));
        assert_eq!(Hour(-1).day(), Day(-1));
        assert_eq!(Hour(494_886).to_string(), "2026-06-16T06");
        assert_eq!(Hour(494_886).day().to_string(), "2026-06-16");
    }

    #[test]
    fn an_hour_expires_as_a_whole() {
        let keep = Duration::from_secs(3600);
        assert!(!Hour(10).expired(UnixNanos(Hour(12).start().0 - 1), keep));
        assert!(Hour(10).expired(Hour(12).start(), keep));
    }

    #[test]
    fn ranges_exclude_their_end() {
        let range = TimeRange { from: Hour(5).start(), to: Hour(7).start() };
        let touched: Vec<_> = (3..9).map(Hour).filter(|h| range.touches(*h)).collect();
        assert_eq!(touched, [Hour(5), Hour(6)]);
        assert!(!TimeRange { from: range.to, to: range.from }.touches(Hour(6)));
    }
}
