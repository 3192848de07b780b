//! OTLP/gRPC: the three export services.
//!
//! [`guard`] stands in front of tonic: it admits, numbers and bounds a request before tonic sees it, and afterwards turns
//! the codes that tonic's decoder uses (`INTERNAL`, `OUT_OF_RANGE`) into the ones that tell an OTLP sender whether
//! sending again can help.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use opentelemetry_proto::tonic::collector::{
    logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
};
use parapet_signal::SourceId;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::export::Export;
use super::limits::Charge;
use super::receiver::source;
use super::{Encoding, Options, Receiver, Refused, body};

impl Receiver {
    /// The OTLP/gRPC receiver and the router that serves it, over HTTP/2.
    pub fn grpc(options: Options) -> (Self, Router) {
        let receiver = Self::new("otlp_grpc", options);
        let max = receiver.0.limits.decompressed_bytes;
        let logs = LogsServiceServer::new(receiver.clone());
        let traces = TraceServiceServer::new(receiver.clone());
        let metrics = MetricsServiceServer::new(receiver.clone());
        let router = Routes::default()
            .add_service(logs.accept_compressed(Gzip).accept_compressed(Zstd).max_decoding_message_size(max))
            .add_service(
                traces.accept_compressed(Gzip).accept_compressed(Zstd).max_decoding_message_size(max),
            )
            .add_service(
                metrics.accept_compressed(Gzip).accept_compressed(Zstd).max_decoding_message_size(max),
            )
            .into_axum_router()
            .layer(from_fn_with_state(receiver.clone(), guard));
        (receiver, router)
    }

    async fn export<E: Export>(
        &self,
        request: tonic::Request<E>,
    ) -> Result<tonic::Response<E::Response>, Status> {
        let admission = request.extensions().get::<Admission>().cloned();
        let admission = admission.ok_or_else(|| Status::internal("not behind its guard"))?;
        let request = request.into_inner();
        let result = async {
            if admission.compressed {
                let mut charge = admission.charge.lock().expect("no code panics while it holds this lock");
                charge.add(request.encoded_len())?;
            }
            let decoded = request.decode_records(self.0.clock.now());
            self.0.deliver::<E>(decoded, admission.source).await
        };
        match result.await {
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

/// What the guard hands to the service behind it.
#[derive(Clone)]
struct Admission {
    charge: Arc<Mutex<Charge>>,
    compressed: bool,
    source: Option<(SourceId, u64)>,
}

/// Length prefix and compression flag of a gRPC message.
const FRAME_HEADER: usize = 5;

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
        Ok(request) => {
            let response = next.run(request).await;
            match Status::from_header_map(response.headers()).map(|status| (status.code(), status)) {
                Some((Code::OutOfRange | Code::ResourceExhausted, _)) => {
                    Refused::DecompressedTooLarge { limit: receiver.0.limits.decompressed_bytes }
                }
                Some((Code::Internal, status)) => Refused::Malformed(status.message().to_owned()),
                _ => return response,
            }
        }
        Err(refused) => refused,
    };
    receiver.0.count_refused(&refused);
    status(&refused).into_http()
}

async fn enter(receiver: &Receiver, request: Request) -> Result<Request, Refused> {
    let (mut parts, body) = request.into_parts();
    let mut charge = receiver.0.admit(&parts.headers).await?;
    let source = source(&parts.headers)?;
    let encoding = match parts.headers.get("grpc-encoding") {
        None => Encoding::Identity,
        Some(value) => Encoding::from_header(Some(value.to_str().map_err(|_| Refused::ContentEncoding)?))?,
    };
    let limit = receiver.0.limits.body_bytes.saturating_add(FRAME_HEADER);
    let body = body::read(body, limit, &mut charge).await?;
    receiver.0.count_bytes(body.len());
    let compressed = encoding != Encoding::Identity;
    parts.extensions.insert(Admission { charge: Arc::new(Mutex::new(charge)), compressed, source });
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn status(refused: &Refused) -> Status {
    match refused.retry_after() {
        Some(delay) => {
            let details = ErrorDetails::with_retry_info(Some(delay));
            Status::with_error_details(refused.code(), refused.to_string(), details)
        }
        None => Status::new(refused.code(), refused.to_string()),
    }
}
