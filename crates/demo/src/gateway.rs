//! The toy API gateway: finds the API, checks the caller's key, calls what is behind it, and writes down the transaction.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::catalogue::{Application, Backend, OPERATIONS, Operation, Service};
use crate::component::{CORRELATION, Call, Component, Exchange, Peer};
use crate::opentraffic::{TrafficLog, header_text};
use crate::transaction::{Transaction, status_line};

/// The header that an application's key comes in.
pub(crate) const KEY: &str = "keyid";
const MAX_BODY_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) component: Arc<Component>,
    pub(crate) address: SocketAddr,
    pub(crate) traffic: TrafficLog,
    pub(crate) keys: Vec<(HeaderValue, &'static Application)>,
    pub(crate) orders: Peer,
    pub(crate) payments: Peer,
    pub(crate) inventory: Peer,
    pub(crate) transactions: AtomicU32,
}

pub(crate) fn routes(gateway: Arc<Gateway>) -> Router {
    let mut routes = Router::new();
    for operation in &OPERATIONS {
        let answer = move |State(gateway): State<Arc<Gateway>>, params: RawPathParams, request: Request| async move {
            let id = params.iter().next().map(|(_, id)| id.to_owned());
            gateway.answer(Some(operation), id, request).await
        };
        routes = routes.route(operation.path, on(filter(operation.method), answer));
    }
    let unknown = |State(gateway): State<Arc<Gateway>>, request: Request| async move {
        gateway.answer(None, None, request).await
    };
    routes.fallback(unknown).method_not_allowed_fallback(unknown).with_state(gateway)
}

fn filter(method: &str) -> MethodFilter {
    match method {
        "GET" => MethodFilter::GET,
        "POST" => MethodFilter::POST,
        "DELETE" => MethodFilter::DELETE,
        other => unreachable!("the catalogue has no {other} operation"),
    }
}

/// What the gateway has to say to its client.
struct Answer {
    status: StatusCode,
    body: Bytes,
    calls: Vec<Exchange>,
}

impl Gateway {
    async fn answer(
        self: Arc<Self>,
        operation: Option<&'static Operation>,
        id: Option<String>,
        request: Request,
    ) -> Response {
        let (started, clock) = (Timestamp::now(), Instant::now());
        let (head, body) = request.into_parts();
        let name = operation
            .map_or("unknown API".to_owned(), |operation| format!("{} {}", head.method, operation.path));
        // The gateway is the edge: traces start here.
        let span = self
            .component
            .otel
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", head.method.to_string()),
                KeyValue::new("url.path", head.uri.path().to_owned()),
                KeyValue::new("http.route", operation.map_or("", |operation| operation.path)),
            ])
            .start_with_context(&self.component.otel.tracer, &opentelemetry::Context::new());
        let call = Call {
            context: opentelemetry::Context::new().with_span(span),
            correlation_id: self.correlation_id(started),
        };

        let application = self.application(&head.headers);
        let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await;
        let received_bytes = body.as_ref().map_or(0, Bytes::len) as u64;
        let Answer { status, body, calls } = match (operation, application, body) {
            (None, ..) => refused(StatusCode::NOT_FOUND, "no such API"),
            (_, None, _) => refused(StatusCode::UNAUTHORIZED, "no valid API key"),
            (.., Err(_)) => refused(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            (Some(operation), Some(_), Ok(body)) => {
                self.forward(operation, id.as_deref(), &call, &body).await
            }
        };

        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&call.correlation_id) {
            headers.insert(CORRELATION, id);
        }
        // Tells the client, and whoever reads the event log, which trace this was.
        self.component.otel.inject(&call.context, &mut headers);
        let transaction = Transaction {
            started,
            took: clock.elapsed(),
            client: head.extensions.get().copied().unwrap_or(self.address),
            gateway: self.address,
            received_header: header_text(&format!("{} {} HTTP/1.1", head.method, head.uri), &head.headers),
            received_bytes,
            sent_header: header_text(&status_line(status), &headers),
            sent_bytes: body.len() as u64,
            uri: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            method: head.method,
            status,
            operation,
            application,
            calls,
            correlation_id: call.correlation_id.clone(),
        };
        self.record(&call, &transaction);
        respond(status, headers, body)
    }

    /// Calls what is behind the operation, one after the other; the first refusal is the answer.
    async fn forward(&self, operation: &Operation, id: Option<&str>, call: &Call, body: &[u8]) -> Answer {
        let mut calls = Vec::new();
        for Backend { service, path } in operation.backends {
            let peer = match service {
                Service::Orders => &self.orders,
                Service::Payments => &self.payments,
                Service::Inventory => &self.inventory,
            };
            let path = path.replace("{id}", id.unwrap_or_default());
            let body: Option<Value> = serde_json::from_slice(body).ok();
            let method = http::Method::from_bytes(operation.method.as_bytes()).unwrap_or_default();
            let answer = self.component.call(peer, call, method, &path, body).await;
            let (status, body) = (answer.status, answer.body.clone());
            calls.push(answer);
            if !status.is_success() || calls.len() == operation.backends.len() {
                return Answer { status, body, calls };
            }
        }
        unreachable!("each operation of the catalogue has a back end, and the last one answers")
    }

    fn record(&self, call: &Call, transaction: &Transaction) {
        let status = transaction.status;
        let route = transaction.operation.map_or("", |operation| operation.path);
        let span = call.context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if let Some(application) = transaction.application {
            span.set_attribute(KeyValue::new("enduser.id", application.id));
            span.set_attribute(KeyValue::new("app.name", application.name));
        }
        if status.is_server_error() {
            span.set_status(Status::error(status.to_string()));
        }
        span.end();
        self.component.otel.request_duration.record(
            transaction.took.as_secs_f64(),
            &[
                KeyValue::new("http.request.method", transaction.method.to_string()),
                KeyValue::new("http.route", route),
                KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
            ],
        );
        let level = match status.as_u16() {
            500.. => "error",
            401 => "warn",
            _ => "info",
        };
        let fields = [
            ("method", transaction.method.as_str().into()),
            ("path", transaction.uri.as_str().into()),
            ("status", status.as_u16().into()),
            ("duration_ms", (transaction.took.as_millis() as u64).into()),
            ("app", transaction.application.map(|application| application.name).into()),
        ];
        self.component.say(Some(call), level, "transaction", &fields);
        if let Err(error) = self.traffic.write(&transaction.lines(), Timestamp::now()) {
            let reason = [("reason", error.to_string().into())];
            self.component.say(Some(call), "error", "event log not written", &reason);
        }
    }

    fn application(&self, headers: &HeaderMap) -> Option<&'static Application> {
        let given = headers.get(KEY)?.as_bytes();
        self.keys
            .iter()
            .find(|(key, _)| bool::from(key.as_bytes().ct_eq(given)))
            .map(|(_, application)| *application)
    }

    /// 24 hexadecimal digits: the second, a number, and chance; so a second start with the same seed has other ids.
    fn correlation_id(&self, now: Timestamp) -> String {
        let number = self.transactions.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}{number:08x}{}", now.as_second(), self.component.chance.hex(4))
    }
}

fn refused(status: StatusCode, message: &str) -> Answer {
    Answer { status, body: Bytes::from(json!({ "error": message }).to_string()), calls: Vec::new() }
}

fn respond(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
