//! One line of a log file: CRI, Docker's JSON, or plain text.

use std::borrow::Cow;

use parapet_signal::UnixNanos;
use serde::Deserialize;

/// Where the container wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
    /// Plain text, which does not say.
    None,
}

impl Stream {
    pub(super) const COUNT: usize = 3;
    pub(super) const ALL: [Self; Self::COUNT] = [Self::Stdout, Self::Stderr, Self::None];

    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Stdout => Some("stdout"),
            Self::Stderr => Some("stderr"),
            Self::None => None,
        }
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"stdout" => Some(Self::Stdout),
            b"stderr" => Some(Self::Stderr),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line<'a> {
    /// The runtime's time stamp.
    pub(super) time: Option<UnixNanos>,
    pub(super) stream: Stream,
    /// More of the same message follows in the stream's next line.
    pub(super) partial: bool,
    pub(super) message: Cow<'a, [u8]>,
}

/// Any bytes are a line: what is neither CRI nor Docker's is plain text.
pub(super) fn parse(bytes: &[u8]) -> Line<'_> {
    let known = match bytes.first() {
        Some(b'{') => docker(bytes),
        Some(b'0'..=b'9') => cri(bytes),
        _ => None,
    };
    known.unwrap_or(Line {
        time: None,
        stream: Stream::None,
        partial: false,
        message: without_cr(bytes).into(),
    })
}

/// `2026-01-02T03:04:05.678901234Z stdout F message`; the tag may have more parts after a colon.
fn cri(bytes: &[u8]) -> Option<Line<'_>> {
    let (time, rest) = split_at_space(bytes)?;
    let (stream, rest) = split_at_space(rest)?;
    let stream = Stream::from_name(stream)?;
    let (tag, message) = split_at_space(rest).unwrap_or((rest, b""));
    let partial = match tag.split(|byte| *byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    let message = if partial { message } else { without_cr(message) };
    Some(Line {
        time: Some(timestamp(std::str::from_utf8(time).ok()?)?),
        stream,
        partial,
        message: message.into(),
    })
}

/// `{"log":"message\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}`; without line end it is partial.
fn docker(bytes: &[u8]) -> Option<Line<'_>> {
    #[derive(Deserialize)]
    struct Docker<'a> {
        #[serde(borrow)]
        log: Cow<'a, str>,
        #[serde(borrow)]
        stream: Cow<'a, str>,
        #[serde(borrow)]
        time: Cow<'a, str>,
    }
    let Docker { log, stream, time } = serde_json::from_slice(bytes).ok()?;
    let partial = !log.ends_with('\n');
    let message = match log {
        Cow::Borrowed(log) => Cow::Borrowed(log.as_bytes()),
        Cow::Owned(mut log) => {
            if !partial {
                log.pop();
                if log.ends_with('\r') {
                    log.pop();
                }
            }
            Cow::Owned(log.into_bytes())
        }
    };
    Some(Line {
        time: Some(timestamp(&time)?),
        stream: Stream::from_name(stream.as_bytes())?,
        partial,
        message,
    })
}

fn timestamp(text: &str) -> Option<UnixNanos> {
    let nanos = text.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
    i64::try_from(nanos).ok().map(UnixNanos)
}

fn split_at_space(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

fn without_cr(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, time: Option<i64>, stream: Stream, partial: bool, message: &str) {
        let expect = Line { time: time.map(UnixNanos), stream, partial, message: message.as_bytes().into() };
        assert_eq!(parse(line.as_bytes()), expect, "{line}");
    }

    #[test]
    fn cri_lines() {
        let t = Some(1_767_323_045_678_901_234);
        check("2026-01-02T03:04:05.678901234Z stdout F hello world", t, Stream::Stdout, false, "hello world");
        check("2026-01-02T04:04:05.678901234+01:00 stderr P part", t, Stream::Stderr, true, "part");
        check("2026-01-02T03:04:05.678901234Z stdout F ", t, Stream::Stdout, false, "");
        check("2026-01-02T03:04:05.678901234Z stdout F", t, Stream::Stdout, false, "");
        check("2026-01-02T03:04:05.678901234Z stdout F:x y\r", t, Stream::Stdout, false, "y");
        check("2026-01-02T03:04:05.678901234Z stdout P   y\r", t, Stream::Stdout, true, "  y\r");
    }

    #[test]
    fn docker_lines() {
        let t = Some(1_767_323_045_000_000_000);
        let time = r#""time":"2026-01-02T03:04:05Z""#;
        check(&format!(r#"{{"log":"a\"b\r\n","stream":"stdout",{time}}}"#), t, Stream::Stdout, false, "a\"b");
        check(&format!(r#"{{"log":"part","stream":"stderr",{time}}}"#), t, Stream::Stderr, true, "part");
        check(
            &format!(r#"{{"log":"é\n","stream":"stderr",{time},"attrs":{{}}}}"#),
            t,
            Stream::Stderr,
            false,
            "é",
        );
    }

    #[test]
    fn everything_else_is_plain() {
        for line in [
            "",
            "hello",
            "2026-01-02 stdout F x",
            "2026-01-02T03:04:05Z stdin F x",
            "2026-01-02T03:04:05Z stdout X x",
            r#"{"log":"a\n"}"#,
            r#"{"log":"a\n","stream":"stdout","time":"yesterday"}"#,
            "{",
        ] {
            check(line, None, Stream::None, false, line);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            parse(&bytes);
        }
    }
}
