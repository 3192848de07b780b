//! Inventory: items and reservations. Its log is plain text.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Gauge;
use serde_json::{Value, json};

use super::refusal;
use crate::component::{Call, Component};

const SKUS: [&str; 6] = ["kettle", "lamp", "desk", "chair", "shelf", "clock"];

#[derive(Clone)]
struct Inventory {
    component: Arc<Component>,
    stock: Gauge<u64>,
}

pub(crate) fn routes(component: Arc<Component>) -> Router {
    let stock = component
        .otel
        .meter
        .u64_gauge("demo.inventory.stock")
        .with_unit("{item}")
        .with_description("Items in stock")
        .build();
    Router::new()
        .route("/items", get(search))
        .route("/items/{sku}", get(item))
        .route("/reservations", post(reserve))
        .with_state(Inventory { component, stock })
}

async fn search(State(inventory): State<Inventory>, Extension(call): Extension<Call>) -> Json<Value> {
    let component = &inventory.component;
    component.work(&call, "SELECT items", Duration::from_millis(9)).await;
    let items: Vec<_> =
        SKUS.iter().map(|sku| json!({ "sku": sku, "stock": component.chance.below(80) })).collect();
    if component.chance.happens(0.002) {
        // Longer than a runtime's line: arrives in parts.
        let rows: String = (0..600).map(|n| format!("[row {n} sku={}] ", SKUS[n % SKUS.len()])).collect();
        component.say(Some(&call), "debug", "dump of the page cache", &[("rows", rows.into())]);
    }
    Json(json!({ "items": items }))
}

async fn item(
    State(inventory): State<Inventory>,
    Extension(call): Extension<Call>,
    Path(sku): Path<String>,
) -> Response {
    inventory.component.work(&call, "SELECT item", Duration::from_millis(4)).await;
    match SKUS.iter().find(|known| **known == sku) {
        Some(sku) => {
            let stock = inventory.component.chance.below(80);
            inventory.stock.record(stock, &[KeyValue::new("sku", *sku)]);
            Json(json!({ "sku": sku, "stock": stock })).into_response()
        }
        None => refusal(StatusCode::NOT_FOUND, "no such item"),
    }
}

async fn reserve(State(inventory): State<Inventory>, Extension(call): Extension<Call>) -> Response {
    let component = &inventory.component;
    component.work(&call, "UPDATE stock", Duration::from_millis(7)).await;
    if component.chance.happens(0.03) {
        component.say(Some(&call), "warn", "out of stock", &[("sku", "clock".into())]);
        return refusal(StatusCode::CONFLICT, "out of stock");
    }
    let quantity = 1 + component.chance.below(3);
    component.say(Some(&call), "info", "reserved", &[("sku", "lamp".into()), ("quantity", quantity.into())]);
    (StatusCode::CREATED, Json(json!({ "reserved": quantity }))).into_response()
}
