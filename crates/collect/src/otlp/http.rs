//! OTLP/HTTP: `POST /v1/logs`, `/v1/traces` and `/v1/metrics`, protobuf or JSON.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use parapet_signal::otlp::Decoded;
use prost::Message as _;
use tonic_types::pb;

use super::export::{Export, Outcome};
use super::limits::Charge;
use super::receiver::{Inner, source};
use super::weigh::{weigh, weigh_json};
use super::{Encoding, Options, Receiver, Refused, body, decompress};

impl Receiver {
    /// The OTLP/HTTP receiver and the router that serves it.
    pub fn http(options: Options) -> (Self, Router) {
        let receiver = Self::new("otlp_http", options);
        let router = Router::new()
            .route("/v1/logs", post(export::<ExportLogsServiceRequest>))
            .route("/v1/traces", post(export::<ExportTraceServiceRequest>))
            .route("/v1/metrics", post(export::<ExportMetricsServiceRequest>))
            .with_state(receiver.clone());
        (receiver, router)
    }
}

/// Bodies above this are decoded on a blocking thread: below it, the hand-over costs more than the decoding.
const INLINE_BYTES: usize = 32 << 10;

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Protobuf,
    Json,
}

impl Format {
    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        match value.split(';').next().unwrap_or_default().trim() {
            mime if mime.eq_ignore_ascii_case("application/x-protobuf") => Some(Self::Protobuf),
            mime if mime.eq_ignore_ascii_case("application/json") => Some(Self::Json),
            _ => None,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

async fn export<E: Export>(State(Receiver(inner)): State<Receiver>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let format = Format::from_headers(&parts.headers);
    match receive::<E>(&inner, format, &parts.headers, body).await {
        Ok((format, outcome)) => success::<E>(format, outcome),
        Err(refused) => {
            inner.count_refused(&refused);
            // A sender whose format is unknown reads JSON at least by eye.
            failure(format.unwrap_or(Format::Json), &refused)
        }
    }
}

async fn receive<E: Export>(
    inner: &Inner,
    format: Option<Format>,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Format, Outcome), Refused> {
    let mut charge = inner.admit(headers).await?;
    let format =
        format.ok_or(Refused::ContentType { expected: "application/x-protobuf or application/json" })?;
    let encoding = match headers.get(CONTENT_ENCODING) {
        None => Encoding::Identity,
        Some(value) => Encoding::from_header(Some(value.to_str().map_err(|_| Refused::ContentEncoding)?))?,
    };
    let source = source(headers)?;
    let body = body::read(body, &inner.limits, &mut charge).await?;
    inner.count_bytes(body.len());
    let inline = encoding == Encoding::Identity && body.len() <= INLINE_BYTES;
    let (limits, now) = (inner.limits, inner.clock.now());
    let work = move || -> Result<(Decoded, Charge), Refused> {
        let body = decompress(body, encoding, limits.decompressed_bytes, |bytes| charge.add(bytes))?;
        let limit = limits.decoded_bytes;
        let weight = match format {
            Format::Protobuf => weigh(E::kind(), &body, limit),
            Format::Json => weigh_json(&body, limit),
        };
        charge.add(weight.ok_or(Refused::DecodedTooLarge { limit })?)?;
        Ok((parse::<E>(format, &body)?.decode_records(now), charge))
    };
    let (decoded, _charge) = if inline {
        work()?
    } else {
        tokio::task::spawn_blocking(work).await.map_err(|_| Refused::Aborted)??
    };
    Ok((format, inner.deliver::<E>(decoded, source).await?))
}

fn parse<E: Export>(format: Format, body: &Bytes) -> Result<E, Refused> {
    match format {
        Format::Protobuf => E::decode(body.clone()).map_err(|error| Refused::Malformed(error.to_string())),
        Format::Json => serde_json::from_slice(body).map_err(|error| Refused::Malformed(error.to_string())),
    }
}

fn success<E: Export>(format: Format, outcome: Outcome) -> Response {
    let complete = outcome == Outcome::default();
    let message = E::response(outcome);
    let body = match format {
        Format::Protobuf => message.encode_to_vec(),
        Format::Json if complete => b"{}".to_vec(),
        Format::Json => serde_json::to_vec(&message).expect("a response is numbers and strings"),
    };
    ([(CONTENT_TYPE, format.content_type())], body).into_response()
}

/// A `google.rpc.Status` in the sender's format, as OTLP/HTTP has it.
fn failure(format: Format, refused: &Refused) -> Response {
    let (code, message) = (refused.code() as i32, refused.to_string());
    let body = match format {
        Format::Protobuf => pb::Status { code, message, details: Vec::new() }.encode_to_vec(),
        Format::Json => serde_json::json!({ "code": code, "message": message }).to_string().into_bytes(),
    };
    let mut response = ([(CONTENT_TYPE, format.content_type())], body).into_response();
    *response.status_mut() = refused.http_status();
    if let Some(delay) = refused.retry_after() {
        // Whole seconds, rounded up: a sender that comes early is only refused again.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if matches!(refused, Refused::ContentEncoding) {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
    }
    if refused.http_status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
