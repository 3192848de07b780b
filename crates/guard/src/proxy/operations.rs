//! Fixed routes for those who operate the gate: is it alive, is it ready, what does it count. Nothing is forwarded.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::{Client, Handle, Readiness};
use crate::body::Answer;
use crate::{Decide, Engine, answer};

/// The content type of what `prometheus-client` writes.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What this process counts, as text, and who may read it.
struct Counted {
    engine: Arc<Engine<Arc<dyn Decide>>>,
    render: Box<dyn Fn() -> String + Send + Sync>,
}

/// `/healthz`, `/livez` and `/readyz`, open to all and without data; `/metrics` for whom its engine admits.
pub struct Operations {
    readiness: Readiness,
    metrics: Option<Counted>,
}

impl Operations {
    /// Without `/metrics`.
    pub fn new(readiness: Readiness) -> Self {
        Self { readiness, metrics: None }
    }

    /// With `/metrics`, for whom `engine` admits.
    pub fn with_metrics(
        self,
        engine: Arc<Engine<Arc<dyn Decide>>>,
        render: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self { metrics: Some(Counted { engine, render: Box::new(render) }), ..self }
    }

    async fn answer(&self, request: Request<Incoming>, client: &Client) -> Response<Answer> {
        let (parts, _) = request.into_parts();
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
        }
        // The reference answers without a line end here.
        match (parts.uri.path(), &self.metrics) {
            ("/healthz" | "/livez", _) => plain(StatusCode::OK, "ok"),
            ("/readyz", _) => match self.readiness.reason() {
                None => plain(StatusCode::OK, "ok"),
                Some(reason) => plain(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            ("/metrics", Some(Counted { engine, render })) => {
                match engine.admit(&parts, &client.peer, |_| Ok(())).await {
                    Err(refusal) => answer::refused(&refusal, Answer::text),
                    Ok(_) => {
                        let mut response = answer::plain(StatusCode::OK, render().into(), Answer::text);
                        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
                        response
                    }
                }
            }
            _ => plain(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }
}

impl Handle for Operations {
    async fn handle(self: Arc<Self>, request: Request<Incoming>, client: Arc<Client>) -> Response<Answer> {
        self.answer(request, &client).await
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Operations").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Answer> {
    answer::plain(status, Bytes::from_static(text.as_bytes()), Answer::text)
}
