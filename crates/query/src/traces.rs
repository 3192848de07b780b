//! Traces: pages, and one with all its spans.

use parapet_store::TimeRange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Engine, Filter, Page, QueryError};

/// Which traces. A trace is listed when one of its spans meets all conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceQuery {
    /// When the span started.
    pub range: TimeRange,
    /// `service_name` of the span.
    pub service: Option<String>,
    /// A part of the span's name, in any case.
    pub name: Option<String>,
    /// Only spans that ended in an error.
    pub errors_only: bool,
    /// The least duration of the span.
    pub min_duration_ms: Option<u64>,
    /// Any other condition on the span.
    pub filter: Option<Filter>,
    /// The most traces to return.
    pub limit: usize,
    /// From the page before.
    pub cursor: Option<String>,
}

impl TraceQuery {
    /// All traces of `range`, a hundred at once.
    pub fn new(range: TimeRange) -> Self {
        Self {
            range,
            service: None,
            name: None,
            errors_only: false,
            min_duration_ms: None,
            filter: None,
            limit: 100,
            cursor: None,
        }
    }
}

/// One trace of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TraceRow {
    /// 32 hex digits.
    pub trace_id: String,
    /// When its first span started, RFC 3339.
    pub ts: String,
    /// Name of the root span; of the first span while the root has not arrived.
    pub root_name: String,
    /// Service of the same span.
    pub root_service: Option<String>,
    /// From the first start to the last end.
    pub duration_ms: f64,
    /// How many spans it has.
    pub span_count: u64,
    /// How many of them ended in an error.
    pub error_count: u64,
    /// The services it went through, by name.
    pub services: Vec<String>,
}

/// One trace with its spans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Trace {
    /// 32 hex digits.
    pub trace_id: String,
    /// The spans in order of their start.
    pub spans: Vec<SpanRow>,
    /// Whether it has more spans than are returned.
    pub truncated: bool,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpanRow {
    /// 16 hex digits.
    pub span_id: String,
    /// 16 hex digits; null for a root.
    pub parent_span_id: Option<String>,
    /// What the operation is called.
    pub name: String,
    /// `server`, `client`, `internal`, `producer`, `consumer`.
    pub kind: Option<String>,
    /// `service.name`.
    pub service_name: Option<String>,
    /// Start, RFC 3339.
    pub ts: String,
    /// How long it took.
    pub duration_ns: i64,
    /// `unset`, `ok`, `error`.
    pub status_code: Option<String>,
    /// A message for people.
    pub status_message: Option<String>,
    /// Attributes of the span.
    #[schema(value_type = Object)]
    pub attributes: serde_json::Value,
    /// Attributes of the resource.
    #[schema(value_type = Object)]
    pub resource: serde_json::Value,
    /// What happened during it.
    #[schema(value_type = Vec<Object>)]
    pub events: serde_json::Value,
    /// Spans it belongs with.
    #[schema(value_type = Vec<Object>)]
    pub links: serde_json::Value,
    /// The instrumentation library.
    pub scope_name: Option<String>,
}

impl Engine {
    /// One page of traces, newest first.
    pub async fn traces_page(&self, query: TraceQuery) -> Result<Page<TraceRow>, QueryError> {
        let _ = query;
        Err(QueryError::BadRequest("not answered yet".into()))
    }

    /// One trace; `None` if no span of it is stored. Malformed ids are a bad request.
    pub async fn trace(&self, trace_id: &str) -> Result<Option<Trace>, QueryError> {
        let _ = trace_id;
        Err(QueryError::BadRequest("not answered yet".into()))
    }
}
