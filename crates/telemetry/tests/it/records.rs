//! Events and spans arrive with their fields, ids and times.

use parapet_signal::{Attributes, Batch, SeverityNumber, SpanKind, StatusCode, UnixNanos, Value};
use tracing::{error, info, info_span};

use crate::support::{deliver_now, logs, received, recorder, sink, spans, stepping_clock};

#[tokio::test]
async fn an_event_arrives_with_level_message_and_fields() {
    let (recorder, _, _guard) = recorder(stepping_clock());
    let source = std::io::Error::other("disk gone");
    error!(target: "parapet_server::login", user = "ops", attempt = 3_u64, ok = false, share = 0.5,
        error = &source as &dyn std::error::Error, path = ?["a"], "login failed");
    let (sink, mut batches) = sink([], || ());
    deliver_now(&recorder, sink).await;

    let batches = received(&mut batches);
    let [Batch::Logs(groups)] = batches.as_slice() else { panic!("{batches:?}") };
    assert_eq!(groups[0].scope.name, "parapet_server::login");
    assert_eq!(groups[0].resource.attributes.get_str("service.name"), Some("parapet"));
    let mut log = groups[0].records[0].clone();
    assert_eq!(log.attributes.remove("code.file.path"), Some(Value::from(file!())));
    assert!(log.attributes.remove("code.line.number").is_some());
    assert_eq!((log.severity_number, log.severity_text.as_str()), (SeverityNumber::ERROR, "ERROR"));
    assert_eq!(log.body, Value::from("login failed"));
    assert_eq!(
        log.attributes,
        Attributes::new()
            .with("user", "ops")
            .with("attempt", 3)
            .with("ok", false)
            .with("share", 0.5)
            .with("error", "disk gone")
            .with("path", "[\"a\"]")
    );
    assert_eq!((log.time, log.trace_id), (UnixNanos(2_000_000_000), None));
}

#[tokio::test]
async fn nested_spans_share_a_trace_and_their_events_carry_it() {
    let (recorder, _, _guard) = recorder(stepping_clock());
    info_span!("request", otel.kind = "server", otel.name = "GET /logs", status = tracing::field::Empty)
        .in_scope(|| {
            info_span!("query", table = "logs").in_scope(|| error!("too many rows"));
            tracing::Span::current().record("status", 422);
        });
    info_span!("other").in_scope(|| info!("elsewhere"));
    let (sink, mut batches) = sink([], || ());
    deliver_now(&recorder, sink).await;

    let batches = received(&mut batches);
    let spans = spans(&batches);
    let [query, request, other] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((query.name.as_str(), request.name.as_str()), ("query", "GET /logs"));
    assert_eq!(query.parent_span_id, Some(request.span_id));
    assert_eq!((request.parent_span_id, request.kind), (None, SpanKind::Server));
    assert_eq!(query.trace_id, request.trace_id);
    assert_ne!(other.trace_id, request.trace_id);
    assert_eq!(query.attributes, Attributes::new().with("table", "logs"));
    assert_eq!(request.attributes, Attributes::new().with("status", 422));
    assert_eq!((query.status.code, query.status.message.as_str()), (StatusCode::Error, "too many rows"));
    assert_eq!(request.status.code, StatusCode::Unset);
    assert!(request.start < query.start && query.start < query.end && query.end < request.end);

    let logs = logs(&batches);
    assert_eq!((logs[0].trace_id, logs[0].span_id), (Some(query.trace_id), Some(query.span_id)));
    assert_eq!((logs[1].trace_id, logs[1].span_id), (Some(other.trace_id), Some(other.span_id)));
}

#[tokio::test]
async fn a_span_that_follows_another_links_to_it() {
    let (recorder, _, _guard) = recorder(stepping_clock());
    let first = info_span!("first");
    let second = info_span!(parent: None, "second");
    second.follows_from(&first);
    drop((second, first));
    let (sink, mut batches) = sink([], || ());
    deliver_now(&recorder, sink).await;
    let spans = spans(&received(&mut batches));
    assert_eq!((spans[0].name.as_str(), spans[1].name.as_str()), ("second", "first"));
    assert_eq!(
        (spans[0].links[0].trace_id, spans[0].links[0].span_id),
        (spans[1].trace_id, spans[1].span_id)
    );
}
