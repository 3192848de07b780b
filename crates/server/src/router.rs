//! The router: groups of routes, each behind its gate, and what every answer gets.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State as Extracted};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, HOST, HeaderName, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, Shared, State};
use crate::guard::Guard;
use crate::metrics::Refusal;
use crate::problem::Kind;
use crate::sampler::{self, Rates};
use crate::{api, console, gate, health, openapi};

/// Where the API is. Everything else that is not health or metrics is the console.
const PREFIX: &str = "/api/v1";

/// Scripts, styles and connections from the console's own origin; nothing else, no frames, no forms.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Questions about posture that are computed at once: each may keep a core busy for seconds.
const POSTURE_TURNS: usize = 2;

/// What every answer says to browsers.
const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("x-frame-options", "DENY"),
];

/// The HTTP API and the console, for a TLS listener that puts the peer's [`std::net::SocketAddr`] into each request.
///
/// Starts a task on the current runtime that keeps rates for the status page and now and then saves when credentials were last used.
/// It ends with [`State::shutdown`].
pub fn router(state: State) -> Router {
    let app = Arc::new(App {
        started_at: (state.clock)(),
        guard: Arc::new(Guard::default()),
        rates: Rates::default(),
        openapi: openapi::openapi_json().into(),
        posture_turns: Arc::new(Semaphore::new(POSTURE_TURNS)),
        state,
    });
    tokio::spawn(sampler::run(app.clone()));
    let (reading, _) = api::reading().split_for_parts();
    let (managing, _) = api::managing().split_for_parts();
    let (public, _) = api::public().split_for_parts();
    let api = public
        .merge(reading.route_layer(from_fn_with_state(app.clone(), gate::reading)))
        .merge(managing.route_layer(from_fn_with_state(app.clone(), gate::managing)))
        .fallback(async || Kind::NotFound.because("there is no such route; /api/v1/openapi.json lists them"))
        .layer(from_fn(never_stored));
    let metrics = Router::new().route("/metrics", get(health::metrics));
    let metrics = if app.state.metrics_are_guarded {
        metrics
    } else {
        metrics.route_layer(from_fn_with_state(app.clone(), gate::reading))
    };
    let metrics = metrics.route_layer(from_fn(never_stored));
    Router::new()
        .nest(PREFIX, api)
        .merge(metrics)
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .fallback(console::serve)
        .method_not_allowed_fallback(async || Kind::MethodNotAllowed.because("this route has other methods"))
        .with_state(app.clone())
        .layer(CatchPanicLayer::custom({
            let metrics = app.state.metrics.clone();
            move |panic: Box<dyn Any + Send>| {
                metrics.refused(Refusal::Panic);
                caught(&*panic)
            }
        }))
        .layer(from_fn_with_state(app, counted))
        .layer(from_fn(secured))
}

/// Every route of the API, for its description.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    openapi::empty().nest(PREFIX, api::public().merge(api::reading()).merge(api::managing()))
}

fn caught(panic: &(dyn Any + Send)) -> Response {
    let message = panic.downcast_ref::<&str>().copied();
    let message =
        message.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!(message, "a handler panicked");
    Kind::Internal.because("the server failed; its log says why").into_response()
}

async fn counted(Extracted(app): Extracted<Shared>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let span = matched.as_deref().map_or_else(Span::none, |route| span_of(&method, route));
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    let route = matched.as_deref().unwrap_or(if response.status().is_success() { "console" } else { "none" });
    let (status, took) = (response.status().as_u16(), began.elapsed());
    app.state.metrics.answered(route, status, took);
    tracing::debug!(%method, route, status, elapsed_ms = took.as_millis() as u64, "request");
    response
}

/// What is asked of the API is a span of this server's own; probes and scrapes, which come by the clock, are none.
fn span_of(method: &Method, route: &str) -> Span {
    if !route.starts_with(PREFIX) {
        return Span::none();
    }
    tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
    )
}

async fn never_stored(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What every answer says to browsers, for answers that are given before the router is asked.
pub(crate) fn secure(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

async fn secured(request: Request, next: Next) -> Response {
    let remember_tls = !is_this_machine(request.headers(), request.uri());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    secure(headers);
    if remember_tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Browsers keep "TLS only" per host name for all ports: on `localhost` that would break every other program there.
fn is_this_machine(headers: &HeaderMap, uri: &Uri) -> bool {
    let host = uri.host().or_else(|| headers.get(HOST)?.to_str().ok()).unwrap_or_default();
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    name == "localhost" || name.ends_with(".localhost")
}
