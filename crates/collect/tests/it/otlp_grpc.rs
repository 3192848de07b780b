//! OTLP/gRPC over a real socket, with tonic's client.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse, logs_service_client::LogsServiceClient,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use parapet_collect::otlp::{Limits, Receiver};
use parapet_signal::{DeliveryError, SourceId};
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::support::{RecordingSink, Script, TOKEN, options, serve};

struct Server {
    sink: Arc<RecordingSink>,
    receiver: Receiver,
    channel: Channel,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let (receiver, router) = Receiver::grpc(options(&sink, limits));
        let address = serve(router).await;
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self { sink, receiver, channel }
    }

    fn logs(&self) -> LogsServiceClient<Channel> {
        LogsServiceClient::new(self.channel.clone())
    }

    async fn send(
        &self,
        request: ExportLogsServiceRequest,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.logs().export(with_token(request)).await
    }

    fn refused(&self) -> Vec<(&'static str, u64)> {
        self.receiver.status().refused.iter().map(|refused| (refused.reason, refused.count)).collect()
    }
}

fn with_token<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", TOKEN.parse().unwrap());
    request
}

fn log_request(count: usize) -> ExportLogsServiceRequest {
    let record = LogRecord { severity_text: "INFO".into(), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record; count], ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

#[tokio::test]
async fn all_three_services_deliver_plain_and_compressed() {
    let server = Server::start(Limits::default()).await;
    for compression in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let mut client = server.logs();
        if let Some(compression) = compression {
            client = client.send_compressed(compression);
        }
        let response = client.export(with_token(log_request(100))).await.unwrap();
        assert_eq!(response.into_inner().partial_success, None);
    }
    let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span, Span::default()], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let mut client = TraceServiceClient::new(server.channel.clone());
    let response = client.export(with_token(ExportTraceServiceRequest { resource_spans })).await.unwrap();
    let partial = response.into_inner().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert_eq!(partial.error_message, "1 record: the trace id is not 16 bytes, or all zero");

    let gauge =
        Data::Gauge(Gauge { data_points: vec![NumberDataPoint { flags: 1, ..NumberDataPoint::default() }] });
    let metrics = vec![Metric { name: "m".into(), data: Some(gauge), ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let mut client = MetricsServiceClient::new(server.channel.clone());
    let response = client.export(with_token(ExportMetricsServiceRequest { resource_metrics })).await.unwrap();
    assert_eq!(response.into_inner().partial_success, None);

    let kept: Vec<_> = server.sink.kept().iter().map(|d| (d.batch.signal().name(), d.batch.len())).collect();
    assert_eq!(kept, [("logs", 100), ("logs", 100), ("logs", 100), ("spans", 1), ("metrics", 1)]);
    assert_eq!(server.receiver.status().accepted_total, 302);
}

#[tokio::test]
async fn tokens_are_required() {
    let server = Server::start(Limits::default()).await;
    for (token, code, reason) in [
        (None, Code::Unauthenticated, "no_token"),
        (Some("Bearer ppt_a_bad"), Code::Unauthenticated, "invalid_token"),
        (Some("Bearer ppt_a_reader"), Code::PermissionDenied, "forbidden"),
    ] {
        let mut request = Request::new(log_request(1));
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", token.parse().unwrap());
        }
        assert_eq!(server.logs().export(request).await.unwrap_err().code(), code);
        assert!(server.refused().contains(&(reason, 1)));
    }
    assert_eq!(server.sink.attempts(), 0);
}

