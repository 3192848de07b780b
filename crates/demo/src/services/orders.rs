//! Orders: needs inventory and payments to make one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{Method, StatusCode};
use opentelemetry::metrics::Counter;
use serde_json::{Value, json};

use super::refusal;
use crate::component::{Call, Component, Peer};

#[derive(Clone)]
struct Orders {
    component: Arc<Component>,
    inventory: Peer,
    payments: Peer,
    created: Counter<u64>,
}

pub(crate) fn routes(component: Arc<Component>, inventory: Peer, payments: Peer) -> Router {
    let created = component
        .otel
        .meter
        .u64_counter("demo.orders.created")
        .with_unit("{order}")
        .with_description("Orders created")
        .build();
    Router::new()
        .route("/orders", get(list).post(create))
        .route("/orders/{id}", get(order).delete(cancel))
        .route("/sales", get(sales))
        .with_state(Orders { component, inventory, payments, created })
}

async fn list(State(orders): State<Orders>, Extension(call): Extension<Call>) -> Json<Value> {
    orders.component.work(&call, "SELECT orders", Duration::from_millis(14)).await;
    let page: Vec<_> = (0..10).map(|n| json!({ "id": format!("o-{}", 1000 + n), "state": "paid" })).collect();
    Json(json!({ "orders": page }))
}

async fn order(
    State(orders): State<Orders>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
) -> Response {
    orders.component.work(&call, "SELECT order", Duration::from_millis(5)).await;
    if orders.component.chance.happens(0.04) {
        orders.component.say(Some(&call), "warn", "order not found", &[("order", id.into())]);
        return refusal(StatusCode::NOT_FOUND, "no such order");
    }
    Json(json!({ "id": id, "state": "paid", "items": [{ "sku": "lamp", "quantity": 1 }] })).into_response()
}

/// What inventory and payments refuse is refused; a reservation whose charge failed is left to expire.
async fn create(State(orders): State<Orders>, Extension(call): Extension<Call>) -> Response {
    let component = &orders.component;
    for (peer, path) in [(&orders.inventory, "/reservations"), (&orders.payments, "/charges")] {
        let body = json!({ "sku": "lamp", "quantity": 1 });
        let answer = component.call(peer, &call, Method::POST, path, Some(body)).await;
        if !answer.status.is_success() {
            let fields = [("peer", peer.name.into()), ("status", answer.status.as_u16().into())];
            component.say(Some(&call), "warn", "order refused", &fields);
            return refusal(answer.status, "the order cannot be made");
        }
    }
    component.work(&call, "INSERT order", Duration::from_millis(8)).await;
    let id = format!("o-{}", 1000 + component.chance.below(9000));
    component.say(Some(&call), "info", "order created", &[("order", id.as_str().into())]);
    orders.created.add(1, &[]);
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

async fn cancel(
    State(orders): State<Orders>,
    Extension(call): Extension<Call>,
    Path(id): Path<String>,
) -> Response {
    let component = &orders.component;
    let refund =
        component.call(&orders.payments, &call, Method::POST, &format!("/payments/{id}/refunds"), None).await;
    if !refund.status.is_success() {
        return refusal(refund.status, "the payment cannot be refunded");
    }
    component.say(Some(&call), "info", "order cancelled", &[("order", id.into())]);
    StatusCode::NO_CONTENT.into_response()
}

/// The slow one.
async fn sales(State(orders): State<Orders>, Extension(call): Extension<Call>) -> Json<Value> {
    orders.component.work(&call, "SELECT sum(amount) GROUP BY month", Duration::from_millis(1100)).await;
    Json(json!({ "months": [{ "month": 1, "sales": 120_000 }, { "month": 2, "sales": 98_000 }] }))
}
