//! OTLP requests of anybody's, protobuf and JSON: never a panic, and no record appears from nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use parapet_signal::{UnixNanos, otlp};
use prost::Message;
use serde::de::DeserializeOwned;

fn parse<T: Message + Default + DeserializeOwned>(json: bool, body: &[u8]) -> Option<T> {
    if json { serde_json::from_slice(body).ok() } else { T::decode(body).ok() }
}

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (signal, json, body) = input;
    let now = UnixNanos::default();
    match signal % 3 {
        0 => {
            if let Some(request) = parse::<ExportLogsServiceRequest>(json, body) {
                let sent: usize = request
                    .resource_logs
                    .iter()
                    .flat_map(|resource| &resource.scope_logs)
                    .map(|scope| scope.log_records.len())
                    .sum();
                let decoded = otlp::decode_logs(request, now);
                assert_eq!(decoded.batch.len() as u64 + decoded.rejected.total(), sent as u64);
            }
        }
        1 => {
            if let Some(request) = parse::<ExportTraceServiceRequest>(json, body) {
                let sent: usize = request
                    .resource_spans
                    .iter()
                    .flat_map(|resource| &resource.scope_spans)
                    .map(|scope| scope.spans.len())
                    .sum();
                let decoded = otlp::decode_spans(request, now);
                assert_eq!(decoded.batch.len() as u64 + decoded.rejected.total(), sent as u64);
            }
        }
        _ => {
            if let Some(request) = parse::<ExportMetricsServiceRequest>(json, body) {
                otlp::decode_metrics(request, now);
            }
        }
    }
});
