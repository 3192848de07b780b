//! Instants in parameters (RFC 3339, or relative to now) and in answers.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use parapet_signal::UnixNanos;

/// What an instant may look like, for messages.
pub(crate) const EXPECTED: &str = "an RFC 3339 time such as 2026-01-31T08:00:00Z, or now, now-15m, now-7d";

/// An instant; `None` if `text` is none or lies outside of the years that are kept (1677 to 2262).
pub(crate) fn parse(text: &str, now: Timestamp) -> Option<UnixNanos> {
    let instant = match text.strip_prefix("now") {
        None => text.parse().ok()?,
        Some("") => now,
        Some(relative) => {
            let (sign, span) = relative.split_at_checked(1)?;
            let duration = duration(span)?;
            match sign {
                "-" => now.checked_sub(duration).ok()?,
                "+" => now.checked_add(duration).ok()?,
                _ => return None,
            }
        }
    };
    i64::try_from(instant.as_nanosecond()).ok().map(UnixNanos)
}

/// RFC 3339 in UTC with microseconds, always of the same length, so that texts sort as their instants do.
pub(crate) fn rfc3339(instant: Timestamp) -> String {
    format!("{instant:.6}")
}

/// `15m`, `1h30m`, `7d`: whole days have 24 hours, months and years are too vague.
fn duration(text: &str) -> Option<SignedDuration> {
    // The sign is in front of it already, and "ago" would be a second one.
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.ends_with(|c: char| "smhdw".contains(c)) {
        return None;
    }
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let got = parse(text, now).map(|instant| instant.to_string());
        assert_eq!(got.as_deref(), expect, "{text}");
    }

    #[test]
    fn instants() {
        check("now", Some("2026-11-21T12:00:00Z"));
        check("now-15m", Some("2026-11-21T11:45:00Z"));
        check("now-1h30m", Some("2026-11-21T10:30:00Z"));
        check("now-7d", Some("2026-11-14T12:00:00Z"));
        check("now-2w", Some("2026-11-07T12:00:00Z"));
        check("now+1h", Some("2026-11-21T13:00:00Z"));
        check("2026-11-21T10:00:00.000001Z", Some("2026-11-21T10:00:00.000001Z"));
        check("2026-11-21T10:00:00+02:00", Some("2026-11-21T08:00:00Z"));
        for bad in [
            "",
            "yesterday",
            "now-",
            "now-1",
            "now-1y",
            "now--1h",
            "now-1h ago",
            "now*1h",
            "nowish",
            "now-é",
            "1h",
            "2026-11-21",
            "0001-01-01T00:00:00Z",
            "9000-01-01T00:00:00Z",
            "now-99999999999999999999d",
            "now-P1D",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn answers_have_microseconds() {
        let check = |text: &str, expect: &str| assert_eq!(rfc3339(text.parse().unwrap()), expect);
        check("2026-01-31T08:00:00Z", "2026-01-31T08:00:00.000000Z");
        check("2026-01-31T08:00:00.123456789Z", "2026-01-31T08:00:00.123456Z");
    }
}
