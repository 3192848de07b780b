//! What gateway and services have in common: a pod with a log, an SDK, dice; spans around what they do; calls to each other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use jiff::Timestamp;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use serde_json::{Map, Value};

use crate::chance::Chance;
use crate::cri::{ContainerLog, Pod, Stream};
use crate::otel::Otel;
use crate::tls::HttpsClient;

/// Nothing in the demo is larger.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The slowest answer takes some 5 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Joins logs and traffic events of one transaction.
pub(crate) const CORRELATION: &str = "x-correlation-id";

/// What is being answered: its span and its correlation id.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) context: Context,
    pub(crate) correlation_id: String,
}

/// How a component writes its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Text,
}

#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) name: &'static str,
    pub(crate) otel: Otel,
    pub(crate) chance: Chance,
    pub(crate) client: HttpsClient,
    form: Form,
    log: Mutex<ContainerLog>,
    log_failed: AtomicBool,
}

/// Another component, and the secret that it answers to.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) bearer: HeaderValue,
}

/// A call that was made, whatever came of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) peer: &'static str,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) started: Timestamp,
    pub(crate) took: Duration,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) request_headers: HeaderMap,
    pub(crate) request_bytes: u64,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Component {
    pub(crate) fn new(
        name: &'static str,
        form: Form,
        log: ContainerLog,
        otel: Otel,
        chance: Chance,
        client: HttpsClient,
    ) -> Self {
        Self { name, otel, chance, client, form, log: Mutex::new(log), log_failed: AtomicBool::new(false) }
    }

    /// Writes a log entry in the component's form.
    pub(crate) fn say(&self, call: Option<&Call>, level: &str, message: &str, fields: &[(&str, Value)]) {
        let now = Timestamp::now();
        let mut entry: Map<String, Value> =
            fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        if let Some(call) = call {
            let span = call.context.span();
            let ids = span.span_context();
            entry.insert("trace_id".to_owned(), ids.trace_id().to_string().into());
            entry.insert("span_id".to_owned(), ids.span_id().to_string().into());
            entry.insert("correlation_id".to_owned(), call.correlation_id.as_str().into());
        }
        let text = match self.form {
            Form::Json => {
                entry.insert("time".to_owned(), format!("{now:.3}").into());
                entry.insert("level".to_owned(), level.into());
                entry.insert("msg".to_owned(), message.into());
                Value::Object(entry).to_string()
            }
            Form::Text => {
                let fields: String = entry.iter().map(|(key, value)| format!(" {key}={value}")).collect();
                format!("{now:.3} {:5} {message}{fields}", level.to_uppercase())
            }
        };
        self.print(Stream::Stdout, &text);
    }

    /// Writes lines as they are, such as a stack trace.
    pub(crate) fn print(&self, stream: Stream, text: &str) {
        let written = self.log.lock().expect("nothing panics while holding the lock").print(
            stream,
            text,
            Timestamp::now(),
        );
        let failed_before = self.log_failed.swap(written.is_err(), Ordering::Relaxed);
        if let (Err(error), false) = (written, failed_before) {
            tracing::warn!(
                component = self.name,
                error = &error as &dyn std::error::Error,
                "demo log not written"
            );
        }
    }

    /// Some work inside the component, such as a query: a span, and time that passes.
    pub(crate) async fn work(&self, call: &Call, name: &'static str, median: Duration) {
        let span = self
            .otel
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.operation.name", name),
            ])
            .start_with_context(&self.otel.tracer, &call.context);
        tokio::time::sleep(self.chance.latency(median)).await;
        drop(span);
    }

    /// Calls another component inside a client span that its trace goes on from.
    pub(crate) async fn call(
        &self,
        peer: &Peer,
        call: &Call,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Exchange {
        let span = self
            .otel
            .tracer
            .span_builder(method.to_string())
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("http.request.method", method.to_string()),
                KeyValue::new("server.address", peer.address.ip().to_string()),
                KeyValue::new("server.port", i64::from(peer.address.port())),
                KeyValue::new("peer.service", peer.name),
                KeyValue::new("url.path", path.to_owned()),
            ])
            .start_with_context(&self.otel.tracer, &call.context);
        let context = call.context.with_span(span);
        let mut headers = HeaderMap::new();
        headers.insert(http::header::AUTHORIZATION, peer.bearer.clone());
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(&call.correlation_id) {
            headers.insert(CORRELATION, id);
        }
        if body.is_some() {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.otel.inject(&context, &mut headers);

        let body = Bytes::from(body.map_or_else(String::new, |body| body.to_string()));
        let request_bytes = body.len() as u64;
        let url = format!("https://{}{path}", peer.address);
        let (started, clock) = (Timestamp::now(), Instant::now());
        let answer = send(&self.client, method.clone(), &url, headers.clone(), body).await;
        let (status, response_headers, body) = match answer {
            Ok((status, headers, body)) => {
                context
                    .span()
                    .set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
                (status, headers, body)
            }
            Err(failure) => {
                self.say(
                    Some(call),
                    "error",
                    "call failed",
                    &[("peer", peer.name.into()), ("reason", failure.into())],
                );
                context.span().set_attribute(KeyValue::new("error.type", failure));
                (StatusCode::BAD_GATEWAY, HeaderMap::new(), Bytes::new())
            }
        };
        if status.is_client_error() || status.is_server_error() {
            context.span().set_status(Status::error(status.to_string()));
        }
        context.span().end();
        Exchange {
            peer: peer.name,
            address: peer.address,
            started,
            took: clock.elapsed(),
            method,
            path: path.to_owned(),
            request_headers: headers,
            request_bytes,
            status,
            headers: response_headers,
            body,
        }
    }
}

/// One request and its whole answer; the error says in a word what failed.
pub(crate) async fn send(
    client: &HttpsClient,
    method: Method,
    url: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, HeaderMap, Bytes), &'static str> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().map_err(|_| "invalid_url")?;
    *request.headers_mut() = headers;
    let exchange = async {
        let response = client.request(request).await.map_err(|_| "no_connection")?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|_| "body_cut")?;
        Ok((head.status, head.headers, body.to_bytes()))
    };
    tokio::time::timeout(CALL_TIMEOUT, exchange).await.unwrap_or(Err("timeout"))
}

/// The pods of the demo. Their uids stay the same, so that a second start goes on with the same files.
pub(crate) const PODS: [Pod; 4] = [
    Pod {
        name: "toy-gateway-7c9d5f8b6-x2k4q",
        uid: "8f1a6c1e-2a7b-4c43-9d0f-5e0c51de0001",
        container: "gateway",
    },
    Pod { name: "orders-6d5f7c9b8-m4v7z", uid: "8f1a6c1e-2a7b-4c43-9d0f-5e0c51de0002", container: "orders" },
    Pod {
        name: "payments-5b8c6d7f9-q9w2t",
        uid: "8f1a6c1e-2a7b-4c43-9d0f-5e0c51de0003",
        container: "payments",
    },
    Pod {
        name: "inventory-74f6b9c5d-h8r3n",
        uid: "8f1a6c1e-2a7b-4c43-9d0f-5e0c51de0004",
        container: "inventory",
    },
];