#[tokio::test]
async fn bodies_are_bounded_before_and_after_decompression() {
    let limits = Limits { body_bytes: 4096, decompressed_bytes: 16_384, ..Limits::default() };
    let server = Server::start(limits).await;
    let refused = server.send(log_request(1000)).await.unwrap_err();
    assert_eq!((refused.code(), refused.get_details_retry_info().is_none()), (Code::ResourceExhausted, true));
    let bomb = log_request(20_000);
    for compression in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let refused =
            server.logs().send_compressed(compression).export(with_token(bomb.clone())).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.get_details_retry_info().is_none()),
            (Code::ResourceExhausted, true)
        );
    }
    let mut many = log_request(0);
    many.resource_logs[0].scope_logs[0].log_records = vec![LogRecord::default(); 1000];
    let small = Server::start(Limits { decoded_bytes: 100_000, ..Limits::default() }).await;
    assert_eq!(small.send(many).await.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(small.refused(), [("decoded_too_large", 1)]);
    assert_eq!(server.refused(), [("body_too_large", 1), ("decompressed_too_large", 2)]);
    assert_eq!(server.sink.attempts(), 0);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_an_invalid_argument() {
    let server = Server::start(Limits::default()).await;
    // A string that is not UTF-8 in a field that must be text: the metric's name lies where logs have a message.
    let codec = tonic_prost::ProstCodec::<pb_garbage::Garbage, ExportLogsServiceResponse>::default();
    let mut client = tonic::client::Grpc::new(server.channel.clone());
    client.ready().await.unwrap();
    let path = "/opentelemetry.proto.collector.logs.v1.LogsService/Export".parse().unwrap();
    let request = with_token(pb_garbage::Garbage { resource_logs: vec![0xff; 9] });
    let refused = client.unary(request, path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert_eq!(server.refused(), [("malformed", 1)]);
    assert_eq!(server.sink.attempts(), 0);
}

/// A message whose field 1 is arbitrary bytes where OTLP has a message.
mod pb_garbage {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Garbage {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) resource_logs: Vec<u8>,
    }
}

#[tokio::test]
async fn back_pressure_says_when_to_come_back() {
    let server = Server::start(Limits::default()).await;
    let busy = DeliveryError::Busy { reason: "wal", retry_after: Duration::from_secs(7) };
    for (error, seconds) in
        [(busy, 7), (DeliveryError::ShuttingDown, 5), (DeliveryError::Failed("x".into()), 30)]
    {
        server.sink.script(Script::Refuse(error));
        let refused = server.send(log_request(1)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
        let retry = refused.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(retry, Some(Duration::from_secs(seconds)));
    }
    let full = Server::start(Limits { requests: 0, ..Limits::default() }).await;
    let refused = full.send(log_request(1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some());
    assert_eq!(full.refused(), [("in_flight", 1)]);
}

#[tokio::test]
async fn a_numbered_delivery_is_applied_once() {
    let server = Server::start(Limits::default()).await;
    for _ in 0..2 {
        let mut request = with_token(log_request(2));
        request.metadata_mut().insert("parapet-source", "a".parse().unwrap());
        request.metadata_mut().insert("parapet-position", "9".parse().unwrap());
        server.logs().export(request).await.unwrap();
    }
    assert_eq!(server.sink.kept().len(), 1);
    assert_eq!(server.sink.kept()[0].source, Some((SourceId(0xa), 9)));
}

#[tokio::test]
async fn an_encoding_that_is_not_supported_is_answered_with_those_that_are() {
    let server = Server::start(Limits::default()).await;
    let mut request = with_token(log_request(1));
    request.metadata_mut().insert("grpc-encoding", "snappy".parse().unwrap());
    let refused = server.logs().export(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(refused.metadata().get("grpc-accept-encoding").unwrap(), "identity,gzip,zstd");
    assert_eq!(server.refused(), [("content_encoding", 1)]);
}

#[tokio::test]
async fn other_content_types_are_refused() {
    let server = Server::start(Limits::default()).await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let (_, router) = Receiver::grpc(options(&server.sink, Limits::default()));
    let address = serve(router).await;
    let request = http::Request::post(format!("http://{address}/anything"))
        .header("content-type", "application/json")
        .body(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")))
        .unwrap();
    let response = client.build_http().request(request).await.unwrap();
    assert_eq!(response.status(), 415);
}
