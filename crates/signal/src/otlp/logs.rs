//! Log records.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord as ProtoLogRecord, ResourceLogs, ScopeLogs};

use super::{Decoded, Defect, Rejected, common};
use crate::{Batch, Grouped, LogRecord, SeverityNumber, SpanId, TraceId, UnixNanos, Value};

/// The request's log records. Ids that are no ids are left out; the record stays.
pub fn decode(request: ExportLogsServiceRequest, now: UnixNanos) -> Decoded {
    let mut groups = Vec::new();
    let mut rejected = Rejected::default();
    for ResourceLogs { resource, scope_logs, .. } in request.resource_logs {
        let resource = common::resource(resource);
        for ScopeLogs { scope, log_records, .. } in scope_logs {
            let (resource, scope) = match (resource.clone(), common::scope(scope)) {
                (Ok(resource), Ok(scope)) => (resource, scope),
                (Err(defect), _) | (_, Err(defect)) => {
                    rejected.add(defect, log_records.len());
                    continue;
                }
            };
            let mut records = Vec::with_capacity(log_records.len());
            for proto in log_records {
                match record(proto, now) {
                    Ok(record) => records.push(record),
                    Err(defect) => rejected.add(defect, 1),
                }
            }
            if !records.is_empty() {
                groups.push(Grouped { resource, scope, records });
            }
        }
    }
    Decoded { batch: Batch::Logs(groups), rejected }
}

/// The request that exports these log records.
pub fn encode(groups: &[Grouped<LogRecord>]) -> ExportLogsServiceRequest {
    let resource_logs = common::runs(groups)
        .into_iter()
        .map(|(resource, run)| ResourceLogs {
            resource: common::proto_resource(resource),
            scope_logs: run
                .into_iter()
                .map(|group| ScopeLogs {
                    scope: common::proto_scope(&group.scope),
                    log_records: group.records.iter().map(proto_record).collect(),
                    ..ScopeLogs::default()
                })
                .collect(),
            ..ResourceLogs::default()
        })
        .collect();
    ExportLogsServiceRequest { resource_logs }
}

fn record(proto: ProtoLogRecord, now: UnixNanos) -> Result<LogRecord, Defect> {
    let observed_time = common::time(proto.observed_time_unix_nano)?.unwrap_or(now);
    Ok(LogRecord {
        time: common::time(proto.time_unix_nano)?.unwrap_or(observed_time),
        observed_time,
        severity_number: SeverityNumber::from_number(proto.severity_number),
        severity_text: proto.severity_text,
        body: common::value(proto.body)?,
        event_name: proto.event_name,
        attributes: common::attributes(proto.attributes)?,
        trace_id: TraceId::from_bytes(&proto.trace_id).ok(),
        span_id: SpanId::from_bytes(&proto.span_id).ok(),
    })
}

fn proto_record(record: &LogRecord) -> ProtoLogRecord {
    ProtoLogRecord {
        time_unix_nano: common::proto_time(record.time),
        observed_time_unix_nano: common::proto_time(record.observed_time),
        severity_number: i32::from(record.severity_number.number()),
        severity_text: record.severity_text.clone(),
        body: if record.body == Value::Null { None } else { common::proto_value(&record.body) },
        event_name: record.event_name.clone(),
        attributes: common::proto_attributes(&record.attributes),
        trace_id: record.trace_id.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        span_id: record.span_id.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        ..ProtoLogRecord::default()
    }
}
