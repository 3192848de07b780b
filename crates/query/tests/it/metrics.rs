//! Metrics: names, and lines of charts.

use std::sync::Arc;

use parapet_query::{MetricNamesQuery, MetricSeriesQuery};
use parapet_signal::{
    Attributes, Batch, Grouped, Metric, MetricData, Number, Point, PointValue, Resource, Scope, Temporality,
};

use crate::harness::*;

fn point(name: &str, data: MetricData, seconds: i64, host: &str, value: f64) -> Grouped<Point> {
    let metric = Metric { name: name.into(), description: "about".into(), unit: "1".into(), data };
    let point = Point {
        metric: Arc::new(metric),
        start: None,
        time: at(seconds * SECOND),
        attributes: Attributes::new().with("state", if host == "b" { "big" } else { "small" }),
        value: PointValue::Number(Number::Double(value)),
    };
    let resource =
        Resource { attributes: Attributes::new().with("service.name", "node").with("host.name", host) };
    Grouped { resource: Arc::new(resource), scope: Arc::new(Scope::default()), records: vec![point] }
}

fn batches() -> Vec<Batch> {
    let counter = MetricData::Sum { temporality: Temporality::Cumulative, monotonic: true };
    let mut groups = Vec::new();
    for minute in 0..10 {
        groups.push(point("cpu", MetricData::Gauge, minute * 60, "a", minute as f64));
        groups.push(point("cpu", MetricData::Gauge, minute * 60 + 1, "b", 200.0));
        groups.push(point("requests", counter, minute * 60, "a", (minute * 120) as f64));
        groups.push(point("requests", counter, minute * 60, "b", (minute * 60) as f64));
    }
    groups.chunks(9).map(|chunk| Batch::Metrics(chunk.to_vec())).collect()
}

fn query(name: &str, group_by: Option<&str>) -> MetricSeriesQuery {
    MetricSeriesQuery {
        name: name.into(),
        range: range(60 * SECOND, 600 * SECOND),
        buckets: 9,
        service: None,
        group_by: group_by.map(str::to_owned),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_average_and_counters_become_rates_wherever_points_are() {
    for place in Place::ALL {
        let bench = Bench::fill(place, batches()).await;
        let rates = bench.engine.metric_series(query("requests", None)).await.unwrap();
        assert_eq!(
            (rates.interval_seconds, rates.kind.as_deref(), rates.unit.as_deref()),
            (60, Some("sum"), Some("1"))
        );
        let [line] = rates.series.as_slice() else { panic!("{rates:?}") };
        assert_eq!(line.points.len(), 9);
        assert!(line.points.iter().all(|(_, value)| *value == Some(3.0)), "{place:?} {line:?}");

        let averages = bench.engine.metric_series(query("cpu", Some("state"))).await.unwrap();
        let lines: Vec<_> =
            averages.series.iter().map(|line| (line.labels["state"].as_str(), line.points[2].1)).collect();
        assert_eq!(lines, [("big", Some(200.0)), ("small", Some(3.0))]);
        let hosts = bench.engine.metric_series(query("cpu", Some("host_name"))).await.unwrap();
        assert_eq!(hosts.series.len(), 2);
        let mixed = bench.engine.metric_series(query("cpu", None)).await.unwrap();
        assert_eq!(mixed.series[0].points[0], (text(60 * SECOND), Some(100.5)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_listed_with_their_kind_and_an_unknown_one_has_no_lines() {
    let bench = Bench::fill(Place::Both, batches()).await;
    let names = |part: Option<&str>| {
        let query = MetricNamesQuery { range: range(0, HOUR), name: part.map(str::to_owned), limit: 10 };
        let engine = bench.engine.clone();
        async move { engine.metric_names(query).await.unwrap().metrics }
    };
    let found: Vec<_> = names(None).await.into_iter().map(|metric| (metric.name, metric.kind)).collect();
    assert_eq!(found, [("cpu".to_owned(), "gauge".to_owned()), ("requests".into(), "sum".into())]);
    assert_eq!(names(Some("REQ")).await.len(), 1);
    let none = bench.engine.metric_series(query("none", None)).await.unwrap();
    assert_eq!((none.series.len(), none.kind), (0, None));
}
