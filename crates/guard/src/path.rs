//! The canonical path: one decoded form, one accepted spelling of it.
//!
//! Every known way around a gate by its path is a disagreement about what a spelling means. So there is nothing to
//! disagree about: a path has exactly one spelling here, and any other is refused.
//!
//! - It begins with `/`, has no empty segment, no `.` and no `..`, whatever they are spelled with.
//! - Bytes that RFC 3986 calls `pchar` stand for themselves and are never escaped.
//! - Other text is escaped with upper-case hex and is UTF-8 without control characters.
//! - What some parsers take for a separator (`/ \ ? # % ;`, escaped or not) is refused, but a plain `;` inside a
//!   segment, which makes the path ineligible for anything that skips authentication.

use std::fmt;
use std::ops::Deref;

use thiserror::Error;

/// Longer paths are refused. nginx and Go's clients stay below 8 KiB for the whole request line.
const MAX_PATH: usize = 4096;

/// How many times an escape may be wrapped in another one before the path is refused unread (compatibility only).
const MAX_NESTING: usize = 4;

/// A path in canonical form. Dereferences to its decoded text, which is what is matched and authorised.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CanonicalPath {
    decoded: Box<str>,
    /// None: the spelling is the decoded text itself.
    wire: Option<Box<str>>,
}

/// Which spellings are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PathRules {
    /// One spelling for each path.
    #[default]
    Strict,
    /// Also escapes that need not be there, escaped separators and double escapes, as long as no reading of them has a
    /// `.`, a `..` or an empty segment. They are forwarded as they came, so an upstream that decodes differently sees
    /// another path than the gate.
    Lenient,
}

/// Why a path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum PathFault {
    /// It is longer than 4 KiB.
    #[error("path is too long")]
    TooLong,
    /// It doesn't begin with a slash.
    #[error("path doesn't begin with a slash")]
    NotAbsolute,
    /// Two slashes in a row.
    #[error("path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, in any spelling.
    #[error("path has a dot segment")]
    DotSegment,
    /// A percent sign without two hex digits.
    #[error("path has a malformed escape")]
    Escape,
    /// An escape where the plain byte means the same, or in lower case.
    #[error("path has an escape that isn't canonical")]
    NeedlessEscape,
    /// An escaped slash, backslash, percent sign, question mark, hash or semicolon.
    #[error("path has an escaped separator")]
    EscapedSeparator,
    /// A byte that must be escaped and isn't.
    #[error("path has a byte that isn't allowed unescaped")]
    RawByte,
    /// A control character or invalid UTF-8 behind escapes.
    #[error("path has a control character or isn't UTF-8")]
    NotText,
    /// A segment that has parameters and no name, or a dotted one.
    #[error("path has parameters on an empty or dotted segment")]
    Parameters,
}

impl CanonicalPath {
    /// Reads a path as it stood in the request, without query.
    ///
    /// # Errors
    ///
    /// The first fault found. The request must be refused, not repaired.
    pub fn parse(wire: &str, rules: PathRules) -> Result<Self, PathFault> {
        if wire.len() > MAX_PATH {
            return Err(PathFault::TooLong);
        }
        if !wire.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        if let Some(byte) = wire.bytes().find(|byte| !is_path_byte(*byte) && *byte != b'%') {
            return Err(if byte.is_ascii_control() { PathFault::NotText } else { PathFault::RawByte });
        }
        check_segments(wire)?;
        if !wire.contains('%') {
            return Ok(Self { decoded: wire.into(), wire: None });
        }
        let decoded = decode(wire, rules)?;
        check_readings(&decoded)?;
        Ok(Self { decoded: decoded.into(), wire: Some(wire.into()) })
    }

    /// The spelling that is forwarded. It decodes to this path and to nothing else.
    pub fn wire(&self) -> &str {
        self.wire.as_deref().unwrap_or(&self.decoded)
    }

    /// True if every parser there is reads this path alike: no escapes and no `;`. Only such a path may be matched by a
    /// rule that lets requests through without authentication.
    pub fn is_plain(&self) -> bool {
        self.wire.is_none() && !self.decoded.contains(';')
    }
}

