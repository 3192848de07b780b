//! Traces: pages, and one with all its spans.

use axum::Json;
use axum::extract::State;
use parapet_query::{Filter, Page, Trace, TraceQuery, TraceRow};
use parapet_signal::Signal;
use utoipa::IntoParams;

use super::common::{self, Paging, Range, Segment};
use crate::app::Shared;
use crate::openapi::Refusals;
use crate::problem::{Kind, Problem};
use crate::query::Parameters;

/// Which traces: those with a span that meets all of it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Traces {
    /// `service.name`.
    service: Option<String>,
    /// A part of a span's name, in any case.
    q: Option<String>,
    /// `error`: only spans that ended in an error.
    #[param(value_type = Option<String>, example = "error")]
    status: bool,
    /// The least duration of the span.
    min_duration_ms: Option<u64>,
    /// JSON of a `Filter`: conditions on any column of the span, `attributes.KEY` or `resource.KEY`, joined by `and`, `or` and `not`; 8192 bytes at most.
    #[param(value_type = Option<String>, max_length = 8192, example = r#"{"eq":{"field":"attributes.http.route","value":"/orders"}}"#)]
    filter: Option<Filter>,
}

/// Newest traces
#[utoipa::path(
    get, path = "/traces", tag = "traces", params(Range, Traces, Paging), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = Page<TraceRow>), Refusals)
)]
pub(super) async fn page(
    State(app): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<Page<TraceRow>>, Problem> {
    let mut query = TraceQuery::new(Range::take(&mut parameters));
    let Traces { service, q, status, min_duration_ms, filter } = Traces {
        service: parameters.text("service"),
        q: parameters.text("q"),
        status: parameters.parsed("status", "`error`", |text| (text == "error").then_some(())).is_some(),
        min_duration_ms: parameters.number("min_duration_ms", 0..=u64::from(u32::MAX)),
        filter: common::filter(&mut parameters, Signal::Spans),
    };
    let Paging { limit, cursor } = Paging::take(&mut parameters);
    parameters.finish()?;
    (query.service, query.name, query.errors_only) = (service, q, status);
    (query.min_duration_ms, query.filter) = (min_duration_ms, filter);
    (query.limit, query.cursor) = (limit, cursor);
    Ok(Json(app.state.engine.traces_page(query).await?))
}

/// One trace with its spans
#[utoipa::path(
    get, path = "/traces/{trace_id}", tag = "traces", params(("trace_id" = String, Path, description = "32 hexadecimal digits")), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = Trace), (status = 404, description = "No span of it is stored.", body = crate::problem::Document, content_type = "application/problem+json"), Refusals)
)]
pub(super) async fn one(
    State(app): State<Shared>,
    Segment(trace_id): Segment,
    parameters: Parameters,
) -> Result<Json<Trace>, Problem> {
    parameters.finish()?;
    let trace_id = parse_id(&trace_id).ok_or_else(|| {
        Kind::InvalidParameter.because("a trace id has 32 hexadecimal digits and is not all zero")
    })?;
    let trace = app.state.engine.trace(&trace_id).await?;
    trace.map(Json).ok_or_else(|| Kind::NotFound.because("no span of this trace is stored"))
}

/// A trace id as it is stored: lower case.
pub(super) fn parse_id(text: &str) -> Option<String> {
    text.to_ascii_lowercase().parse::<parapet_signal::TraceId>().ok().map(|id| id.to_string())
}
