//! Log records.

use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMicrosecondBuilder, UInt8Builder};
use parapet_signal::{Grouped, LogRecord};

use super::json::Scratch;
use super::shared::Shared;
use super::{Gate, Names, Texts};

/// The table's own columns, in the order of its schema.
pub(super) fn encode(groups: &[Grouped<LogRecord>], gate: &mut Gate) -> Vec<ArrayRef> {
    let mut observed = TimestampMicrosecondBuilder::new();
    let mut severity_number = UInt8Builder::new();
    let mut severity_text = Names::default();
    let mut body = Texts::default();
    let mut event_name = Names::default();
    let mut trace_id = Texts::default();
    let mut span_id = Texts::default();
    let mut attributes = Texts::default();
    let mut shared = Shared::default();
    let (mut body_scratch, mut attribute_scratch) = (Scratch::default(), Scratch::default());

    for group in groups {
        let mut kept = 0;
        for record in &group.records {
            let body_text = body_scratch.body(&record.body);
            let attribute_text = attribute_scratch.attributes(&record.attributes);
            let bytes =
                body_text.len() + attribute_text.len() + record.severity_text.len() + record.event_name.len();
            if !gate.admits(record.time, bytes) {
                continue;
            }
            kept += 1;
            observed.append_value(record.observed_time.micros());
            severity_number.append_value(record.severity_number.number());
            severity_text.push(&record.severity_text);
            // An empty line is a line: the only column that keeps empty strings.
            body.0.append_value(body_text);
            event_name.push(&record.event_name);
            trace_id.push_hex(record.trace_id.as_ref().map(|id| id.as_bytes().as_slice()));
            span_id.push_hex(record.span_id.as_ref().map(|id| id.as_bytes().as_slice()));
            attributes.push(attribute_text);
        }
        gate.charge(shared.push(&group.resource, &group.scope, kept));
    }

    let shared = shared.finish();
    vec![
        Arc::new(observed.finish().with_timezone("UTC")),
        Arc::new(severity_number.finish()),
        severity_text.finish(),
        body.finish(),
        event_name.finish(),
        shared.service,
        shared.namespace,
        shared.pod,
        shared.pod_uid,
        shared.container,
        shared.host,
        trace_id.finish(),
        span_id.finish(),
        attributes.finish(),
        shared.resource,
        shared.scope,
    ]
}