impl Deref for CanonicalPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.decoded
    }
}

impl fmt::Debug for CanonicalPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.wire(), formatter)
    }
}

/// RFC 3986 `pchar` without escapes, and the slash.
const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'/'
        )
}

fn decode(wire: &str, rules: PathRules) -> Result<String, PathFault> {
    let mut decoded = Vec::with_capacity(wire.len());
    let mut rest = wire.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(PathFault::Escape) };
        rest = tail;
        let value = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low).ok_or(PathFault::Escape)?;
        if value.is_ascii_control() {
            return Err(PathFault::NotText);
        }
        if rules == PathRules::Strict {
            if matches!(value, b'/' | b'\\' | b'%' | b'?' | b'#' | b';') {
                return Err(PathFault::EscapedSeparator);
            }
            if value == b'.' {
                return Err(PathFault::DotSegment);
            }
            if is_path_byte(value) || high.is_ascii_lowercase() || low.is_ascii_lowercase() {
                return Err(PathFault::NeedlessEscape);
            }
        }
        decoded.push(value);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| PathFault::NotText)?;
    if decoded.chars().any(char::is_control) {
        return Err(PathFault::NotText);
    }
    Ok(decoded)
}

/// Checks the decoded path, and whatever it would be if it were decoded again and again.
fn check_readings(decoded: &str) -> Result<(), PathFault> {
    let mut reading = decoded.to_owned();
    for _ in 0..MAX_NESTING {
        check_segments(&reading)?;
        if reading.contains('\\') {
            check_segments(&reading.replace('\\', "/"))?;
        }
        let mut again = Vec::with_capacity(reading.len());
        let mut rest = reading.as_bytes();
        while let [byte, tail @ ..] = rest {
            rest = tail;
            if let (b'%', [high, low, tail @ ..]) = (*byte, tail)
                && let Some((high, low)) = hex(*high).zip(hex(*low))
            {
                again.push(high << 4 | low);
                rest = tail;
            } else {
                again.push(*byte);
            }
        }
        if again == reading.as_bytes() {
            return Ok(());
        }
        reading = String::from_utf8(again).map_err(|_| PathFault::NotText)?;
        if reading.chars().any(char::is_control) {
            return Err(PathFault::NotText);
        }
    }
    Err(PathFault::EscapedSeparator)
}

