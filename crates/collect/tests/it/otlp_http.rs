//! OTLP/HTTP over a real socket, with a client that can misbehave.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use parapet_collect::otlp::{Limits, Receiver};
use parapet_signal::{
    Batch, DeliveryError, Receipt, Refusal, RefusedRows, SourceId, Value, otlp::decode_logs,
};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic_types::pb;

use crate::support::{NOW, RecordingSink, Script, TOKEN, options, serve};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn status_message(&self) -> (i32, String) {
        match self.headers["content-type"].to_str().unwrap() {
            "application/x-protobuf" => {
                let status = pb::Status::decode(self.body.clone()).unwrap();
                (status.code, status.message)
            }
            "application/json" => {
                let status: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
                (status["code"].as_i64().unwrap() as i32, status["message"].as_str().unwrap().to_owned())
            }
            other => panic!("{other}"),
        }
    }
}

struct Server {
    sink: Arc<RecordingSink>,
    receiver: Receiver,
    base: String,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let (receiver, router) = Receiver::http(options(&sink, limits));
        let base = format!("http://{}", serve(router).await);
        Self { sink, receiver, base }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::post(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn protobuf(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.post(path, &[PROTOBUF, AUTH], body).await
    }

    fn refused(&self) -> Vec<(&'static str, u64)> {
        self.receiver.status().refused.iter().map(|refused| (refused.reason, refused.count)).collect()
    }
}

const AUTH: (&str, &str) = ("authorization", TOKEN);
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

fn log_request(count: usize) -> ExportLogsServiceRequest {
    let record = LogRecord { severity_text: "INFO".into(), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record; count], ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

fn empty_records(count: usize) -> ExportLogsServiceRequest {
    let scope_logs =
        vec![ScopeLogs { log_records: vec![LogRecord::default(); count], ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn protobuf_plain_gzip_and_zstd_arrive_and_are_answered_in_protobuf() {
    let server = Server::start(Limits::default()).await;
    let body = log_request(3).encode_to_vec();
    let plain = server.protobuf("/v1/logs", body.clone()).await;
    let zipped = server.post("/v1/logs", &[PROTOBUF, AUTH, ("content-encoding", "gzip")], gzip(&body)).await;
    let zstd = zstd::encode_all(body.as_slice(), 3).unwrap();
    let zstd = server.post("/v1/logs", &[PROTOBUF, AUTH, ("content-encoding", "zstd")], zstd).await;
    for answer in [plain, zipped, zstd] {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/x-protobuf");
        let response = ExportLogsServiceResponse::decode(answer.body).unwrap();
        assert_eq!(response.partial_success, None);
    }
    let expect = decode_logs(log_request(3), NOW).batch;
    let kept = server.sink.kept();
    assert_eq!(kept.len(), 3);
    for delivery in kept {
        assert_eq!((delivery.source, delivery.batch), (None, expect.clone()));
    }
    let status = server.receiver.status();
    assert_eq!((status.accepted_total, status.refused), (9, vec![]));
}

#[tokio::test]
async fn a_large_body_is_decoded_off_the_reactor_and_arrives_whole() {
    let server = Server::start(Limits::default()).await;
    let answer = server.protobuf("/v1/logs", log_request(20_000).encode_to_vec()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(server.sink.kept()[0].batch.len(), 20_000);
}

#[tokio::test]
async fn json_as_sdks_write_it_arrives_and_is_answered_in_json() {
    let server = Server::start(Limits::default()).await;
    let body = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}],
        "droppedAttributesCount":0},"scopeLogs":[{"scope":{"name":"s","version":"1"},"logRecords":[
        {"timeUnixNano":"1700000000000000001","observedTimeUnixNano":1700000000000000002,"severityNumber":9,
         "severityText":"INFO","body":{"stringValue":"hi"},"attributes":[{"key":"n","value":{"intValue":"7"}},
         {"key":"m","value":{"intValue":8}},{"key":"l","value":{"arrayValue":{"values":[{"boolValue":true}]}}}],
         "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","unknownField":{"x":[1]}}]}]}]}"#;
    let answer =
        server.post("/v1/logs", &[("content-type", "application/json; charset=utf-8"), AUTH], body).await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, b"{}".as_ref()));
    assert_eq!(answer.headers["content-type"], "application/json");
    let Batch::Logs(groups) = &server.sink.kept()[0].batch else { panic!() };
    let record = &groups[0].records[0];
    assert_eq!(groups[0].resource.attributes.get_str("service.name"), Some("shop"));
    assert_eq!((record.time.0, record.body.as_str()), (1_700_000_000_000_000_001, Some("hi")));
    assert_eq!(record.attributes.get("n"), Some(&Value::Int(7)));
    assert_eq!(record.trace_id.unwrap().to_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");

    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[
        {"name":"a","gauge":{"dataPoints":[{"asDouble":1.5,"timeUnixNano":"1"}]}},
        {"name":"b","sum":{"dataPoints":[{"asInt":"3"}],"aggregationTemporality":2,"isMonotonic":true}},
        {"name":"c","histogram":{"dataPoints":[{"count":"2","sum":3,"bucketCounts":["1","1"],"explicitBounds":[1]}],
        "aggregationTemporality":1}},
        {"name":"d","exponentialHistogram":{"dataPoints":[{"count":2,"scale":1,"zeroCount":1,
        "positive":{"offset":-1,"bucketCounts":["1"]}}],"aggregationTemporality":1}},
        {"name":"e","summary":{"dataPoints":[{"count":"1","sum":1,"quantileValues":[{"quantile":0.5,"value":1}]}]}}
        ]}]}]}"#;
    let answer = server.post("/v1/metrics", &[JSON, AUTH], metrics).await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, b"{}".as_ref()));
    assert_eq!(server.sink.kept()[1].batch.len(), 5);
}

