//! API-gateway traffic events.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Int32Builder, Int64Builder};
use parapet_signal::TrafficEvent;

use super::{Gate, Names, Texts};

/// The table's own columns, in the order of its schema.
pub(super) fn encode(events: &[TrafficEvent], gate: &mut Gate) -> Vec<ArrayRef> {
    let kept: Vec<_> = events.iter().filter(|event| gate.admits(event.time, text_bytes(event))).collect();
    let names = |field: fn(&TrafficEvent) -> Option<&str>| -> ArrayRef {
        let mut column = Names::default();
        kept.iter().for_each(|event| column.push_option(field(event)));
        column.finish()
    };
    let texts = |field: fn(&TrafficEvent) -> Option<&str>| -> ArrayRef {
        let mut column = Texts::default();
        kept.iter().for_each(|event| column.push_option(field(event)));
        column.finish()
    };
    let i32s = |field: fn(&TrafficEvent) -> Option<i32>| -> ArrayRef {
        let mut column = Int32Builder::with_capacity(kept.len());
        kept.iter().for_each(|event| column.append_option(field(event)));
        Arc::new(column.finish())
    };
    let i64s = |field: fn(&TrafficEvent) -> Option<i64>| -> ArrayRef {
        let mut column = Int64Builder::with_capacity(kept.len());
        kept.iter().for_each(|event| column.append_option(field(event)));
        Arc::new(column.finish())
    };
    let mut monitored = BooleanBuilder::with_capacity(kept.len());
    let mut trace_id = Texts::default();
    for event in &kept {
        monitored.append_option(event.monitored);
        trace_id.push_hex(event.trace_id.as_ref().map(|id| id.as_bytes().as_slice()));
    }

    vec![
        texts(|e| Some(&e.correlation_id)),
        names(|e| Some(e.kind.name())),
        i32s(|e| e.leg),
        names(|e| e.gateway_name.as_deref()),
        names(|e| e.gateway_region.as_deref()),
        names(|e| e.hostname.as_deref()),
        names(|e| e.group_id.as_deref()),
        names(|e| e.group_name.as_deref()),
        names(|e| e.service_id.as_deref()),
        names(|e| e.gateway_version.as_deref()),
        texts(|e| e.path.as_deref()),
        names(|e| e.protocol.as_deref()),
        names(|e| e.protocol_src.as_deref()),
        names(|e| e.final_status.as_deref()),
        names(|e| e.service.as_deref()),
        names(|e| e.operation.as_deref()),
        names(|e| e.app.as_deref()),
        names(|e| e.app_org.as_deref()),
        Arc::new(monitored.finish()),
        i64s(|e| e.duration_ms),
        i32s(|e| e.http_status),
        names(|e| e.http_method.as_deref()),
        names(|e| e.http_vhost.as_deref()),
        i64s(|e| e.bytes_sent),
        i64s(|e| e.bytes_received),
        names(|e| e.remote_addr.as_deref()),
        names(|e| e.local_addr.as_deref()),
        names(|e| e.auth_subject_id.as_deref()),
        trace_id.finish(),
        texts(|e| Some(&e.event)),
    ]
}

/// The texts of which one can be long; the others come out of the same line, which bounds them too.
fn text_bytes(event: &TrafficEvent) -> usize {
    let path = event.path.as_ref().map_or(0, String::len);
    event.event.len() + path + event.correlation_id.len()
}
