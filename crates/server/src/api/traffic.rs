//! Requests through API gateways: overview, pages, one transaction.

use axum::Json;
use axum::extract::State;
use parapet_query::{
    Filter, Page, TrafficOverview, TrafficOverviewQuery, TrafficQuery, TrafficRow, TrafficTransaction,
};
use parapet_signal::Signal;
use utoipa::IntoParams;

use super::common::{self, Buckets, Paging, Range, Segment};
use crate::app::Shared;
use crate::openapi::Refusals;
use crate::problem::{Kind, Problem};
use crate::query::Parameters;

/// Whose requests.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// The API.
    service: Option<String>,
    /// The API's method.
    operation: Option<String>,
    /// The application.
    app: Option<String>,
    /// The gateway.
    gateway: Option<String>,
}

impl Whose {
    fn take(parameters: &mut Parameters) -> Self {
        Self {
            service: parameters.text("service"),
            operation: parameters.text("operation"),
            app: parameters.text("app"),
            gateway: parameters.text("gateway"),
        }
    }
}

/// Which requests.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `2xx`, `3xx`, `4xx`, `5xx` or `other`.
    #[param(example = "5xx")]
    status_class: Option<String>,
    /// A part of the path, in any case.
    q: Option<String>,
    /// The least duration.
    min_duration_ms: Option<u64>,
    /// JSON of a `Filter`: conditions on any column of the client's leg, joined by `and`, `or` and `not`; 8192 bytes at most.
    #[param(value_type = Option<String>, max_length = 8192, example = r#"{"eq":{"field":"http_vhost","value":"api.example.org"}}"#)]
    filter: Option<Filter>,
}

impl Which {
    fn take(parameters: &mut Parameters) -> Self {
        const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "other"];
        let class = |text: &str| CLASSES.contains(&text).then(|| text.to_owned());
        Self {
            status_class: parameters.parsed("status_class", "2xx, 3xx, 4xx, 5xx or other", class),
            q: parameters.text("q"),
            min_duration_ms: parameters.number("min_duration_ms", 0..=u64::from(u32::MAX)),
            filter: common::filter(parameters, Signal::Traffic),
        }
    }
}

/// Rates, errors and latency over time
#[utoipa::path(
    get, path = "/traffic/overview", tag = "traffic", params(Range, Whose, Buckets), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = TrafficOverview), Refusals)
)]
pub(super) async fn overview(
    State(shared): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<TrafficOverview>, Problem> {
    let range = Range::take(&mut parameters);
    let Whose { service, operation, app, gateway } = Whose::take(&mut parameters);
    let Buckets { buckets } = Buckets::take(&mut parameters);
    parameters.finish()?;
    let query = TrafficOverviewQuery { range, service, operation, app, gateway, buckets };
    Ok(Json(shared.state.engine.traffic_overview(query).await?))
}

/// Newest requests
#[utoipa::path(
    get, path = "/traffic/events", tag = "traffic", params(Range, Whose, Which, Paging), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = Page<TrafficRow>), Refusals)
)]
pub(super) async fn page(
    State(shared): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<Page<TrafficRow>>, Problem> {
    let mut query = TrafficQuery::new(Range::take(&mut parameters));
    let Whose { service, operation, app, gateway } = Whose::take(&mut parameters);
    let Which { status_class, q, min_duration_ms, filter } = Which::take(&mut parameters);
    let Paging { limit, cursor } = Paging::take(&mut parameters);
    parameters.finish()?;
    (query.service, query.operation, query.app, query.gateway) = (service, operation, app, gateway);
    (query.status_class, query.path, query.min_duration_ms) = (status_class, q, min_duration_ms);
    (query.filter, query.limit, query.cursor) = (filter, limit, cursor);
    Ok(Json(shared.state.engine.traffic_page(query).await?))
}

/// One transaction with its legs
#[utoipa::path(
    get, path = "/traffic/events/{correlation_id}", tag = "traffic", params(("correlation_id" = String, Path, description = "The transaction")), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = TrafficTransaction), (status = 404, description = "No line of it is stored.", body = crate::problem::Document, content_type = "application/problem+json"), Refusals)
)]
pub(super) async fn one(
    State(shared): State<Shared>,
    Segment(correlation_id): Segment,
    parameters: Parameters,
) -> Result<Json<TrafficTransaction>, Problem> {
    parameters.finish()?;
    let transaction = shared.state.engine.traffic_transaction(&correlation_id).await?;
    transaction.map(Json).ok_or_else(|| Kind::NotFound.because("no line of this transaction is stored"))
}