#[tokio::test]
async fn an_empty_request_is_a_success_and_delivers_nothing() {
    let server = Server::start(Limits::default()).await;
    assert_eq!(server.protobuf("/v1/traces", "").await.status, StatusCode::OK);
    assert_eq!(server.post("/v1/metrics", &[JSON, AUTH], "{}").await.status, StatusCode::OK);
    assert_eq!(server.sink.attempts(), 0);
}

#[tokio::test]
async fn tokens_are_asked_for_before_the_body_is_read() {
    let server = Server::start(Limits::default()).await;
    let check = async |auth: Option<&str>, expect, reason| {
        let mut headers = vec![PROTOBUF];
        headers.extend(auth.map(|token| ("authorization", token)));
        let answer = server.post("/v1/logs", &headers, log_request(1).encode_to_vec()).await;
        assert_eq!(answer.status, expect);
        assert!(server.refused().contains(&(reason, 1)), "{:?}", server.refused());
        assert!(!answer.status_message().1.is_empty());
        answer
    };
    let answer = check(None, StatusCode::UNAUTHORIZED, "no_token").await;
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert_eq!(answer.status_message().0, tonic::Code::Unauthenticated as i32);
    check(Some("Bearer ppt_a_bad"), StatusCode::UNAUTHORIZED, "invalid_token").await;
    check(Some("Bearer ppt_a_reader"), StatusCode::FORBIDDEN, "forbidden").await;

    // The head of a request whose body never comes is answered all the same.
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head =
        "POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    assert_eq!(server.sink.attempts(), 0);
}