fn check_segments(path: &str) -> Result<(), PathFault> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            // A trailing slash is a path of its own, and the root is one.
            "" if segments.peek().is_none() => {}
            "" => return Err(PathFault::EmptySegment),
            "." | ".." => return Err(PathFault::DotSegment),
            _ => {
                if let Some((name, _)) = segment.split_once(';')
                    && matches!(name, "" | "." | "..")
                {
                    return Err(PathFault::Parameters);
                }
            }
        }
    }
    Ok(())
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As simply as it can be said.
    fn climbs_nowhere(path: &str) -> bool {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        segments.iter().enumerate().all(|(index, segment)| {
            let name = segment.split(';').next().unwrap();
            name != "."
                && name != ".."
                && (!name.is_empty() || (segment.is_empty() && index + 1 == segments.len()))
        })
    }

    proptest! {
        /// Whatever is accepted, no reading of it leads elsewhere; strictly there is one reading, and one spelling of it.
        #[test]
        fn what_is_accepted_has_one_meaning(wire in "/([a/.;\\\\é]|%(2[0eEfF5]|5[cC]|61|c3%a9|C3%A9|00)){0,12}") {
            if let Ok(path) = CanonicalPath::parse(&wire, PathRules::Strict) {
                prop_assert!(climbs_nowhere(&path) && !path.contains(['%', '\\', '?', '#']));
                let lenient = CanonicalPath::parse(&wire, PathRules::Lenient).unwrap();
                prop_assert_eq!(&*lenient, &*path);
                let spelled: String = path
                    .bytes()
                    .map(|byte| if is_path_byte(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
                    .collect();
                prop_assert_eq!(spelled, wire.clone());
            }
            if let Ok(path) = CanonicalPath::parse(&wire, PathRules::Lenient) {
                prop_assert!(climbs_nowhere(&path) && climbs_nowhere(&path.replace('\\', "/")));
                prop_assert_eq!(path.wire(), wire);
            }
        }
    }

    fn check(wire: &str, expect: Result<&str, PathFault>) {
        let parsed = CanonicalPath::parse(wire, PathRules::Strict);
        assert_eq!(parsed.as_deref().map_err(|fault| *fault), expect, "{wire}");
    }

    fn check_lenient(wire: &str, expect: Result<&str, PathFault>) {
        let parsed = CanonicalPath::parse(wire, PathRules::Lenient);
        assert_eq!(parsed.as_deref().map_err(|fault| *fault), expect, "{wire}");
        if let Ok(parsed) = parsed {
            assert_eq!(parsed.wire(), wire);
        }
    }

    #[test]
    fn plain_paths_stand_for_themselves() {
        for path in [
            "/",
            "/metrics",
            "/metrics/",
            "/api/v1/label/job/values",
            "/a.b/...",
            "/~u/(x)!$&'*+,=:@-_",
            "/METRICS",
        ] {
            check(path, Ok(path));
        }
    }

    #[test]
    fn dot_segments_are_refused_in_every_spelling() {
        for path in [
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e%2e/x",
            "/%2E.",
            "/.%2e",
            "/%2e",
            "/a/%2e%2e/%2e%2e",
        ] {
            check(path, Err(PathFault::DotSegment));
            check_lenient(path, Err(PathFault::DotSegment));
        }
        for path in ["/x/..%2fy", "/x/%2e%2e%2Fy", "/%252e%252e/y", "/a%5c..%5cb", "/%25252e"] {
            assert!(CanonicalPath::parse(path, PathRules::Strict).is_err());
            check_lenient(path, Err(PathFault::DotSegment));
        }
    }

    #[test]
    fn separators_may_not_hide_in_escapes() {
        for path in ["/a%2fb", "/a%5Cb", "/%252e", "/a%3Bb", "/a%3Fb", "/a%23b"] {
            check(path, Err(PathFault::EscapedSeparator));
        }
        check_lenient("/a%2fb", Ok("/a/b"));
        check_lenient("/a%2f%2fb", Err(PathFault::EmptySegment));
    }

    #[test]
    fn only_what_needs_an_escape_has_one() {
        check("/a%20b", Ok("/a b"));
        check("/caf%C3%A9", Ok("/café"));
        check("/caf%c3%a9", Err(PathFault::NeedlessEscape));
        check("/%61", Err(PathFault::NeedlessEscape));
        check("/é", Err(PathFault::RawByte));
        check("/a b", Err(PathFault::RawByte));
        check("/a\\b", Err(PathFault::RawByte));
    }

    #[test]
    fn text_only() {
        for path in ["/%00", "/a%0d%0ab", "/%7F", "/%FF", "/%C2%85"] {
            check(path, Err(PathFault::NotText));
            check_lenient(path, Err(PathFault::NotText));
        }
        for path in ["/a%zz", "/a%", "/a%2"] {
            check(path, Err(PathFault::Escape));
        }
    }

    #[test]
    fn parameters_make_a_path_ineligible_for_open_access() {
        check("/metrics;x", Ok("/metrics;x"));
        assert!(!CanonicalPath::parse("/metrics;x", PathRules::Strict).unwrap().is_plain());
        assert!(CanonicalPath::parse("/metrics", PathRules::Strict).unwrap().is_plain());
        for path in ["/api/..;/x", "/.;x", "/;x/y"] {
            check(path, Err(PathFault::Parameters));
        }
    }

    #[test]
    fn absolute_and_bounded() {
        check("metrics", Err(PathFault::NotAbsolute));
        check("*", Err(PathFault::NotAbsolute));
        check("", Err(PathFault::NotAbsolute));
        check("//a", Err(PathFault::EmptySegment));
        check(&format!("/{}", "a".repeat(MAX_PATH)), Err(PathFault::TooLong));
    }
}
