//! Endpoints for whoever runs the process: alive, ready, metrics.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::app::Shared;
use crate::problem::{Kind, Problem};

/// The text format of `prometheus-client`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process answers.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// The process takes telemetry in and answers queries.
pub(crate) async fn readyz(State(app): State<Shared>) -> Result<&'static str, Problem> {
    let stopping = *app.state.shutdown.borrow();
    if stopping || app.state.store.status().failed.is_some() || !app.state.pipeline.is_ready() {
        return Err(Kind::Unavailable.because("not ready"));
    }
    Ok("ok\n")
}

/// Everything that the process counts.
pub(crate) async fn metrics(State(app): State<Shared>) -> Result<Response, Problem> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &app.state.registry)
        .map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text).into_response())
}
