//! What is remembered of an open span, and the span it becomes when it closes.

use std::sync::Mutex;

use parapet_signal::{Link, Span, SpanId, SpanKind, Status, StatusCode, TraceId, UnixNanos};
use rand::rngs::SmallRng;
use rand::{RngCore as _, SeedableRng as _};

use crate::visit::Fields;

/// An open span: kept in its extensions. A span that is not recorded has none, nor have its children.
#[derive(Debug)]
pub(crate) struct Open(Span);

impl Open {
    /// `parent`: trace and span id of the span that it was opened in.
    pub(crate) fn new(
        ids: &Ids,
        parent: Option<(TraceId, SpanId)>,
        name: &str,
        fields: Fields,
        now: UnixNanos,
    ) -> Self {
        let (trace_id, parent_span_id) = match parent {
            Some((trace_id, span_id)) => (trace_id, Some(span_id)),
            None => (ids.trace(), None),
        };
        let mut open = Self(Span {
            trace_id,
            span_id: ids.span(),
            parent_span_id,
            trace_state: String::new(),
            name: name.to_owned(),
            kind: SpanKind::Internal,
            start: now,
            end: now,
            status: Status::default(),
            attributes: parapet_signal::Attributes::new(),
            events: Vec::new(),
            links: Vec::new(),
        });
        open.record(fields);
        open
    }

    pub(crate) fn ids(&self) -> (TraceId, SpanId) {
        (self.0.trace_id, self.0.span_id)
    }

    /// `otel.name` and `otel.kind` say what the span is, everything else is an attribute.
    pub(crate) fn record(&mut self, fields: Fields) {
        for (name, value) in fields.attributes.iter() {
            self.0.attributes.set(name, value.clone());
        }
        if let Some(message) = fields.message {
            self.0.attributes.set("message", message);
        }
        for (name, value) in fields.otel {
            match (name, value.as_str()) {
                ("otel.name", _) => self.0.name = value,
                ("otel.kind", "server") => self.0.kind = SpanKind::Server,
                ("otel.kind", "client") => self.0.kind = SpanKind::Client,
                ("otel.kind", "producer") => self.0.kind = SpanKind::Producer,
                ("otel.kind", "consumer") => self.0.kind = SpanKind::Consumer,
                ("otel.kind", _) => self.0.kind = SpanKind::Internal,
                _ => self.0.attributes.set(name, value),
            }
        }
    }

    /// An error was said in it.
    pub(crate) fn fail(&mut self, message: &str) {
        self.0.status = Status { code: StatusCode::Error, message: message.to_owned() };
    }

    pub(crate) fn follows(&mut self, (trace_id, span_id): (TraceId, SpanId)) {
        self.0.links.push(Link { trace_id, span_id, attributes: parapet_signal::Attributes::new() });
    }

    pub(crate) fn close(mut self, now: UnixNanos) -> Span {
        self.0.end = now.max(self.0.start);
        self.0
    }
}

/// Random ids.
#[derive(Debug)]
pub(crate) struct Ids(Mutex<SmallRng>);

impl Ids {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }

    fn trace(&self) -> TraceId {
        self.draw(|bytes: &[u8; 16]| TraceId::from_bytes(bytes).ok())
    }

    fn span(&self) -> SpanId {
        self.draw(|bytes: &[u8; 8]| SpanId::from_bytes(bytes).ok())
    }

    /// Draws again in the one case of 2^64 that is no id.
    fn draw<const N: usize, T>(&self, parse: impl Fn(&[u8; N]) -> Option<T>) -> T {
        let mut rng = self.0.lock().expect("nothing panics while holding the lock");
        loop {
            let mut bytes = [0; N];
            rng.fill_bytes(&mut bytes);
            if let Some(id) = parse(&bytes) {
                return id;
            }
        }
    }
}
