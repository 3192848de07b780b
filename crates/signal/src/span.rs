//! Spans, after the OpenTelemetry trace data model.

use crate::{Attributes, SpanId, TraceId, UnixNanos};

/// A span's part in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// Not given.
    #[default]
    Unspecified,
    /// Inside one service.
    Internal,
    /// Answers a request.
    Server,
    /// Makes a request.
    Client,
    /// Sends a message.
    Producer,
    /// Takes a message.
    Consumer,
}

impl SpanKind {
    /// The name OTel's protobuf gives it, without prefix, lower case; empty if unspecified.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// How a span ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StatusCode {
    /// Nobody said.
    #[default]
    Unset,
    /// Said to be fine.
    Ok,
    /// An error.
    Error,
}

impl StatusCode {
    /// `unset`, `ok` or `error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// How a span ended, and what was said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: StatusCode,
    /// A message for people; empty unless the code is an error.
    pub message: String,
}

/// Something that happened during a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanEvent {
    /// When.
    pub time: UnixNanos,
    /// What (`exception`, …).
    pub name: String,
    /// Attributes.
    pub attributes: Attributes,
}

/// A span of another trace, or elsewhere in this one, that this span belongs with.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The other trace.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// Attributes.
    pub attributes: Attributes,
}

/// One operation of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace_id: TraceId,
    /// This span.
    pub span_id: SpanId,
    /// The span that caused it; `None` for a root.
    pub parent_span_id: Option<SpanId>,
    /// W3C `tracestate`; may be empty.
    pub trace_state: String,
    /// What the operation is called (`GET /orders/{id}`).
    pub name: String,
    /// Its part in a call.
    pub kind: SpanKind,
    /// Start.
    pub start: UnixNanos,
    /// End; not before `start` (a receiver lifts it).
    pub end: UnixNanos,
    /// How it ended.
    pub status: Status,
    /// Attributes.
    pub attributes: Attributes,
    /// What happened during it.
    pub events: Vec<SpanEvent>,
    /// Spans it belongs with.
    pub links: Vec<Link>,
}
