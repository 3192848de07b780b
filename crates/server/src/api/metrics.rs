//! Metrics: which there are, and one over time.

use axum::Json;
use axum::extract::State;
use parapet_query::{MetricNames, MetricNamesQuery, MetricSeries, MetricSeriesQuery};
use utoipa::IntoParams;

use super::common::{Buckets, Limit, Range};
use crate::app::Shared;
use crate::openapi::Refusals;
use crate::problem::Problem;
use crate::query::Parameters;

/// Which metrics.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Names {
    /// A part of the name, in any case.
    q: Option<String>,
}

/// Which metric, and how to split it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The metric's name.
    name: String,
    /// `service.name`.
    service: Option<String>,
    /// An attribute, or a column's name: one series for each of its values.
    group_by: Option<String>,
}

/// The metrics there are
#[utoipa::path(
    get, path = "/metrics/names", tag = "metrics", params(Range, Names, Limit), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = MetricNames), Refusals)
)]
pub(super) async fn names(
    State(app): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<MetricNames>, Problem> {
    let range = Range::take(&mut parameters);
    let Names { q } = Names { q: parameters.text("q") };
    let Limit { limit } = Limit::take(&mut parameters);
    parameters.finish()?;
    Ok(Json(app.state.engine.metric_names(MetricNamesQuery { range, name: q, limit }).await?))
}

/// One metric over time
///
/// The average of a gauge, the rate per second of a sum, the mean of a histogram's observations.
#[utoipa::path(
    get, path = "/metrics/series", tag = "metrics", params(Which, Range, Buckets), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = MetricSeries), Refusals)
)]
pub(super) async fn series(
    State(app): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<MetricSeries>, Problem> {
    let Which { name, service, group_by } = Which {
        name: parameters.text("name").unwrap_or_default(),
        service: parameters.text("service"),
        group_by: parameters.text("group_by"),
    };
    if name.is_empty() {
        parameters.error("name", "expected the name of a metric; /api/v1/metrics/names lists them");
    }
    let range = Range::take(&mut parameters);
    let Buckets { buckets } = Buckets::take(&mut parameters);
    parameters.finish()?;
    let query = MetricSeriesQuery { name, range, buckets, service, group_by };
    Ok(Json(app.state.engine.metric_series(query).await?))
}
