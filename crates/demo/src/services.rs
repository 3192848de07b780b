//! The three services: what surrounds each of their handlers. A caller must know the service's secret; each request is a
//! span that goes on from the caller's, a measurement, and a log entry.

pub(crate) mod inventory;
pub(crate) mod orders;
pub(crate) mod payments;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::component::{CORRELATION, Call, Component};

/// Puts everything that a service needs around its handlers; these find a [`Call`] in the request's extensions.
pub(crate) fn surrounded(routes: Router, component: Arc<Component>, bearer: HeaderValue) -> Router {
    routes.layer(from_fn_with_state(Arc::new(Surroundings { component, bearer }), surround))
}

struct Surroundings {
    component: Arc<Component>,
    bearer: HeaderValue,
}

async fn surround(State(around): State<Arc<Surroundings>>, mut request: Request, next: Next) -> Response {
    let component = &around.component;
    let started = Instant::now();
    let method = request.method().to_string();
    let route =
        request.extensions().get::<MatchedPath>().map_or("/{unknown}", MatchedPath::as_str).to_owned();
    let parent = component.otel.extract(request.headers());
    let span = component
        .otel
        .tracer
        .span_builder(format!("{method} {route}"))
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method.clone()),
            KeyValue::new("http.route", route.clone()),
            KeyValue::new("url.path", request.uri().path().to_owned()),
        ])
        .start_with_context(&component.otel.tracer, &parent);
    let correlation_id =
        request.headers().get(CORRELATION).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let call = Call { context: parent.with_span(span), correlation_id: correlation_id.to_owned() };

    let given = request.headers().get(http::header::AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
    let response = if bool::from(given.ct_eq(around.bearer.as_bytes())) {
        request.extensions_mut().insert(call.clone());
        next.run(request).await
    } else {
        refusal(StatusCode::UNAUTHORIZED, "who are you?")
    };

    let status = response.status();
    let took = started.elapsed();
    let span = call.context.span();
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        span.set_status(Status::error(status.to_string()));
    }
    span.end();
    component.otel.request_duration.record(
        took.as_secs_f64(),
        &[
            KeyValue::new("http.request.method", method.clone()),
            KeyValue::new("http.route", route.clone()),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        ],
    );
    let level = if status.is_server_error() { "error" } else { "info" };
    let fields = [
        ("method", method.into()),
        ("route", route.into()),
        ("status", status.as_u16().into()),
        ("duration_ms", (took.as_secs_f64() * 1000.0).round().into()),
    ];
    component.say(Some(&call), level, "request served", &fields);
    response
}

/// An error in JSON.
fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
