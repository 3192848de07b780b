//! Spans.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, TimestampMicrosecondBuilder};
use parapet_signal::{Grouped, Link, Span, SpanEvent};
use serde::Serialize;

use super::json::{AsJson, Scratch};
use super::shared::Shared;
use super::{Gate, Names, Texts};

/// The table's own columns, in the order of its schema.
pub(super) fn encode(groups: &[Grouped<Span>], gate: &mut Gate) -> Vec<ArrayRef> {
    let mut end = TimestampMicrosecondBuilder::new();
    let mut duration = Int64Builder::new();
    let mut trace_id = Texts::default();
    let mut span_id = Texts::default();
    let mut parent = Texts::default();
    let mut trace_state = Texts::default();
    let mut name = Names::default();
    let mut kind = Names::default();
    let mut status_code = Names::default();
    let mut status_message = Texts::default();
    let mut attributes = Texts::default();
    let mut events = Texts::default();
    let mut links = Texts::default();
    let mut shared = Shared::default();
    let mut scratch = [Scratch::default(), Scratch::default(), Scratch::default()];

    for group in groups {
        let mut kept = 0;
        for span in &group.records {
            let [attribute_scratch, event_scratch, link_scratch] = &mut scratch;
            let attribute_text = attribute_scratch.attributes(&span.attributes);
            let event_text = list(event_scratch, &span.events, EventJson::new);
            let link_text = list(link_scratch, &span.links, LinkJson::new);
            let bytes = attribute_text.len()
                + event_text.len()
                + link_text.len()
                + span.name.len()
                + span.trace_state.len()
                + span.status.message.len();
            if !gate.admits(span.start, bytes) {
                continue;
            }
            kept += 1;
            end.append_value(span.end.micros());
            duration.append_value(span.end.0.saturating_sub(span.start.0));
            trace_id.push_hex(Some(span.trace_id.as_bytes()));
            span_id.push_hex(Some(span.span_id.as_bytes()));
            parent.push_hex(span.parent_span_id.as_ref().map(|id| id.as_bytes().as_slice()));
            trace_state.push(&span.trace_state);
            name.push(&span.name);
            kind.push(span.kind.name());
            status_code.push(span.status.code.name());
            status_message.push(&span.status.message);
            attributes.push(attribute_text);
            events.push(event_text);
            links.push(link_text);
        }
        gate.charge(shared.push(&group.resource, &group.scope, kept));
    }

    let shared = shared.finish();
    vec![
        Arc::new(end.finish().with_timezone("UTC")),
        Arc::new(duration.finish()),
        trace_id.finish(),
        span_id.finish(),
        parent.finish(),
        trace_state.finish(),
        name.finish(),
        kind.finish(),
        status_code.finish(),
        status_message.finish(),
        shared.service,
        shared.namespace,
        shared.pod,
        shared.container,
        shared.host,
        attributes.finish(),
        shared.resource,
        shared.scope,
        events.finish(),
        links.finish(),
    ]
}

fn list<'s, 'a, T: 'a, J: Serialize>(
    scratch: &'s mut Scratch,
    items: &'a [T],
    json: fn(&'a T) -> J,
) -> &'s str {
    if items.is_empty() { "" } else { scratch.write(&items.iter().map(json).collect::<Vec<_>>()) }
}

#[derive(Serialize)]
struct EventJson<'a> {
    ts: String,
    name: &'a str,
    attributes: AsJson<&'a parapet_signal::Attributes>,
}

impl<'a> EventJson<'a> {
    fn new(event: &'a SpanEvent) -> Self {
        Self { ts: event.time.to_string(), name: &event.name, attributes: AsJson(&event.attributes) }
    }
}

#[derive(Serialize)]
struct LinkJson<'a> {
    trace_id: String,
    span_id: String,
    attributes: AsJson<&'a parapet_signal::Attributes>,
}

impl<'a> LinkJson<'a> {
    fn new(link: &'a Link) -> Self {
        Self {
            trace_id: link.trace_id.to_hex(),
            span_id: link.span_id.to_hex(),
            attributes: AsJson(&link.attributes),
        }
    }
}
