//! Payments: charges and refunds. What it charges or declines is an event sent over OTLP; when the bank does not answer, its log
//! has a stack trace.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::StatusCode;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, Severity};
use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Value, json};

use super::refusal;
use crate::component::{Call, Component};
use crate::cri::Stream;

const STACK_TRACE: &str = "\
java.util.concurrent.TimeoutException: acquirer did not answer within 800 ms
\tat demo.payments.bank.AcquirerClient.await(AcquirerClient.java:141)
\tat demo.payments.bank.AcquirerClient.authorise(AcquirerClient.java:88)
\tat demo.payments.ChargeHandler.handle(ChargeHandler.java:52)
\tat demo.http.Router.dispatch(Router.java:210)
Caused by: java.net.SocketTimeoutException: Read timed out
\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)
\t... 11 more";

pub(crate) fn routes(component: Arc<Component>) -> Router {
    Router::new()
        .route("/payments/{id}", get(payment))
        .route("/payments/{id}/refunds", post(refund))
        .route("/charges", post(charge))
        .with_state(component)
}

async fn payment(
    State(component): State<Arc<Component>>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
) -> Response {
    component.work(&call, "SELECT payment", Duration::from_millis(5)).await;
    if component.chance.happens(0.05) {
        return refusal(StatusCode::NOT_FOUND, "no such payment");
    }
    Json(json!({ "id": id, "state": "captured", "amount": 10 + component.chance.below(90) })).into_response()
}

async fn refund(State(component): State<Arc<Component>>, Extension(call): Extension<Call>) -> Json<Value> {
    component.work(&call, "INSERT refund", Duration::from_millis(12)).await;
    let amount = 10 + component.chance.below(90);
    event(&component, &call, "payment.refunded", Severity::Info, amount);
    Json(json!({ "refunded": amount }))
}

async fn charge(State(component): State<Arc<Component>>, Extension(call): Extension<Call>) -> Response {
    let amount = 10 + component.chance.below(190);
    component.work(&call, "authorise", Duration::from_millis(35)).await;
    if component.chance.happens(0.025) {
        component.say(
            Some(&call),
            "error",
            "charge failed: acquirer timed out",
            &[("amount", amount.into())],
        );
        component.print(Stream::Stderr, STACK_TRACE);
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the bank does not answer");
    }
    if component.chance.happens(0.03) {
        event(&component, &call, "payment.declined", Severity::Warn, amount);
        return refusal(StatusCode::PAYMENT_REQUIRED, "declined");
    }
    component.work(&call, "INSERT payment", Duration::from_millis(6)).await;
    event(&component, &call, "payment.captured", Severity::Info, amount);
    (StatusCode::CREATED, Json(json!({ "captured": amount }))).into_response()
}

fn event(component: &Component, call: &Call, name: &'static str, severity: Severity, amount: u64) {
    let span = call.context.span();
    let ids = span.span_context();
    let now = SystemTime::now();
    let mut record = component.otel.logger.create_log_record();
    record.set_event_name(name);
    record.set_timestamp(now);
    record.set_observed_timestamp(now);
    record.set_severity_number(severity);
    record.set_severity_text(severity.name());
    record.set_body(AnyValue::from(format!("{name}: {amount} EUR")));
    record.add_attribute("payment.amount", i64::try_from(amount).unwrap_or(i64::MAX));
    record.add_attribute("correlation_id", call.correlation_id.clone());
    record.set_trace_context(ids.trace_id(), ids.span_id(), Some(ids.trace_flags()));
    component.otel.logger.emit(record);
}
