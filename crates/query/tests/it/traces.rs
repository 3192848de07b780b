//! Lists of traces whose spans are spread over hours, flushes and arrivals.

use std::sync::Arc;
use std::time::Duration;

use parapet_query::{Blame, Filter, TraceQuery};
use parapet_signal::{
    Attributes, Batch, Grouped, Resource, Scope, Span, SpanId, SpanKind, Status, StatusCode, TraceId,
};

use crate::harness::*;

fn id(number: u64) -> TraceId {
    TraceId::from_bytes(&u128::from(number + 1).to_be_bytes()).unwrap()
}

/// One span of a trace: number 0 is the root.
fn span(trace: u64, number: u64, ts: i64, service: &str) -> Grouped<Span> {
    let span_id = |number: u64| SpanId::from_bytes(&(number + 1).to_be_bytes()).unwrap();
    let error = trace.is_multiple_of(5) && number == 1;
    let span = Span {
        trace_id: id(trace),
        span_id: span_id(number),
        parent_span_id: (number > 0).then(|| span_id(0)),
        trace_state: String::new(),
        name: if number == 0 { format!("GET /{trace}") } else { format!("step {number}") },
        kind: SpanKind::Server,
        start: at(ts),
        end: at(ts).saturating_add(Duration::from_millis(10 * (trace + 1))),
        status: Status {
            code: if error { StatusCode::Error } else { StatusCode::Unset },
            message: String::new(),
        },
        attributes: Attributes::new().with("number", number as i64),
        events: vec![],
        links: vec![],
    };
    let resource = Resource { attributes: Attributes::new().with("service.name", service) };
    Grouped { resource: Arc::new(resource), scope: Arc::new(Scope::default()), records: vec![span] }
}

/// Forty traces over three hours. Each has a root, then a child up to an hour and a half later; children arrive first.
fn batches() -> Vec<Batch> {
    let start = |trace: u64| (trace as i64 * 13 % 40) * 270 * SECOND;
    let children = (0..40).map(|t| span(t, 1, start(t) + (t as i64 % 4) * 1_800 * SECOND, "back"));
    let roots = (0..40).map(|t| span(t, 0, start(t), "front"));
    let spans: Vec<_> = children.chain(roots).collect();
    spans.chunks(16).map(|chunk| Batch::Spans(chunk.to_vec())).collect()
}

fn by_start() -> Vec<String> {
    let mut traces: Vec<_> = (0..40_u64).collect();
    traces.sort_by_key(|trace| std::cmp::Reverse(*trace * 13 % 40));
    traces.into_iter().map(|trace| id(trace).to_hex()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trace_is_listed_once_newest_first_wherever_its_spans_are() {
    for place in Place::ALL {
        let bench = Bench::fill(place, batches()).await;
        let query = |cursor| TraceQuery { limit: 7, cursor, ..TraceQuery::new(range(0, 6 * HOUR)) };
        let mut turn = 0;
        let rows = all_pages(|cursor| {
            turn += 1;
            let bench = &bench;
            let late = span(turn % 40, 2, 5 * HOUR, "late");
            async move {
                let page = bench.engine.traces_page(query(cursor)).await.unwrap();
                // A span that arrives between pages moves no trace out of its place.
                bench.deliver(Batch::Spans(vec![late])).await;
                if place == Place::Both {
                    bench.store.flush().unwrap();
                }
                page
            }
        })
        .await;
        let ids: Vec<_> = rows.iter().map(|row| row.trace_id.clone()).collect();
        assert_eq!(ids, by_start(), "{place:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_trace_has_its_root_counts_and_services() {
    let trace =
        [span(5, 1, 20 * SECOND, "back"), span(5, 0, 10 * SECOND, "front"), span(5, 2, 15 * SECOND, "back")];
    let bench =
        Bench::fill(Place::Both, trace.into_iter().map(|span| Batch::Spans(vec![span])).collect()).await;
    let page = bench.engine.traces_page(TraceQuery::new(range(0, HOUR))).await.unwrap();
    let [row] = page.rows.as_slice() else { panic!("{page:?}") };
    assert_eq!((row.ts.as_str(), row.root_name.as_str()), (text(10 * SECOND).as_str(), "GET /5"));
    assert_eq!(row.root_service.as_deref(), Some("front"));
    assert_eq!((row.span_count, row.error_count, row.duration_ms), (3, 1, 10_060.0));
    assert_eq!(row.services, ["back", "front"]);

    let trace = bench.engine.trace(&row.trace_id).await.unwrap().unwrap();
    let names: Vec<_> = trace.spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["GET /5", "step 2", "step 1"]);
    assert_eq!((trace.spans[0].parent_span_id.as_deref(), trace.truncated), (None, false));
    assert_eq!(trace.spans[2].status_code.as_deref(), Some("error"));
    assert_eq!(trace.spans[1].attributes, serde_json::json!({"number": 2}));
    assert_eq!(trace.spans[1].duration_ns, 60_000_000);
    assert!(bench.engine.trace(&id(77).to_hex()).await.unwrap().is_none());
    assert_eq!(bench.engine.trace("no id").await.unwrap_err().blame(), Blame::Malformed);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_of_one_span() {
    let bench = Bench::fill(Place::Both, batches()).await;
    let base = || TraceQuery { limit: 100, ..TraceQuery::new(range(0, 6 * HOUR)) };
    let count = async |query: TraceQuery| bench.engine.traces_page(query).await.unwrap().rows.len();
    assert_eq!(count(TraceQuery { errors_only: true, ..base() }).await, 8);
    assert_eq!(count(TraceQuery { errors_only: true, service: Some("front".into()), ..base() }).await, 0);
    assert_eq!(count(TraceQuery { service: Some("back".into()), ..base() }).await, 40);
    assert_eq!(count(TraceQuery { name: Some("get /1".into()), ..base() }).await, 11);
    assert_eq!(count(TraceQuery { min_duration_ms: Some(200), ..base() }).await, 21);
    assert_eq!(count(TraceQuery { range: range(0, 271 * SECOND), ..base() }).await, 2);
    let filter = |field: &str, value: i64| Some(Filter::eq(field, value));
    assert_eq!(count(TraceQuery { filter: filter("attributes.number", 1), ..base() }).await, 40);
    assert_eq!(count(TraceQuery { filter: filter("attributes.number", 2), ..base() }).await, 0);
    // Only roots have both: conditions are met by one span, not by a trace's spans together.
    let front = || Filter::eq("resource.service.name", "front");
    let both = |number: i64| Some(Filter::And(vec![front(), Filter::eq("attributes.number", number)]));
    assert_eq!(count(TraceQuery { filter: both(0), ..base() }).await, 40);
    assert_eq!(count(TraceQuery { filter: both(1), ..base() }).await, 0);
    let not_front = Some(Filter::Not(Box::new(front())));
    assert_eq!(count(TraceQuery { filter: not_front, errors_only: true, ..base() }).await, 8);
}
