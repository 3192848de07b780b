//! API-gateway open-traffic event logs (one JSON object a line) to traffic events.
//!
//! A line is a summary of a transaction, one of its legs, or its circuit path; a summary without path, protocol and
//! source is a policy that ran by schedule. Final states are `Pass`, `Fail` and `Error`, whatever word the line used for
//! them; a leg without one passed if its HTTP status is 2xx. Secrets in headers and query strings are masked before
//! anything is kept. A line that cannot be read is counted by reason and never stops the file.

mod read;
mod secrets;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use parapet_signal::{Batch, TrafficEvent, UnixNanos};

use crate::files::{Decoder, Input, Pattern, Taken};

/// What the lines themselves do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Name of the gateway.
    pub gateway_name: Option<String>,
    /// Its region.
    pub gateway_region: Option<String>,
}

/// Why a line is no traffic event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadLine {
    /// Longer than a line may be.
    TooLong,
    /// Not a JSON object.
    NotJson,
    /// No `timestamp` in milliseconds.
    NoTimestamp,
    /// No `correlationId`.
    NoCorrelationId,
    /// None of `transactionSummary`, `transactionElement` and `circuitPath`, or not of the right type.
    UnknownKind,
}

impl BadLine {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::TooLong, Self::NotJson, Self::NoTimestamp, Self::NoCorrelationId, Self::UnknownKind];

    /// The value of the `reason` label in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::NotJson => "not_json",
            Self::NoTimestamp => "no_timestamp",
            Self::NoCorrelationId => "no_correlation_id",
            Self::UnknownKind => "unknown_kind",
        }
    }
}

/// Open-traffic event logs.
pub fn input(patterns: Vec<Pattern>, options: Options) -> Input {
    let options = Arc::new(options);
    let decoder = Arc::new(move |_: &Path| -> Box<dyn Decoder> {
        Box::new(TrafficDecoder {
            options: options.clone(),
            events: Vec::new(),
            spans: Vec::new(),
            bad: Vec::new(),
        })
    });
    Input { kind: "open_traffic", patterns, rotated_siblings: false, decoder }
}

/// The event in a line. Takes anything; for fuzzing and for tools.
pub fn decode(line: &[u8], options: &Options) -> Result<TrafficEvent, BadLine> {
    read::event(line, options)
}

struct TrafficDecoder {
    options: Arc<Options>,
    events: Vec<TrafficEvent>,
    spans: Vec<Range<u64>>,
    bad: Vec<(u64, BadLine)>,
}

impl Decoder for TrafficDecoder {
    fn line(&mut self, line: &[u8], span: Range<u64>, truncated: bool, _now: UnixNanos) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        let event = if truncated { Err(BadLine::TooLong) } else { decode(line, &self.options) };
        match event {
            Ok(event) => {
                self.events.push(event);
                self.spans.push(span);
            }
            Err(bad) => self.bad.push((span.start, bad)),
        }
    }

    fn flush(&mut self) {}

    fn pending(&self) -> Option<u64> {
        None
    }

    fn spans(&self) -> &[Range<u64>] {
        &self.spans
    }

    fn take(&mut self, offset: u64) -> Taken {
        let mut spans = std::mem::take(&mut self.spans).into_iter();
        let mut events = std::mem::take(&mut self.events);
        events.retain(|_| spans.next().is_some_and(|span| span.start < offset));
        let lines = std::mem::take(&mut self.bad);
        let bad = BadLine::ALL
            .into_iter()
            .map(|kind| {
                (kind.reason(), lines.iter().filter(|(at, bad)| *at < offset && *bad == kind).count() as u64)
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        Taken { batch: Batch::Traffic(events), bad }
    }
}

#[cfg(test)]
mod tests;
