//! Traces: pages, and one with all its spans.

mod list;

use datafusion::logical_expr::Expr;
use datafusion::prelude::{ident, lit};
use parapet_signal::Signal;
use parapet_store::{SEQ, TS, TimeRange, schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::cells::Cells;
use crate::cursor::TraceCursor;
use crate::logs::trace_is;
use crate::metrics::Operation;
use crate::page::Row;
use crate::time::Micros;
use crate::{Engine, Filter, Page, QueryError, filter};

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

/// Spans of one trace that are returned; more make no picture that a person reads.
const MAX_SPANS: usize = 10_000;

/// How far from its first matching span the rest of a listed trace is looked for, microseconds.
const REACH: i64 = 3_600_000_000;

impl Engine {
    /// One page of traces, newest first by their first matching span. Counts and duration of a trace are those of its
    /// spans within an hour of that.
    pub async fn traces_page(&self, query: TraceQuery) -> Result<Page<TraceRow>, QueryError> {
        let search = list::Search {
            range: Micros::of(&query.range)?,
            predicate: query.predicate()?,
            cursor: query.cursor.as_deref().map(TraceCursor::decode).transpose()?,
            limit: self.limit(query.limit)?,
            search_until: Instant::now() + self.config().page_budget,
        };
        self.run(Operation::TracesPage, async |session| list::page(&session, search).await).await
    }

    /// One trace; `None` if no span of it is stored. Malformed ids are a bad request.
    pub async fn trace(&self, trace_id: &str) -> Result<Option<Trace>, QueryError> {
        let condition = trace_is(trace_id)?;
        self.run(Operation::Trace, async |session| {
            let hours = session.snapshot.hours(Signal::Spans, &TimeRange::ALL);
            let spans = session
                .table(session.rows(Signal::Spans, hours))?
                .filter(condition)
                .and_then(|spans| spans.sort(vec![ident(TS).sort(true, false), ident(SEQ).sort(true, false)]))
                .and_then(|spans| spans.limit(0, Some(MAX_SPANS + 1)))
                .map_err(QueryError::of_ours)?;
            let batches = session.collect(spans).await?;
            let mut spans: Vec<_> =
                batches.iter().flat_map(Row::all).map(|row| SpanRow::of(row.cells())).collect();
            if spans.is_empty() {
                return Ok(None);
            }
            let truncated = spans.len() > MAX_SPANS;
            spans.truncate(MAX_SPANS);
            Ok(Some(Trace { trace_id: trace_id.to_ascii_lowercase(), spans, truncated }))
        })
        .await
    }
}

impl TraceQuery {
    fn predicate(&self) -> Result<Expr, QueryError> {
        let service = filter::equals("service_name", &self.service)?;
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let name =
            name.map(|name| Ok(filter::contains(ident("name"), filter::bounded(name)?))).transpose()?;
        let errors = self.errors_only.then(|| ident("status_code").eq(lit("error")));
        let least =
            self.min_duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000));
        let duration = least.map(|nanos| ident("duration_ns").gt_eq(lit(nanos)));
        let filter = self.filter.as_ref().map(|filter| filter.to_expr(&schema(Signal::Spans))).transpose()?;
        Ok(filter::all([service, name, errors, duration, filter].into_iter().flatten()))
    }
}

impl SpanRow {
    fn of((cells, row): (&Cells, usize)) -> Self {
        let text = |column| cells.text(column, row);
        Self {
            span_id: text("span_id").unwrap_or_default(),
            parent_span_id: text("parent_span_id"),
            name: text("name").unwrap_or_default(),
            kind: text("kind"),
            service_name: text("service_name"),
            ts: cells.time(TS, row).unwrap_or_default(),
            duration_ns: cells.i64("duration_ns", row).unwrap_or_default(),
            status_code: text("status_code"),
            status_message: text("status_message"),
            attributes: cells.json("attributes", row, json!({})),
            resource: cells.json("resource", row, json!({})),
            events: cells.json("events", row, json!([])),
            links: cells.json("links", row, json!([])),
            scope_name: text("scope_name"),
        }
    }
}
