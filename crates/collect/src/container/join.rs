//! Joins what belongs together: the parts into which a runtime splits a long line, then lines into records.

use std::ops::Range;

use parapet_signal::UnixNanos;
use regex::bytes::Regex;

use super::line::{Line, Stream};

/// Bytes of a joined record; at the bound it is finished, marked, and what follows is a record of its own.
pub(super) const MAX_RECORD_BYTES: usize = 1 << 20;

/// Lines of a joined record.
const MAX_RECORD_LINES: u32 = 1000;

/// A finished record.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) time: UnixNanos,
    pub(super) observed: UnixNanos,
    pub(super) stream: Stream,
    pub(super) span: Range<u64>,
    pub(super) bytes: &'a [u8],
    pub(super) truncated: bool,
}

/// What is unfinished, per stream.
pub(super) struct Joiner {
    first_line: Option<Regex>,
    parts: [Option<Pending>; Stream::COUNT],
    lines: [Option<Pending>; Stream::COUNT],
}

struct Pending {
    time: UnixNanos,
    observed: UnixNanos,
    span: Range<u64>,
    bytes: Vec<u8>,
    lines: u32,
    truncated: bool,
}

impl Pending {
    fn new(message: &Message<'_>) -> Self {
        let Message { time, observed, span, bytes, truncated, .. } = message;
        Self {
            time: *time,
            observed: *observed,
            span: span.clone(),
            bytes: bytes.to_vec(),
            lines: 1,
            truncated: *truncated,
        }
    }

    fn message(&self, stream: Stream) -> Message<'_> {
        Message {
            time: self.time,
            observed: self.observed,
            stream,
            span: self.span.clone(),
            bytes: &self.bytes,
            truncated: self.truncated,
        }
    }
}

impl Joiner {
    pub(super) fn new(first_line: Option<Regex>) -> Self {
        Self { first_line, parts: [const { None }; Stream::COUNT], lines: [const { None }; Stream::COUNT] }
    }

    /// Whether lines are joined to records.
    pub(super) fn joins_lines(&self) -> bool {
        self.first_line.is_some()
    }

    /// Takes a line; hands over what it finishes.
    pub(super) fn push(
        &mut self,
        line: Line<'_>,
        span: Range<u64>,
        truncated: bool,
        now: UnixNanos,
        emit: &mut impl FnMut(Message<'_>),
    ) {
        let Line { time, stream, partial, message } = line;
        let time = time.unwrap_or(now);
        let message = Message { time, observed: now, stream, span, bytes: &message, truncated };
        let slot = stream as usize;
        match self.parts[slot].take() {
            None if !partial => self.whole_line(message, emit),
            None => self.parts[slot] = Some(Pending::new(&message)),
            Some(mut parts) if parts.bytes.len() + message.bytes.len() > MAX_RECORD_BYTES => {
                parts.truncated = true;
                self.whole_line(parts.message(stream), emit);
                if partial {
                    self.parts[slot] = Some(Pending::new(&message));
                } else {
                    self.whole_line(message, emit);
                }
            }
            Some(mut parts) => {
                parts.bytes.extend_from_slice(message.bytes);
                parts.span.end = message.span.end;
                parts.truncated |= truncated;
                if partial {
                    self.parts[slot] = Some(parts);
                } else {
                    self.whole_line(parts.message(stream), emit);
                }
            }
        }
    }

    /// Finishes everything.
    pub(super) fn flush(&mut self, emit: &mut impl FnMut(Message<'_>)) {
        for stream in Stream::ALL {
            if let Some(parts) = self.parts[stream as usize].take() {
                self.whole_line(parts.message(stream), emit);
            }
            if let Some(lines) = self.lines[stream as usize].take() {
                emit(lines.message(stream));
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.parts = [const { None }; Stream::COUNT];
        self.lines = [const { None }; Stream::COUNT];
    }

    /// Where the earliest unfinished record begins.
    pub(super) fn pending(&self) -> Option<u64> {
        self.parts.iter().chain(&self.lines).flatten().map(|pending| pending.span.start).min()
    }

    fn whole_line(&mut self, message: Message<'_>, emit: &mut impl FnMut(Message<'_>)) {
        let Some(first_line) = &self.first_line else { return emit(message) };
        let slot = &mut self.lines[message.stream as usize];
        if first_line.is_match(message.bytes) {
            if let Some(record) = slot.replace(Pending::new(&message)) {
                emit(record.message(message.stream));
            }
            return;
        }
        match slot {
            // Before any first line, a line is a record.
            None => emit(message),
            Some(record) => {
                let bytes = record.bytes.len() + 1 + message.bytes.len();
                if bytes > MAX_RECORD_BYTES || record.lines == MAX_RECORD_LINES {
                    record.truncated = true;
                    emit(record.message(message.stream));
                    *slot = Some(Pending::new(&message));
                } else {
                    record.bytes.push(b'\n');
                    record.bytes.extend_from_slice(message.bytes);
                    record.span.end = message.span.end;
                    record.lines += 1;
                    record.truncated |= message.truncated;
                }
            }
        }
    }
}
