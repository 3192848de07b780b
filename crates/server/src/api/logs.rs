//! Log lines: pages, histogram, values of a field.

use axum::Json;
use axum::extract::State;
use parapet_query::{FieldValues, Filter, Histogram, LogField, LogQuery, LogRow, Page};
use parapet_signal::Signal;
use parapet_store::TimeRange;
use utoipa::IntoParams;

use super::common::{self, Buckets, Limit, Paging, Range, Segment};
use crate::app::Shared;
use crate::openapi::Refusals;
use crate::problem::{Kind, Problem};
use crate::query::Parameters;

/// Which lines.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Lines {
    /// Words that the body must all have, in any case; `"a phrase"` for words in a row, `-word` for what it must not have.
    q: Option<String>,
    /// The least severity number: 1 trace, 5 debug, 9 info, 13 warn, 17 error, 21 fatal.
    #[param(minimum = 1, maximum = 24)]
    severity_min: Option<u8>,
    /// `service.name`.
    service: Option<String>,
    /// `k8s.namespace.name`.
    namespace: Option<String>,
    /// `k8s.pod.name`.
    pod: Option<String>,
    /// `k8s.container.name`.
    container: Option<String>,
    /// The trace they belong to, 32 hexadecimal digits.
    trace_id: Option<String>,
    /// JSON of a `Filter`: conditions on any column, `attributes.KEY` or `resource.KEY`, joined by `and`, `or` and `not`; 8192 bytes at most.
    #[param(value_type = Option<String>, max_length = 8192, example = r#"{"eq":{"field":"attributes.http.route","value":"/orders"}}"#)]
    filter: Option<Filter>,
}

impl Lines {
    pub(super) fn take(parameters: &mut Parameters) -> Self {
        Self {
            q: parameters.text("q"),
            severity_min: parameters.number("severity_min", 1..=24),
            service: parameters.text("service"),
            namespace: parameters.text("namespace"),
            pod: parameters.text("pod"),
            container: parameters.text("container"),
            trace_id: parameters.parsed("trace_id", "32 hexadecimal digits", super::traces::parse_id),
            filter: common::filter(parameters, Signal::Logs),
        }
    }

    pub(super) fn within(self, range: TimeRange) -> LogQuery {
        let Self { q, severity_min, service, namespace, pod, container, trace_id, filter } = self;
        let mut query = LogQuery::new(range);
        query.text = q;
        query.severity_min = severity_min;
        query.service = service;
        query.namespace = namespace;
        query.pod = pod;
        query.container = container;
        query.trace_id = trace_id;
        query.filter = filter;
        query
    }
}

/// Newest log lines
#[utoipa::path(
    get, path = "/logs", tag = "logs", params(Range, Lines, Paging), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = Page<LogRow>), Refusals)
)]
pub(super) async fn page(
    State(app): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<Page<LogRow>>, Problem> {
    let mut query = Lines::take(&mut parameters).within(Range::take(&mut parameters));
    let Paging { limit, cursor } = Paging::take(&mut parameters);
    parameters.finish()?;
    (query.limit, query.cursor) = (limit, cursor);
    Ok(Json(app.state.engine.logs_page(query).await?))
}

/// Log lines over time, by severity
#[utoipa::path(
    get, path = "/logs/histogram", tag = "logs", params(Range, Lines, Buckets), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = Histogram), Refusals)
)]
pub(super) async fn histogram(
    State(app): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<Histogram>, Problem> {
    let query = Lines::take(&mut parameters).within(Range::take(&mut parameters));
    let Buckets { buckets } = Buckets::take(&mut parameters);
    parameters.finish()?;
    Ok(Json(app.state.engine.logs_histogram(query, buckets).await?))
}

/// The most frequent values of a field
#[utoipa::path(
    get, path = "/logs/fields/{field}", tag = "logs", params(("field" = LogField, Path, description = "The field"), Range, Lines, Limit), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = FieldValues), (status = 404, description = "There is no such field.", body = crate::problem::Document, content_type = "application/problem+json"), Refusals)
)]
pub(super) async fn field_values(
    State(app): State<Shared>,
    Segment(field): Segment,
    mut parameters: Parameters,
) -> Result<Json<FieldValues>, Problem> {
    let field: LogField = serde_json::from_value(serde_json::Value::String(field)).map_err(|_| {
        Kind::NotFound
            .because("fields are service_name, k8s_namespace_name, k8s_pod_name and k8s_container_name")
    })?;
    let mut query = Lines::take(&mut parameters).within(Range::take(&mut parameters));
    query.limit = Limit::take(&mut parameters).limit;
    parameters.finish()?;
    Ok(Json(app.state.engine.field_values(query, field).await?))
}
