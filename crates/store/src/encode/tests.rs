use arrow::array::{Array as _, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt8Type};
use parapet_signal::{
    Attributes, Grouped, LogRecord, Metric, MetricData, Number, Point, PointValue, Resource, Scope,
    SeverityNumber, Span, SpanEvent, SpanKind, Status, StatusCode, Temporality, TraceId, TrafficEvent,
    TrafficKind,
};

use super::*;

const NOW: UnixNanos = UnixNanos(1_781_600_000_000_000_000);

fn limits() -> Limits {
    Limits { now: NOW, retention: Duration::from_secs(86_400), row_bytes: 1 << 20, delivery_bytes: 1 << 24 }
}

/// A column as text, `-` for null.
fn texts(rows: &RecordBatch, column: &str) -> Vec<String> {
    let column = cast(rows.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|text| text.unwrap_or("-").to_owned()).collect()
}

fn group<T>(attributes: Attributes, records: Vec<T>) -> Grouped<T> {
    Grouped { resource: Arc::new(Resource { attributes }), scope: Arc::new(Scope::default()), records }
}

fn log(body: &str) -> LogRecord {
    LogRecord { time: NOW, observed_time: NOW, body: body.into(), ..LogRecord::default() }
}

#[test]
fn log_records_become_rows_and_empty_is_null_except_in_the_body() {
    let record = LogRecord {
        severity_number: SeverityNumber::WARN,
        severity_text: "warn".into(),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap()),
        attributes: Attributes::new().with("n", 1),
        ..log("hello")
    };
    let late = LogRecord { time: UnixNanos(0), ..log("late") };
    let shop = Attributes::new().with("service.name", "shop").with("k8s.pod.name", "shop-1");
    let batch = Batch::Logs(vec![
        group(shop, vec![record, late, log("")]),
        group(Attributes::new(), vec![log("other")]),
    ]);
    let Encoded { rows, refused } = encode(&batch, limits()).unwrap();
    assert_eq!(refused, [RefusedRows { refusal: Refusal::OlderThanRetention, rows: 1 }]);
    assert_eq!(texts(&rows, "body"), ["hello", "", "other"]);
    assert_eq!(texts(&rows, "service_name"), ["shop", "shop", "-"]);
    assert_eq!(texts(&rows, "k8s_pod_name"), ["shop-1", "shop-1", "-"]);
    assert_eq!(texts(&rows, "severity_text"), ["warn", "-", "-"]);
    assert_eq!(texts(&rows, "trace_id"), ["4bf92f3577b34da6a3ce929d0e0e4736", "-", "-"]);
    assert_eq!(texts(&rows, "attributes"), [r#"{"n":1}"#, "-", "-"]);
    assert_eq!(texts(&rows, "resource")[1], r#"{"service.name":"shop","k8s.pod.name":"shop-1"}"#);
    assert_eq!(
        rows.column_by_name("severity_number").unwrap().as_primitive::<UInt8Type>().values(),
        &[13, 0, 0]
    );
    assert_eq!(rows.column(0), rows.column(1), "rows of now come in now");
}

#[test]
fn spans_and_points_and_events_fit_their_schemas() {
    let span = Span {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap(),
        span_id: "00f067aa0ba902b7".parse().unwrap(),
        parent_span_id: None,
        trace_state: String::new(),
        name: "GET /".into(),
        kind: SpanKind::Server,
        start: NOW,
        end: UnixNanos(NOW.0 + 1_500),
        status: Status { code: StatusCode::Error, message: "no".into() },
        attributes: Attributes::new(),
        events: vec![SpanEvent { time: NOW, name: "exception".into(), attributes: Attributes::new() }],
        links: Vec::new(),
    };
    let rows = encode(&Batch::Spans(vec![group(Attributes::new(), vec![span])]), limits()).unwrap().rows;
    assert_eq!(rows.column_by_name("duration_ns").unwrap().as_primitive::<Int64Type>().value(0), 1_500);
    assert_eq!(texts(&rows, "span_id"), ["00f067aa0ba902b7"]);
    assert_eq!(
        (texts(&rows, "kind"), texts(&rows, "status_code")),
        (vec!["server".into()], vec!["error".into()])
    );
    assert!(texts(&rows, "events")[0].contains(r#""name":"exception","attributes":{}"#));
    assert_eq!(texts(&rows, "links"), ["-"]);

    let metric = Arc::new(Metric {
        name: "requests".into(),
        description: String::new(),
        unit: "1".into(),
        data: MetricData::Sum { temporality: Temporality::Cumulative, monotonic: true },
    });
    let point = |value| Point {
        metric: Arc::clone(&metric),
        start: None,
        time: NOW,
        attributes: Attributes::new(),
        value,
    };
    let histogram = PointValue::Histogram {
        count: 3,
        sum: Some(4.5),
        min: None,
        max: None,
        bounds: vec![1.0],
        counts: vec![1, 2],
    };
    let points = [PointValue::Number(Number::Int(7)), histogram, PointValue::NoRecordedValue].map(point);
    let rows = encode(&Batch::Metrics(vec![group(Attributes::new(), points.into())]), limits()).unwrap().rows;
    assert_eq!(texts(&rows, "value"), ["7.0", "-", "-"]);
    assert_eq!(texts(&rows, "count"), ["-", "3", "-"]);
    assert_eq!(
        texts(&rows, "detail"),
        ["-", r#"{"bounds":[1.0],"counts":[1,2]}"#, r#"{"no_recorded_value":true}"#]
    );
    assert_eq!(texts(&rows, "temporality"), ["cumulative"; 3]);

    let trace: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse().unwrap();
    let event = TrafficEvent {
        leg: Some(0),
        service: Some(String::new()),
        http_status: Some(404),
        trace_id: Some(trace),
        ..TrafficEvent::new(TrafficKind::Leg, NOW, "c1")
    };
    let rows = encode(&Batch::Traffic(vec![event]), limits()).unwrap().rows;
    assert_eq!((texts(&rows, "kind"), texts(&rows, "service")), (vec!["leg".into()], vec!["-".into()]));
    assert_eq!(texts(&rows, "trace_id"), [trace.to_hex()]);
    assert!(rows.column_by_name("duration_ms").unwrap().is_null(0));
}

#[test]
fn rows_beyond_the_delivery_are_refused_as_too_large() {
    let bound = Limits { delivery_bytes: 25 * (10 + ROW_BYTES), ..limits() };
    let records = (0..30).map(|_| log("0123456789")).collect();
    let Encoded { rows, refused } =
        encode(&Batch::Logs(vec![group(Attributes::new(), records)]), bound).unwrap();
    assert_eq!(rows.num_rows(), 25);
    assert_eq!(refused, [RefusedRows { refusal: Refusal::TooLarge, rows: 5 }]);
}

#[test]
fn a_frame_gives_back_what_it_was_given_and_refuses_what_it_was_not() {
    let shop = Attributes::new().with("service.name", "shop");
    for batch in [
        Batch::Logs(vec![group(shop, vec![log("a"), log("b")])]),
        Batch::Traffic(vec![TrafficEvent::new(TrafficKind::Summary, NOW, "c")]),
    ] {
        let rows = encode(&batch, limits()).unwrap().rows;
        let payload = crate::payload::encode(&rows).unwrap();
        assert_eq!(crate::payload::decode(batch.signal(), &payload).unwrap(), rows);
        for cut in 0..payload.len() {
            assert!(crate::payload::decode(batch.signal(), &payload[..cut]).is_err());
        }
        let mut newer = payload.to_vec();
        newer[0] = 200;
        assert!(
            crate::payload::decode(batch.signal(), &newer).unwrap_err().to_string().contains("schema 200")
        );
        let mut bomb = payload.to_vec();
        bomb[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(crate::payload::decode(batch.signal(), &bomb).is_err());
    }
}
