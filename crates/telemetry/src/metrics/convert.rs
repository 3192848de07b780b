//! From Prometheus's data model to ours.

use std::sync::Arc;

use parapet_signal::{Attributes, Metric, MetricData, Number, Point, PointValue, Temporality, UnixNanos};
use prometheus_client::encoding::prometheus_protobuf::encode;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as prometheus;
use prometheus_client::registry::Registry;

/// All series of `registry`, under the names that its text form has too (`…_total` for counters).
pub(super) fn points(registry: &Registry, start: UnixNanos, now: UnixNanos) -> Vec<Point> {
    let families = encode(registry).expect("encoding into memory fails only for labels that cannot be text");
    families.into_iter().flat_map(|family| family_points(family, start, now)).collect()
}

fn family_points(family: prometheus::MetricFamily, start: UnixNanos, now: UnixNanos) -> Vec<Point> {
    let data = match family.r#type() {
        prometheus::MetricType::Counter => {
            MetricData::Sum { temporality: Temporality::Cumulative, monotonic: true }
        }
        prometheus::MetricType::Histogram | prometheus::MetricType::GaugeHistogram => {
            MetricData::Histogram { temporality: Temporality::Cumulative }
        }
        prometheus::MetricType::Summary => MetricData::Summary,
        prometheus::MetricType::Gauge | prometheus::MetricType::Untyped => MetricData::Gauge,
    };
    let metric = Arc::new(Metric { name: family.name, description: family.help, unit: family.unit, data });
    let start = (data != MetricData::Gauge).then_some(start);
    let point = |series: prometheus::Metric| {
        let attributes = labels(series.label.as_slice());
        let value = value(series)?;
        Some(Point { metric: Arc::clone(&metric), start, time: now, attributes, value })
    };
    family.metric.into_iter().filter_map(point).collect()
}

fn labels(pairs: &[prometheus::LabelPair]) -> Attributes {
    pairs.iter().map(|pair| (pair.name.clone(), pair.value.as_str().into())).collect()
}

/// `None` for a series without a value.
fn value(series: prometheus::Metric) -> Option<PointValue> {
    if let Some(counter) = series.counter {
        Some(number(counter.value))
    } else if let Some(gauge) = series.gauge {
        Some(number(gauge.value))
    } else if let Some(untyped) = series.untyped {
        Some(number(untyped.value))
    } else if let Some(summary) = series.summary {
        Some(PointValue::Summary {
            count: summary.sample_count,
            sum: summary.sample_sum,
            quantiles: summary.quantile.iter().map(|q| (q.quantile, q.value)).collect(),
        })
    } else {
        series.histogram.map(histogram)
    }
}

fn number(value: f64) -> PointValue {
    PointValue::Number(Number::Double(value))
}

/// Prometheus counts what is at or below each bound; we count what is between two.
fn histogram(histogram: prometheus::Histogram) -> PointValue {
    let mut bounds = Vec::with_capacity(histogram.bucket.len());
    let mut counts = Vec::with_capacity(histogram.bucket.len() + 1);
    let mut below = 0;
    for bucket in histogram.bucket.iter().filter(|bucket| bucket.upper_bound.is_finite()) {
        bounds.push(bucket.upper_bound);
        counts.push(bucket.cumulative_count.saturating_sub(below));
        below = bucket.cumulative_count;
    }
    counts.push(histogram.sample_count.saturating_sub(below));
    PointValue::Histogram {
        count: histogram.sample_count,
        sum: Some(histogram.sample_sum),
        min: None,
        max: None,
        bounds,
        counts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::Unit;
    use std::sync::atomic::AtomicU64;

    const START: UnixNanos = UnixNanos(1_000);
    const NOW: UnixNanos = UnixNanos(2_000);

    fn only(registry: &Registry) -> Point {
        let points = points(registry, START, NOW);
        assert_eq!(points.len(), 1, "{points:?}");
        points.into_iter().next().unwrap()
    }

    #[test]
    fn a_counter_is_a_cumulative_monotonic_sum_named_as_in_text() {
        let mut registry = Registry::default();
        let counter = Family::<[(&str, &str); 1], Counter>::default();
        registry.register("parapet_store_refused_rows", "Rows refused", counter.clone());
        counter.get_or_create(&[("reason", "too_large")]).inc_by(3);
        let point = only(&registry);
        assert_eq!(
            *point.metric,
            Metric {
                name: "parapet_store_refused_rows_total".to_owned(),
                description: "Rows refused.".to_owned(),
                unit: String::new(),
                data: MetricData::Sum { temporality: Temporality::Cumulative, monotonic: true },
            }
        );
        assert_eq!((point.start, point.time), (Some(START), NOW));
        assert_eq!(point.attributes, Attributes::new().with("reason", "too_large"));
        assert_eq!(point.value, PointValue::Number(Number::Double(3.0)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("parapet_store_refused_rows_total{reason=\"too_large\"} 3"), "{text}");
    }

    #[test]
    fn a_gauge_has_no_start_and_keeps_its_unit() {
        let mut registry = Registry::default();
        let gauge = Gauge::<f64, AtomicU64>::default();
        registry.register_with_unit("queue", "What waits", Unit::Bytes, gauge.clone());
        gauge.set(-1.5);
        let point = only(&registry);
        assert_eq!((point.metric.name.as_str(), point.metric.unit.as_str()), ("queue_bytes", "bytes"));
        assert_eq!(point.metric.data, MetricData::Gauge);
        assert_eq!(point.start, None);
        assert_eq!(point.value, PointValue::Number(Number::Double(-1.5)));
    }

    #[test]
    fn a_histogram_has_a_count_between_each_two_bounds() {
        let mut registry = Registry::default();
        let histogram = Histogram::new([0.1, 1.0]);
        registry.register("took_seconds", "How long", histogram.clone());
        [0.05, 0.1, 0.5, 7.0].into_iter().for_each(|seconds| histogram.observe(seconds));
        let point = only(&registry);
        assert_eq!(point.metric.data, MetricData::Histogram { temporality: Temporality::Cumulative });
        assert_eq!(point.start, Some(START));
        assert_eq!(
            point.value,
            PointValue::Histogram {
                count: 4,
                sum: Some(7.65),
                min: None,
                max: None,
                bounds: vec![0.1, 1.0],
                counts: vec![2, 1, 1],
            }
        );
    }

    #[test]
    fn an_info_is_a_gauge_of_one() {
        let mut registry = Registry::default();
        registry.register("build", "Which build", Info::new(vec![("version", "1.2.3")]));
        let point = only(&registry);
        assert_eq!(point.metric.name, "build_info");
        assert_eq!(point.metric.data, MetricData::Gauge);
        assert_eq!(point.attributes, Attributes::new().with("version", "1.2.3"));
        assert_eq!(point.value, PointValue::Number(Number::Double(1.0)));
    }
}
