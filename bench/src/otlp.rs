//! OTLP requests as a sender makes them.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

/// The content type of OTLP/HTTP with protobuf.
pub const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

/// One log record to send.
#[derive(Clone, Debug)]
pub struct Record {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// Severity number.
    pub severity: i32,
    /// The line.
    pub body: String,
    /// Attributes.
    pub attributes: Vec<(&'static str, i64)>,
}

/// The protobuf body of an export request with these records of one service.
pub fn logs(service: &str, records: impl IntoIterator<Item = Record>) -> Bytes {
    let log_records = records
        .into_iter()
        .map(|record| LogRecord {
            time_unix_nano: record.time,
            observed_time_unix_nano: record.time,
            severity_number: record.severity,
            body: Some(text(record.body)),
            attributes: record
                .attributes
                .into_iter()
                .map(|(key, value)| attribute(key, integer(value)))
                .collect(),
            ..LogRecord::default()
        })
        .collect();
    let resource_logs = vec![ResourceLogs {
        resource: Some(Resource {
            attributes: vec![attribute("service.name", text(service.to_owned()))],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs { log_records, ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec().into()
}

/// How many records the answer to an export says were refused, and why.
pub fn rejected(answer: &[u8]) -> Result<Option<(i64, String)>, prost::DecodeError> {
    let answer = ExportLogsServiceResponse::decode(answer)?;
    Ok(answer
        .partial_success
        .filter(|partial| partial.rejected_log_records > 0)
        .map(|partial| (partial.rejected_log_records, partial.error_message)))
}

fn text(text: String) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(text)) }
}

fn integer(number: i64) -> AnyValue {
    AnyValue { value: Some(any_value::Value::IntValue(number)) }
}

fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}
