use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord as ProtoLog, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Histogram, HistogramDataPoint, Metric as ProtoMetric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    Sum, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as ProtoSpan};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::*;

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

fn logs(records: Vec<ProtoLog>) -> Decoded {
    let scope_logs = vec![ScopeLogs { log_records: records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    decode_logs(ExportLogsServiceRequest { resource_logs }, NOW)
}

fn spans(spans: Vec<ProtoSpan>) -> Decoded {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    decode_spans(ExportTraceServiceRequest { resource_spans }, NOW)
}

fn points(metrics: Vec<ProtoMetric>) -> Decoded {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    decode_metrics(ExportMetricsServiceRequest { resource_metrics }, NOW)
}

fn defects(decoded: &Decoded) -> Vec<(Defect, u64)> {
    decoded.rejected.iter().collect()
}

#[test]
fn a_log_without_a_time_gets_the_observed_one_and_then_now() {
    let check = |time, observed, expect: (i64, i64)| {
        let record =
            ProtoLog { time_unix_nano: time, observed_time_unix_nano: observed, ..ProtoLog::default() };
        let Batch::Logs(groups) = logs(vec![record]).batch else { unreachable!() };
        let record = &groups[0].records[0];
        assert_eq!((record.time.0, record.observed_time.0), expect);
    };
    check(5, 7, (5, 7));
    check(0, 7, (7, 7));
    check(5, 0, (5, NOW.0));
    check(0, 0, (NOW.0, NOW.0));
}

#[test]
fn a_span_ends_no_earlier_than_it_starts() {
    let check = |start, end, expect: (i64, i64)| {
        let span = ProtoSpan {
            trace_id: vec![1; 16],
            span_id: vec![1; 8],
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            ..ProtoSpan::default()
        };
        let Batch::Spans(groups) = spans(vec![span]).batch else { unreachable!() };
        assert_eq!((groups[0].records[0].start.0, groups[0].records[0].end.0), expect);
    };
    check(5, 9, (5, 9));
    check(9, 5, (9, 9));
    check(9, 0, (9, 9));
    check(0, 9, (9, 9));
    check(0, 0, (NOW.0, NOW.0));
}

#[test]
fn spans_without_ids_are_refused_one_by_one() {
    let good = ProtoSpan { trace_id: vec![1; 16], span_id: vec![1; 8], ..ProtoSpan::default() };
    let decoded = spans(vec![
        good.clone(),
        ProtoSpan { trace_id: vec![0; 16], ..good.clone() },
        ProtoSpan { trace_id: vec![1; 15], ..good.clone() },
        ProtoSpan { span_id: vec![], ..good.clone() },
        ProtoSpan { parent_span_id: vec![1, 2], ..good.clone() },
        ProtoSpan { start_time_unix_nano: u64::MAX, ..good },
    ]);
    assert_eq!(decoded.batch.len(), 2);
    assert_eq!(defects(&decoded), [(Defect::TraceId, 2), (Defect::SpanId, 1), (Defect::Time, 1)]);
    assert_eq!(
        decoded.rejected.to_string(),
        "2 records: the trace id is not 16 bytes, or all zero; \
         1 record: the span id is not 8 bytes, or all zero; \
         1 record: a time is past the year 2262"
    );
}

#[test]
fn a_log_with_broken_ids_stays_without_them() {
    let decoded = logs(vec![ProtoLog { trace_id: vec![1; 3], span_id: vec![0; 8], ..ProtoLog::default() }]);
    let Batch::Logs(groups) = decoded.batch else { unreachable!() };
    assert_eq!((groups[0].records[0].trace_id, groups[0].records[0].span_id), (None, None));
    assert_eq!(decoded.rejected.total(), 0);
}

#[test]
fn attribute_lists_are_bounded_and_the_last_of_a_repeated_key_wins() {
    let pair = |key: String, n| KeyValue {
        key,
        value: Some(AnyValue { value: Some(any_value::Value::IntValue(n)) }),
        ..KeyValue::default()
    };
    let many: Vec<_> = (0..=MAX_ATTRIBUTES as i64).map(|n| pair(n.to_string(), n)).collect();
    let decoded =
        logs(vec![ProtoLog { attributes: many.clone(), ..ProtoLog::default() }, ProtoLog::default()]);
    assert_eq!((decoded.batch.len(), defects(&decoded)), (1, vec![(Defect::Attributes, 1)]));

    let resource = Some(ProtoResource { attributes: many, ..ProtoResource::default() });
    let scope_logs = vec![ScopeLogs { log_records: vec![ProtoLog::default(); 3], ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }];
    let decoded = decode_logs(ExportLogsServiceRequest { resource_logs }, NOW);
    assert_eq!((decoded.batch.len(), defects(&decoded)), (0, vec![(Defect::Attributes, 3)]));

    let attributes = vec![pair("a".into(), 1), pair("a".into(), 2)];
    let Batch::Logs(groups) = logs(vec![ProtoLog { attributes, ..ProtoLog::default() }]).batch else {
        unreachable!()
    };
    assert_eq!(groups[0].records[0].attributes, Attributes::new().with("a", 2));
}

#[test]
fn points_that_say_nothing_are_refused() {
    let sum = |points| Some(Data::Sum(Sum { data_points: points, ..Sum::default() }));
    let valued = NumberDataPoint {
        value: Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(1)),
        ..NumberDataPoint::default()
    };
    let stale = NumberDataPoint { flags: 1, ..NumberDataPoint::default() };
    let histogram = |bounds: Vec<f64>, counts: Vec<u64>| HistogramDataPoint {
        explicit_bounds: bounds,
        bucket_counts: counts,
        ..HistogramDataPoint::default()
    };
    let histograms = Histogram {
        data_points: vec![
            histogram(vec![1.0, 2.0], vec![1, 2, 3]),
            histogram(vec![], vec![]),
            histogram(vec![1.0], vec![1]),
            histogram(vec![2.0, 1.0], vec![1, 2, 3]),
        ],
        ..Histogram::default()
    };
    let decoded = points(vec![
        ProtoMetric { data: sum(vec![valued; 2]), ..ProtoMetric::default() },
        ProtoMetric { name: "n".into(), data: None, ..ProtoMetric::default() },
        ProtoMetric {
            name: "n".into(),
            data: sum(vec![stale, NumberDataPoint::default()]),
            ..ProtoMetric::default()
        },
        ProtoMetric { name: "h".into(), data: Some(Data::Histogram(histograms)), ..ProtoMetric::default() },
    ]);
    assert_eq!(decoded.batch.len(), 3);
    assert_eq!(defects(&decoded), [(Defect::MetricName, 2), (Defect::PointValue, 1), (Defect::Buckets, 2)]);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        "[a-zé\\n]{0,8}".prop_map(Value::Str),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e300..1e300f64).prop_map(Value::Double),
        vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec(("[a-c]{0,2}", inner), 0..4).prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    vec(("[a-f.]{0,3}", any_value()), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn time() -> impl Strategy<Value = UnixNanos> {
    (1..i64::MAX).prop_map(UnixNanos)
}

fn trace_id() -> impl Strategy<Value = TraceId> {
    (1..u128::MAX).prop_map(|id| TraceId::from_bytes(&id.to_be_bytes()).unwrap())
}

fn span_id() -> impl Strategy<Value = SpanId> {
    (1..u64::MAX).prop_map(|id| SpanId::from_bytes(&id.to_be_bytes()).unwrap())
}

fn log_record() -> impl Strategy<Value = LogRecord> {
    let text = "[a-z]{0,4}";
    (time(), time(), 0..=24i32, text, any_value(), text, attributes(), of(trace_id()), of(span_id()))
        .prop_map(
            |(
                time,
                observed_time,
                severity,
                severity_text,
                body,
                event_name,
                attributes,
                trace_id,
                span_id,
            )| {
                LogRecord {
                    time,
                    observed_time,
                    severity_number: SeverityNumber::from_number(severity),
                    severity_text,
                    body,
                    event_name,
                    attributes,
                    trace_id,
                    span_id,
                }
            },
        )
}

fn span() -> impl Strategy<Value = Span> {
    let kind = prop::sample::select(vec![
        SpanKind::Unspecified,
        SpanKind::Internal,
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Producer,
        SpanKind::Consumer,
    ]);
    let code = prop::sample::select(vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error]);
    let event = (time(), "[a-z]{0,4}", attributes()).prop_map(|(time, name, attributes)| SpanEvent {
        time,
        name,
        attributes,
    });
    let link = (trace_id(), span_id(), attributes()).prop_map(|(trace_id, span_id, attributes)| Link {
        trace_id,
        span_id,
        attributes,
    });
    (
        (trace_id(), span_id(), of(span_id()), "[a-z=]{0,4}", "[A-Z /]{0,6}"),
        (kind, time(), time(), code, "[a-z]{0,4}"),
        (attributes(), vec(event, 0..3), vec(link, 0..3)),
    )
        .prop_map(
            |(
                (trace_id, span_id, parent_span_id, trace_state, name),
                (kind, a, b, code, message),
                (attributes, events, links),
            )| Span {
                trace_id,
                span_id,
                parent_span_id,
                trace_state,
                name,
                kind,
                start: a.min(b),
                end: a.max(b),
                status: Status { code, message },
                attributes,
                events,
                links,
            },
        )
}

fn value_of(data: MetricData) -> BoxedStrategy<PointValue> {
    let f = || -1e9..1e9f64;
    let value = match data {
        MetricData::Gauge | MetricData::Sum { .. } => prop_oneof![
            any::<i64>().prop_map(|i| PointValue::Number(Number::Int(i))),
            f().prop_map(|d| PointValue::Number(Number::Double(d))),
        ]
        .boxed(),
        MetricData::Histogram { .. } => (any::<u64>(), of(f()), of(f()), of(f()), vec(any::<u64>(), 0..5))
            .prop_map(|(count, sum, min, max, counts)| PointValue::Histogram {
                count,
                sum,
                min,
                max,
                bounds: (1..counts.len()).map(|n| n as f64).collect(),
                counts,
            })
            .boxed(),
        MetricData::ExponentialHistogram { .. } => (
            (any::<u64>(), of(f()), of(f()), of(f()), any::<i32>()),
            (any::<u64>(), f(), any::<i32>(), any::<i32>()),
            (vec(any::<u64>(), 0..4), vec(any::<u64>(), 0..4)),
        )
            .prop_map(
                |(
                    (count, sum, min, max, scale),
                    (zero_count, zero_threshold, positive_offset, negative_offset),
                    (positive_counts, negative_counts),
                )| PointValue::ExponentialHistogram {
                    count,
                    sum,
                    min,
                    max,
                    scale,
                    zero_count,
                    zero_threshold,
                    positive_offset,
                    positive_counts,
                    negative_offset,
                    negative_counts,
                },
            )
            .boxed(),
        MetricData::Summary => (any::<u64>(), f(), vec((0.0..1.0f64, f()), 0..4))
            .prop_map(|(count, sum, quantiles)| PointValue::Summary { count, sum, quantiles })
            .boxed(),
    };
    prop_oneof![9 => value, 1 => Just(PointValue::NoRecordedValue)].boxed()
}

fn series() -> impl Strategy<Value = Vec<Point>> {
    let temporality =
        prop::sample::select(vec![Temporality::Unspecified, Temporality::Delta, Temporality::Cumulative]);
    let data = (temporality, any::<bool>(), 0..5).prop_map(|(temporality, monotonic, kind)| match kind {
        0 => MetricData::Gauge,
        1 => MetricData::Sum { temporality, monotonic },
        2 => MetricData::Histogram { temporality },
        3 => MetricData::ExponentialHistogram { temporality },
        _ => MetricData::Summary,
    });
    (data, "[a-z.]{1,6}", "[a-z]{0,3}").prop_flat_map(|(data, name, unit)| {
        let metric = Arc::new(Metric { name, description: String::new(), unit, data });
        vec((of(time()), time(), attributes(), value_of(data)), 1..4).prop_map(move |points| {
            points
                .into_iter()
                .map(|(start, time, attributes, value)| Point {
                    metric: metric.clone(),
                    start,
                    time,
                    attributes,
                    value,
                })
                .collect()
        })
    })
}

fn grouped<T: fmt::Debug>(records: impl Strategy<Value = Vec<T>>) -> impl Strategy<Value = Vec<Grouped<T>>> {
    let scope = ("[a-z]{0,3}", "[0-9]{0,2}", attributes())
        .prop_map(|(name, version, attributes)| Arc::new(Scope { name, version, attributes }));
    let resource = attributes().prop_map(|attributes| Arc::new(Resource { attributes }));
    vec((resource, scope, records), 0..4).prop_map(|groups| {
        groups.into_iter().map(|(resource, scope, records)| Grouped { resource, scope, records }).collect()
    })
}

fn round_trip(batch: Batch) -> Result<(), TestCaseError> {
    let decoded = match Request::from_batch(&batch).unwrap() {
        Request::Logs(request) => decode_logs(request, NOW),
        Request::Traces(request) => decode_spans(request, NOW),
        Request::Metrics(request) => decode_metrics(request, NOW),
    };
    prop_assert_eq!(decoded.rejected.total(), 0);
    prop_assert_eq!(decoded.batch, batch);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn logs_survive_the_round_trip(groups in grouped(vec(log_record(), 1..4))) {
        round_trip(Batch::Logs(groups))?;
    }

    #[test]
    fn spans_survive_the_round_trip(groups in grouped(vec(span(), 1..4))) {
        round_trip(Batch::Spans(groups))?;
    }

    #[test]
    fn points_survive_the_round_trip(
        groups in grouped(vec(series(), 1..3).prop_map(|series| series.into_iter().flatten().collect()))
    ) {
        round_trip(Batch::Metrics(groups))?;
    }
}
