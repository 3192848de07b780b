//! Durations as the reference's configuration and annotations have them: those of Go, such as `1h30m` or `100ms`.

use std::{fmt, str::FromStr};

use jiff::SignedDuration;

/// A duration that is written as in Go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(SignedDuration);

/// A duration that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration like 1h30m or 100ms")]
pub struct DurationError {
    /// What was written.
    pub text: String,
}

/// Units and their nanoseconds; `ms` before `m`, which it starts with. Both micro signs are accepted.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// The most digits of a fraction that count: more are below a nanosecond whatever the unit.
const FRACTION_DIGITS: usize = 15;

impl GoDuration {
    /// The duration.
    pub fn get(self) -> SignedDuration {
        self.0
    }

    /// The duration, unless it is negative.
    pub fn positive(self) -> Option<std::time::Duration> {
        self.0.try_into().ok()
    }
}

impl From<SignedDuration> for GoDuration {
    fn from(duration: SignedDuration) -> Self {
        Self(duration)
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    /// As Go's `time.ParseDuration`: a sign, then numbers with units, each perhaps with a fraction; or a bare `0`.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        nanoseconds(text)
            .and_then(|nanos| i64::try_from(nanos).ok())
            .map(|nanos| Self(SignedDuration::from_nanos(nanos)))
            .ok_or_else(|| DurationError { text: text.to_owned() })
    }
}

impl fmt::Display for GoDuration {
    /// As it can be read again, in the largest units: `8760h`, `1m30s`, `1.5s` is `1s500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        if rest < 0 {
            f.write_str("-")?;
            rest = -rest;
        }
        for (unit, nanos) in UNITS.iter().rev().filter(|(unit, _)| unit.is_ascii()) {
            if rest >= *nanos {
                write!(f, "{}{unit}", rest / nanos)?;
                rest %= nanos;
            }
        }
        Ok(())
    }
}

fn nanoseconds(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    while {
        total = total.checked_add(one(&mut rest)?)?;
        !rest.is_empty()
    } {}
    Some(if negative { -total } else { total })
}

/// Takes one number with its unit from the start.
fn one(rest: &mut &str) -> Option<i128> {
    let whole = digits(rest);
    let fraction = match rest.strip_prefix('.') {
        Some(after) => {
            *rest = after;
            digits(rest)
        }
        None => "",
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, nanos) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
    *rest = &rest[unit.len()..];
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let counted = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    let part = match counted {
        "" => 0,
        counted => {
            counted.parse::<i128>().ok()?.checked_mul(*nanos)? / 10_i128.checked_pow(counted.len() as u32)?
        }
    };
    whole.checked_mul(*nanos)?.checked_add(part)
}

fn digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (taken, after) = rest.split_at(end);
    *rest = after;
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, nanos: Option<i64>) {
        let read = text.parse::<GoDuration>().ok().map(|read| read.get());
        assert_eq!(read, nanos.map(SignedDuration::from_nanos), "{text:?}");
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        const S: i64 = 1_000_000_000;
        check("180s", Some(180 * S));
        check("8760h", Some(8760 * 3600 * S));
        check("1h30m", Some(5400 * S));
        check("100ms", Some(S / 10));
        check("1.5h", Some(5400 * S));
        check(".5s", Some(S / 2));
        check("1.s", Some(S));
        check("1.5h30m", Some(7200 * S));
        check("-1m", Some(-60 * S));
        check("+1m", Some(60 * S));
        check("0", Some(0));
        check("-0", Some(0));
        check("10µs", Some(10_000));
        check("10μs", Some(10_000));
        check("0.3333333333333333333h", Some(1_199_999_999_999));
        for bad in
            ["", "1", "1 h", "1d", "h", ".s", "1h-1m", "1hour", "--1s", "9999999999h", "1.5.5s", "1e3s", "٣s"]
        {
            check(bad, None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(nanos in any::<i64>()) {
            prop_assume!(nanos != i64::MIN);
            let duration = GoDuration(SignedDuration::from_nanos(nanos));
            prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[-+]?[0-9.]{0,40}[nuµmsh]{0,3}[0-9.]{0,6}[hms]{0,2}") {
            let _ = text.parse::<GoDuration>();
        }
    }
}
