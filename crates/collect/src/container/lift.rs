//! Severity and trace context that a body itself states: as a JSON object, as `key=value` pairs, or by the level that
//! its first line starts with.
//!
//! Conservative: what is not clearly stated stays unspecified, for a wrong severity hides a line from whoever filters by
//! it. The body is only read.

mod json;
mod key;
mod level;
mod pairs;

use std::borrow::Cow;

use parapet_signal::{SeverityNumber, SpanId, TraceId};

use key::Key;
use level::Level;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Lifted {
    pub(super) severity_number: SeverityNumber,
    pub(super) severity_text: String,
    pub(super) trace_id: Option<TraceId>,
    pub(super) span_id: Option<SpanId>,
}

/// Bytes of a text's first line that are looked at: loggers put what they say of a line at its start, and the cost of a
/// line must not grow with what is in it.
const MAX_SCANNED: usize = 4 << 10;

pub(super) fn lift(body: &str) -> Lifted {
    if body.trim_start().starts_with('{') {
        return json::lift(body);
    }
    let line = body.trim_start().lines().next().unwrap_or_default();
    let line = &line[..line.floor_char_boundary(MAX_SCANNED)];
    let mut stated = pairs::read(line);
    if stated.level.is_none() {
        stated.take_level(u8::MAX, level::leading(line));
    }
    stated.lifted()
}

/// What a body states, as it is found.
#[derive(Debug, Default)]
struct Stated<'a> {
    /// With the rank of the key that it stood under.
    level: Option<(u8, Level<'a>)>,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    /// Of a `traceparent`, which counts where there are no ids of their own.
    parent: Option<(TraceId, SpanId)>,
}

impl<'a> Stated<'a> {
    /// Takes a text under a known key. Of several ids the first counts.
    fn take(&mut self, key: Key, text: Cow<'a, str>) {
        match key {
            Key::Level(rank) => self.take_level(rank, Level::named(text)),
            Key::TraceId => self.trace_id = self.trace_id.or_else(|| text.parse().ok()),
            Key::SpanId => self.span_id = self.span_id.or_else(|| text.parse().ok()),
            Key::TraceParent => self.parent = self.parent.or_else(|| TraceId::from_traceparent(&text)),
        }
    }

    /// Of several levels the one of the lowest rank counts, and of those the first.
    fn take_level(&mut self, rank: u8, level: Option<Level<'a>>) {
        if let Some(level) = level
            && self.level.as_ref().is_none_or(|(known, _)| rank < *known)
        {
            self.level = Some((rank, level));
        }
    }

    fn lifted(self) -> Lifted {
        let (severity_number, severity_text) =
            self.level.map(|(_, level)| (level.number, level.text.into_owned())).unwrap_or_default();
        let (trace_id, span_id) = match (self.trace_id, self.parent) {
            (None, Some((trace, span))) => (Some(trace), Some(span)),
            (trace, _) => (trace, self.span_id),
        };
        Lifted { severity_number, severity_text, trace_id, span_id }
    }
}

#[cfg(test)]
mod tests;
