//! Instants as texts, ranges in the store's microseconds, and the width of buckets.

use jiff::Timestamp;
use parapet_store::TimeRange;

use crate::QueryError;

/// The most buckets of a histogram: more than a screen has columns of pixels to tell apart.
const MAX_BUCKETS: usize = 2_000;

/// Widths that people read easily, in seconds; beyond the last, multiples of it.
const WIDTHS: [i64; 22] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800, 1_209_600, 2_592_000,
];

/// Microseconds as RFC 3339 in UTC with six digits; outside of its years, the number.
pub(crate) fn rfc3339(micros: i64) -> String {
    match Timestamp::from_microsecond(micros) {
        Ok(timestamp) => format!("{timestamp:.6}"),
        Err(_) => micros.to_string(),
    }
}

/// An RFC 3339 instant in microseconds.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

/// A range in the precision that the store keeps: `from` inclusive, `to` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Micros {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Micros {
    pub(crate) fn of(range: &TimeRange) -> Result<Self, QueryError> {
        if range.from >= range.to {
            return Err(QueryError::BadRequest("the range is empty: `from` is not before `to`".into()));
        }
        Ok(Self { from: ceil_micros(range.from.0), to: ceil_micros(range.to.0) })
    }

    pub(crate) fn range(self) -> TimeRange {
        use parapet_signal::UnixNanos;
        TimeRange { from: UnixNanos::from_micros(self.from), to: UnixNanos::from_micros(self.to) }
    }

    /// Wider by `micros` on both sides.
    pub(crate) fn widened(self, micros: i64) -> Self {
        Self { from: self.from.saturating_sub(micros), to: self.to.saturating_add(micros) }
    }
}

/// A range cut into equal parts that start at multiples of their width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// Start of the first, at or before the range's start.
    pub(crate) start: i64,
    /// Microseconds.
    pub(crate) width: i64,
    /// How many.
    pub(crate) count: usize,
}

impl Buckets {
    /// About `wanted` of them, never more than one above it, and none narrower than `least_seconds`.
    pub(crate) fn of(range: Micros, wanted: usize, least_seconds: i64) -> Result<Self, QueryError> {
        if wanted == 0 || wanted > MAX_BUCKETS {
            return Err(QueryError::BadRequest(format!("buckets must be 1 to {MAX_BUCKETS}")));
        }
        let length = i128::from(range.to) - i128::from(range.from);
        let least = length.div_ceil_of(wanted as i128 * 1_000_000).max(i128::from(least_seconds));
        let widest = i128::from(WIDTHS[WIDTHS.len() - 1]);
        let seconds = WIDTHS.iter().copied().map(i128::from).find(|width| *width >= least);
        let seconds = seconds.unwrap_or_else(|| least.div_ceil_of(widest) * widest);
        let width = i64::try_from(seconds * 1_000_000).unwrap_or(i64::MAX);
        let start = range.from.div_euclid(width).saturating_mul(width);
        let count = (i128::from(range.to) - i128::from(start)).div_ceil_of(i128::from(width));
        Ok(Self { start, width, count: usize::try_from(count).unwrap_or(usize::MAX).min(wanted + 1) })
    }

    pub(crate) fn seconds(&self) -> u64 {
        u64::try_from(self.width / 1_000_000).unwrap_or(0)
    }

    /// When the bucket starts, RFC 3339.
    pub(crate) fn ts(&self, index: usize) -> String {
        rfc3339(
            self.start.saturating_add(self.width.saturating_mul(i64::try_from(index).unwrap_or(i64::MAX))),
        )
    }

    /// The bucket that holds an instant, if one does.
    pub(crate) fn index(&self, micros: i64) -> Option<usize> {
        let index = micros.checked_sub(self.start)?.div_euclid(self.width);
        usize::try_from(index).ok().filter(|index| *index < self.count)
    }
}

trait DivCeilOf {
    fn div_ceil_of(self, by: Self) -> Self;
}

impl DivCeilOf for i128 {
    /// Rounded up, for positive divisors.
    fn div_ceil_of(self, by: Self) -> Self {
        self.div_euclid(by) + Self::from(self.rem_euclid(by) != 0)
    }
}

fn ceil_micros(nanos: i64) -> i64 {
    nanos.div_euclid(1_000) + i64::from(nanos.rem_euclid(1_000) != 0)
}

#[cfg(test)]
mod tests {
    use parapet_signal::UnixNanos;

    use super::*;

    #[test]
    fn instants_have_six_digits_and_come_back() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(parse_rfc3339(&rfc3339(1_700_000_000_123_456)), Some(1_700_000_000_123_456));
        assert_eq!(parse_rfc3339("yesterday"), None);
        assert_eq!(rfc3339(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn ranges_round_up_at_both_ends() {
        let range = |from, to| TimeRange { from: UnixNanos(from), to: UnixNanos(to) };
        assert_eq!(Micros::of(&range(1, 2_000)).unwrap(), Micros { from: 1, to: 2 });
        assert_eq!(Micros::of(&range(-1, 1)).unwrap(), Micros { from: 0, to: 1 });
        assert!(Micros::of(&range(5, 5)).is_err());
    }

    #[test]
    fn buckets_cover_the_range_with_readable_widths() {
        #[track_caller]
        fn check(seconds: (i64, i64), wanted: usize, least: i64, expect: (i64, i64, usize)) {
            let range = Micros { from: seconds.0 * 1_000_000, to: seconds.1 * 1_000_000 };
            let buckets = Buckets::of(range, wanted, least).unwrap();
            assert_eq!((buckets.start / 1_000_000, buckets.width / 1_000_000, buckets.count), expect);
        }
        check((0, 60), 60, 1, (0, 1, 60));
        check((30, 3_630), 60, 1, (0, 60, 61));
        check((0, 86_400), 60, 1, (0, 1_800, 48));
        check((0, 86_400), 60, 3_600, (0, 3_600, 24));
        check((0, 365 * 86_400), 60, 1, (0, 604_800, 53));
        check((0, 10_000 * 86_400), 10, 1, (0, 34 * 2_592_000, 10));
        check((7, 8), 1, 1, (7, 1, 1));
    }

    #[test]
    fn the_widest_range_and_absurd_counts_are_no_panic() {
        let all = Micros::of(&TimeRange::ALL).unwrap();
        let buckets = Buckets::of(all, 60, 1).unwrap();
        assert!(buckets.count <= 61);
        assert!(Buckets::of(all, 0, 1).is_err());
        assert!(Buckets::of(all, usize::MAX, 1).is_err());
        assert_eq!(buckets.index(i64::MIN), None);
    }
}
