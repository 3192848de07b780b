//! Spans.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span as ProtoSpan, Status as ProtoStatus,
    span::{Event, Link as ProtoLink, SpanKind as ProtoKind},
    status::StatusCode as ProtoCode,
};

use super::{Decoded, Defect, Rejected, common};
use crate::{
    Batch, Grouped, Link, Span, SpanEvent, SpanId, SpanKind, Status, StatusCode, TraceId, UnixNanos,
};

/// The request's spans. A span without ids is refused; a link or parent that is no id is left out.
pub fn decode(request: ExportTraceServiceRequest, now: UnixNanos) -> Decoded {
    let mut groups = Vec::new();
    let mut rejected = Rejected::default();
    for ResourceSpans { resource, scope_spans, .. } in request.resource_spans {
        let resource = common::resource(resource);
        for ScopeSpans { scope, spans, .. } in scope_spans {
            let (resource, scope) = match (resource.clone(), common::scope(scope)) {
                (Ok(resource), Ok(scope)) => (resource, scope),
                (Err(defect), _) | (_, Err(defect)) => {
                    rejected.add(defect, spans.len());
                    continue;
                }
            };
            let mut records = Vec::with_capacity(spans.len());
            for proto in spans {
                match span(proto, now) {
                    Ok(span) => records.push(span),
                    Err(defect) => rejected.add(defect, 1),
                }
            }
            if !records.is_empty() {
                groups.push(Grouped { resource, scope, records });
            }
        }
    }
    Decoded { batch: Batch::Spans(groups), rejected }
}

/// The request that exports these spans.
pub fn encode(groups: &[Grouped<Span>]) -> ExportTraceServiceRequest {
    let resource_spans = common::runs(groups)
        .into_iter()
        .map(|(resource, run)| ResourceSpans {
            resource: common::proto_resource(resource),
            scope_spans: run
                .into_iter()
                .map(|group| ScopeSpans {
                    scope: common::proto_scope(&group.scope),
                    spans: group.records.iter().map(proto_span).collect(),
                    ..ScopeSpans::default()
                })
                .collect(),
            ..ResourceSpans::default()
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

fn span(proto: ProtoSpan, now: UnixNanos) -> Result<Span, Defect> {
    let end = common::time(proto.end_time_unix_nano)?;
    let start = common::time(proto.start_time_unix_nano)?.or(end).unwrap_or(now);
    let status = proto.status.unwrap_or_default();
    let mut events = Vec::with_capacity(proto.events.len());
    for event in proto.events {
        events.push(SpanEvent {
            time: common::time(event.time_unix_nano)?.unwrap_or(start),
            name: event.name,
            attributes: common::attributes(event.attributes)?,
        });
    }
    let mut links = Vec::with_capacity(proto.links.len());
    for link in proto.links {
        if let (Ok(trace_id), Ok(span_id)) =
            (TraceId::from_bytes(&link.trace_id), SpanId::from_bytes(&link.span_id))
        {
            links.push(Link { trace_id, span_id, attributes: common::attributes(link.attributes)? });
        }
    }
    Ok(Span {
        trace_id: TraceId::from_bytes(&proto.trace_id).map_err(|_| Defect::TraceId)?,
        span_id: SpanId::from_bytes(&proto.span_id).map_err(|_| Defect::SpanId)?,
        parent_span_id: SpanId::from_bytes(&proto.parent_span_id).ok(),
        trace_state: proto.trace_state,
        name: proto.name,
        kind: kind(proto.kind),
        start,
        end: end.map_or(start, |end| end.max(start)),
        status: Status { code: code(status.code), message: status.message },
        attributes: common::attributes(proto.attributes)?,
        events,
        links,
    })
}

fn proto_span(span: &Span) -> ProtoSpan {
    ProtoSpan {
        trace_id: span.trace_id.as_bytes().to_vec(),
        span_id: span.span_id.as_bytes().to_vec(),
        parent_span_id: span.parent_span_id.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        trace_state: span.trace_state.clone(),
        name: span.name.clone(),
        kind: proto_kind(span.kind) as i32,
        start_time_unix_nano: common::proto_time(span.start),
        end_time_unix_nano: common::proto_time(span.end),
        attributes: common::proto_attributes(&span.attributes),
        events: span
            .events
            .iter()
            .map(|event| Event {
                time_unix_nano: common::proto_time(event.time),
                name: event.name.clone(),
                attributes: common::proto_attributes(&event.attributes),
                dropped_attributes_count: 0,
            })
            .collect(),
        links: span
            .links
            .iter()
            .map(|link| ProtoLink {
                trace_id: link.trace_id.as_bytes().to_vec(),
                span_id: link.span_id.as_bytes().to_vec(),
                attributes: common::proto_attributes(&link.attributes),
                ..ProtoLink::default()
            })
            .collect(),
        status: Some(ProtoStatus {
            code: proto_code(span.status.code) as i32,
            message: span.status.message.clone(),
        }),
        ..ProtoSpan::default()
    }
}

fn kind(kind: i32) -> SpanKind {
    match ProtoKind::try_from(kind).unwrap_or_default() {
        ProtoKind::Unspecified => SpanKind::Unspecified,
        ProtoKind::Internal => SpanKind::Internal,
        ProtoKind::Server => SpanKind::Server,
        ProtoKind::Client => SpanKind::Client,
        ProtoKind::Producer => SpanKind::Producer,
        ProtoKind::Consumer => SpanKind::Consumer,
    }
}

fn proto_kind(kind: SpanKind) -> ProtoKind {
    match kind {
        SpanKind::Unspecified => ProtoKind::Unspecified,
        SpanKind::Internal => ProtoKind::Internal,
        SpanKind::Server => ProtoKind::Server,
        SpanKind::Client => ProtoKind::Client,
        SpanKind::Producer => ProtoKind::Producer,
        SpanKind::Consumer => ProtoKind::Consumer,
    }
}

fn code(code: i32) -> StatusCode {
    match ProtoCode::try_from(code).unwrap_or_default() {
        ProtoCode::Unset => StatusCode::Unset,
        ProtoCode::Ok => StatusCode::Ok,
        ProtoCode::Error => StatusCode::Error,
    }
}

fn proto_code(code: StatusCode) -> ProtoCode {
    match code {
        StatusCode::Unset => ProtoCode::Unset,
        StatusCode::Ok => ProtoCode::Ok,
        StatusCode::Error => ProtoCode::Error,
    }
}