#[tokio::test]
async fn bad_bodies_are_refused_counted_and_keep_nothing() {
    let limits =
        Limits { body_bytes: 4096, decompressed_bytes: 65_536, decoded_bytes: 200_000, ..Limits::default() };
    let server = Server::start(limits).await;
    let body = log_request(3).encode_to_vec();
    let bomb = gzip(&vec![0; 1 << 20]);
    assert!(bomb.len() < 4096);
    let check = async |headers: &[(&str, &str)], body: Vec<u8>, expect: u16, reason: &str| {
        let mut headers = headers.to_vec();
        headers.push(AUTH);
        let answer = server.post("/v1/logs", &headers, body).await;
        assert_eq!(answer.status, expect, "{reason}");
        assert_eq!(
            server.refused().iter().find(|(name, _)| *name == reason).map(|(_, n)| *n),
            Some(1),
            "{reason}"
        );
        let (code, message) = answer.status_message();
        assert!(code > 0 && !message.is_empty());
        assert!(!answer.headers.contains_key("retry-after"));
    };
    let zip = ("content-encoding", "gzip");
    check(&[PROTOBUF], vec![0; 4097], 413, "body_too_large").await;
    check(&[PROTOBUF, zip], bomb, 413, "decompressed_too_large").await;
    let empty = ExportLogsServiceRequest::encode_to_vec(&empty_records(1500));
    check(&[PROTOBUF], empty, 413, "decoded_too_large").await;
    check(&[PROTOBUF], body[..body.len() - 2].to_vec(), 400, "malformed").await;
    check(&[PROTOBUF, zip], gzip(&body)[..20].to_vec(), 400, "compression").await;
    check(&[("content-type", "text/plain")], body.clone(), 415, "content_type").await;
    check(&[PROTOBUF, ("content-encoding", "br")], body.clone(), 415, "content_encoding").await;
    check(&[PROTOBUF, ("parapet-source", "ff")], body.clone(), 400, "source_headers").await;
    let answer = server.post("/v1/logs", &[AUTH], body).await;
    assert_eq!(answer.status, 415);
    let answer = server.post("/v1/logs", &[JSON, AUTH], r#"{"resourceLogs":[{"#).await;
    assert_eq!(
        (answer.status.as_u16(), answer.status_message().0),
        (400, tonic::Code::InvalidArgument as i32)
    );
    let deep = format!("{}1{}", r#"{"resourceLogs":["#.repeat(5_00), "]}".repeat(500));
    let answer = server.post("/v1/logs", &[JSON, AUTH], deep[..4000].to_owned()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(server.sink.attempts(), 0);
    assert_eq!(server.receiver.status().accepted_total, 0);
}

#[tokio::test]
async fn a_body_that_does_not_come_holds_its_place_for_a_while_only() {
    let server = Server::start(Limits { body_time: Duration::from_millis(20), ..Limits::default() }).await;
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: a\r\nauthorization: {TOKEN}\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(server.refused(), [("slow", 1)]);
}

#[tokio::test]
async fn a_body_cut_off_by_the_sender_keeps_nothing() {
    let server = Server::start(Limits::default()).await;
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: a\r\nauthorization: {TOKEN}\r\ncontent-type: application/x-protobuf\r\n\
         content-length: 1000\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    assert_eq!(server.sink.attempts(), 0);
}

#[tokio::test]
async fn partial_success_names_how_many_and_why() {
    let server = Server::start(Limits::default()).await;
    let good = Span { trace_id: vec![1; 16], span_id: vec![1; 8], ..Span::default() };
    let spans = vec![good.clone(), Span { trace_id: vec![], ..good.clone() }, good];
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let refused = vec![RefusedRows { refusal: Refusal::OlderThanRetention, rows: 1 }];
    server.sink.script(Script::Receipt(Receipt { kept: 1, refused }));
    let answer = server.protobuf("/v1/traces", body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let partial = ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 2);
    assert_eq!(
        partial.error_message,
        "1 record: the trace id is not 16 bytes, or all zero; 1 record: older than the retention of this table"
    );
    let status = server.receiver.status();
    assert_eq!(status.accepted_total, 1);
    assert_eq!(server.refused(), [("invalid_trace_id", 1), ("older_than_retention", 1)]);
}

#[tokio::test]
async fn back_pressure_says_when_to_come_back() {
    let server = Server::start(Limits::default()).await;
    let busy = DeliveryError::Busy { reason: "wal", retry_after: Duration::from_millis(2500) };
    for (error, retry_after) in
        [(busy, "3"), (DeliveryError::ShuttingDown, "5"), (DeliveryError::Failed("disk".into()), "30")]
    {
        server.sink.script(Script::Refuse(error));
        let answer = server.protobuf("/v1/logs", log_request(1).encode_to_vec()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers["retry-after"], retry_after);
        assert_eq!(answer.status_message().0, tonic::Code::Unavailable as i32);
    }
    assert_eq!(server.refused(), [("shutting_down", 1), ("storage_failed", 1), ("wal", 1)]);
    assert_eq!(server.sink.kept(), []);
}

#[tokio::test]
async fn what_is_under_way_is_bounded() {
    let body = log_request(10).encode_to_vec();
    let server = Server::start(Limits { requests: 0, ..Limits::default() }).await;
    let answer = server.protobuf("/v1/logs", body.clone()).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (429, &"1".parse().unwrap()));
    // As sent and as decoded, it all counts, and is given back when the request was answered.
    let server = Server::start(Limits { bytes_in_flight: body.len() + 4096, ..Limits::default() }).await;
    assert_eq!(server.protobuf("/v1/logs", body.clone()).await.status, 200);
    assert_eq!(server.protobuf("/v1/logs", body.clone()).await.status, 200);
    let large = log_request(100).encode_to_vec();
    assert!(large.len() < 4096);
    assert_eq!(server.protobuf("/v1/logs", large).await.status, 429);
    assert_eq!(server.refused(), [("in_flight", 1)]);
}

#[tokio::test]
async fn a_numbered_delivery_is_applied_once() {
    let server = Server::start(Limits::default()).await;
    let numbered = [PROTOBUF, AUTH, ("parapet-source", "00000000000000ff"), ("parapet-position", "42")];
    for _ in 0..2 {
        let answer = server.post("/v1/logs", &numbered, log_request(2).encode_to_vec()).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let kept = server.sink.kept();
    assert_eq!((kept.len(), kept[0].source), (1, Some((SourceId(0xff), 42))));
    assert_eq!(server.receiver.status().accepted_total, 2);
}
