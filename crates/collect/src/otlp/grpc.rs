//! OTLP/gRPC: the three export services.
//!
//! [`guard`] stands in front of tonic: it admits, bounds, decompresses and weighs a request before tonic sees it, because
//! tonic has one limit for both sides of decompression and none for what decoding takes. Afterwards it turns the code
//! that tonic's decoder uses (`INTERNAL`) into the one that tells an OTLP sender that sending again does not help.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures::stream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use opentelemetry_proto::tonic::collector::{
    logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{self, LogsService, LogsServiceServer},
    },
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{self, MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{self, TraceService, TraceServiceServer},
    },
};
use parapet_signal::SourceId;
use tonic::metadata::MetadataValue;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::export::Export;
use super::limits::Charge;
use super::receiver::source;
use super::weigh::{Kind, weigh};
use super::{Encoding, Options, Receiver, Refused, body, decompress};

impl Receiver {
    /// The OTLP/gRPC receiver and the router that serves it, over HTTP/2.
    pub fn grpc(options: Options) -> (Self, Router) {
        let receiver = Self::new("otlp_grpc", options);
        let max = receiver.0.limits.decompressed_bytes;
        let router = Routes::default()
            .add_service(LogsServiceServer::new(receiver.clone()).max_decoding_message_size(max))
            .add_service(TraceServiceServer::new(receiver.clone()).max_decoding_message_size(max))
            .add_service(MetricsServiceServer::new(receiver.clone()).max_decoding_message_size(max))
            .into_axum_router()
            .layer(from_fn_with_state(receiver.clone(), guard));
        (receiver, router)
    }

    async fn export<E: Export>(
        &self,
        request: tonic::Request<E>,
    ) -> Result<tonic::Response<E::Response>, Status> {
        let source = request.extensions().get::<Numbering>().and_then(|numbering| numbering.0);
        let decoded = request.into_inner().decode_records(self.0.clock.now());
        match self.0.deliver::<E>(decoded, source).await {
            Ok(outcome) => Ok(tonic::Response::new(E::response(outcome))),
            Err(refused) => {
                self.0.count_refused(&refused);
                Err(status(&refused))
            }
        }
    }
}

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        self.export(request).await
    }
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        self.export(request).await
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        self.export(request).await
    }
}

/// The sender's numbering, from the guard to the service behind it.
#[derive(Clone, Copy)]
struct Numbering(Option<(SourceId, u64)>);

/// Compression flag and length prefix of a gRPC message.
const FRAME_HEADER: usize = 5;

/// Bodies above this are decompressed and weighed on a blocking thread.
const INLINE_BYTES: usize = 32 << 10;

async fn guard(State(receiver): State<Receiver>, request: Request, next: Next) -> Response {
    let is_grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        let refused = Refused::ContentType { expected: "application/grpc" };
        receiver.0.count_refused(&refused);
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, refused.to_string()).into_response();
    }
    let refused = match enter(&receiver, request).await {
        Ok((request, _charge)) => {
            let response = next.run(request).await;
            match Status::from_header_map(response.headers()) {
                Some(status) if status.code() == Code::Internal => {
                    Refused::Malformed(status.message().to_owned())
                }
                _ => return response,
            }
        }
        Err(refused) => refused,
    };
    receiver.0.count_refused(&refused);
    status(&refused).into_http()
}

/// The request with its message decompressed, and what it is charged until it is answered.
async fn enter(receiver: &Receiver, request: Request) -> Result<(Request, Charge), Refused> {
    let (mut parts, body) = request.into_parts();
    let mut charge = receiver.0.admit(&parts.headers).await?;
    parts.extensions.insert(Numbering(source(&parts.headers)?));
    let encoding = match parts.headers.remove("grpc-encoding") {
        None => Encoding::Identity,
        Some(value) => Encoding::from_header(Some(value.to_str().map_err(|_| Refused::ContentEncoding)?))?,
    };
    let limits = receiver.0.limits;
    let body = body::read(body, &limits, &mut charge).await?;
    receiver.0.count_bytes(body.len());
    let (compressed, message) = message(body)?;
    let encoding = match (compressed, encoding) {
        (false, _) => Encoding::Identity,
        (true, Encoding::Identity) => return Err(Refused::ContentEncoding),
        (true, encoding) => encoding,
    };
    let inline = encoding == Encoding::Identity && message.len() <= INLINE_BYTES;
    let kind = kind(parts.uri.path());
    let work = move || -> Result<(Bytes, Charge), Refused> {
        let message = decompress(message, encoding, limits.decompressed_bytes, |bytes| charge.add(bytes))?;
        if let Some(kind) = kind {
            let limit = limits.decoded_bytes;
            charge.add(weigh(kind, &message, limit).ok_or(Refused::DecodedTooLarge { limit })?)?;
        }
        Ok((message, charge))
    };
    let (message, charge) = if inline {
        work()?
    } else {
        tokio::task::spawn_blocking(work).await.map_err(|_| Refused::Aborted)??
    };
    let length = u32::try_from(message.len())
        .map_err(|_| Refused::DecompressedTooLarge { limit: limits.decompressed_bytes })?;
    let mut header = BytesMut::with_capacity(FRAME_HEADER);
    header.put_u8(0);
    header.put_u32(length);
    let frames = [Ok::<_, Infallible>(header.freeze()), Ok(message)];
    Ok((Request::from_parts(parts, Body::from_stream(stream::iter(frames))), charge))
}

/// The one message of a unary request, and whether it is compressed.
fn message(mut body: Bytes) -> Result<(bool, Bytes), Refused> {
    let malformed = |what: &str| Refused::Malformed(what.to_owned());
    if body.len() < FRAME_HEADER {
        return Err(malformed("the message is missing"));
    }
    let compressed = match body.get_u8() {
        0 => false,
        1 => true,
        _ => return Err(malformed("the compression flag is neither 0 nor 1")),
    };
    if body.get_u32() as usize != body.len() {
        return Err(malformed("the message is not as long as its prefix says"));
    }
    Ok((compressed, body))
}

/// The shape of the service's request; `None` for paths that tonic will refuse.
fn kind(path: &str) -> Option<&'static Kind> {
    match path.strip_prefix('/')?.split('/').next()? {
        logs_service_server::SERVICE_NAME => Some(ExportLogsServiceRequest::kind()),
        trace_service_server::SERVICE_NAME => Some(ExportTraceServiceRequest::kind()),
        metrics_service_server::SERVICE_NAME => Some(ExportMetricsServiceRequest::kind()),
        _ => None,
    }
}

fn status(refused: &Refused) -> Status {
    let (code, message) = (refused.code(), refused.to_string());
    let mut status = match refused.retry_after() {
        Some(delay) => Status::with_error_details(code, message, ErrorDetails::with_retry_info(Some(delay))),
        None => Status::new(code, message),
    };
    if matches!(refused, Refused::ContentEncoding) {
        status
            .metadata_mut()
            .insert("grpc-accept-encoding", MetadataValue::from_static("identity,gzip,zstd"));
    }
    status
}
