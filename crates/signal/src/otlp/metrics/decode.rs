//! From protobuf points.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint,
    Metric as ProtoMetric, NumberDataPoint, SummaryDataPoint, metric::Data, number_data_point,
};

use super::super::{Defect, Rejected, common};
use crate::{Metric, MetricData, Number, Point, PointValue, Temporality, UnixNanos};

/// How many points a metric has.
pub(super) fn count(metric: &ProtoMetric) -> usize {
    match &metric.data {
        None => 0,
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
    }
}

/// Appends the metric's points to `records`.
pub(super) fn points(proto: ProtoMetric, now: UnixNanos, records: &mut Vec<Point>, rejected: &mut Rejected) {
    let points = count(&proto);
    let Some(data) = proto.data else { return };
    if proto.name.is_empty() {
        rejected.add(Defect::MetricName, points);
        return;
    }
    let metric = Arc::new(Metric {
        name: proto.name,
        description: proto.description,
        unit: proto.unit,
        data: kind(&data),
    });
    records.reserve(points);
    let mut keep =
        |shared: Shared, value: Result<PointValue, Defect>| match point(&metric, shared, value, now) {
            Ok(point) => records.push(point),
            Err(defect) => rejected.add(defect, 1),
        };
    match data {
        Data::Gauge(gauge) => gauge.data_points.into_iter().for_each(|p| number(p, &mut keep)),
        Data::Sum(sum) => sum.data_points.into_iter().for_each(|p| number(p, &mut keep)),
        Data::Histogram(data) => data.data_points.into_iter().for_each(|p| histogram(p, &mut keep)),
        Data::ExponentialHistogram(data) => {
            data.data_points.into_iter().for_each(|p| exponential(p, &mut keep));
        }
        Data::Summary(data) => data.data_points.into_iter().for_each(|p| summary(p, &mut keep)),
    }
}

/// What every kind of point has.
struct Shared {
    attributes: Vec<KeyValue>,
    start: u64,
    time: u64,
    flags: u32,
}

fn point(
    metric: &Arc<Metric>,
    shared: Shared,
    value: Result<PointValue, Defect>,
    now: UnixNanos,
) -> Result<Point, Defect> {
    let no_value = shared.flags & DataPointFlags::NoRecordedValueMask as u32 != 0;
    Ok(Point {
        metric: metric.clone(),
        start: common::time(shared.start)?,
        time: common::time(shared.time)?.unwrap_or(now),
        attributes: common::attributes(shared.attributes)?,
        value: if no_value { PointValue::NoRecordedValue } else { value? },
    })
}

fn number(point: NumberDataPoint, keep: &mut impl FnMut(Shared, Result<PointValue, Defect>)) {
    let shared = Shared {
        attributes: point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
    };
    let value = match point.value {
        Some(number_data_point::Value::AsInt(i)) => Ok(PointValue::Number(Number::Int(i))),
        Some(number_data_point::Value::AsDouble(d)) => Ok(PointValue::Number(Number::Double(d))),
        None => Err(Defect::PointValue),
    };
    keep(shared, value);
}

fn histogram(point: HistogramDataPoint, keep: &mut impl FnMut(Shared, Result<PointValue, Defect>)) {
    let shared = Shared {
        attributes: point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
    };
    let (bounds, counts) = (point.explicit_bounds, point.bucket_counts);
    let fits = counts.len() == bounds.len() + 1 || (counts.is_empty() && bounds.is_empty());
    let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    let value = if fits && ascending {
        let (count, sum, min, max) = (point.count, point.sum, point.min, point.max);
        Ok(PointValue::Histogram { count, sum, min, max, bounds, counts })
    } else {
        Err(Defect::Buckets)
    };
    keep(shared, value);
}

fn exponential(
    point: ExponentialHistogramDataPoint,
    keep: &mut impl FnMut(Shared, Result<PointValue, Defect>),
) {
    let shared = Shared {
        attributes: point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
    };
    let (positive, negative) = (point.positive.unwrap_or_default(), point.negative.unwrap_or_default());
    let value = PointValue::ExponentialHistogram {
        count: point.count,
        sum: point.sum,
        min: point.min,
        max: point.max,
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive_offset: positive.offset,
        positive_counts: positive.bucket_counts,
        negative_offset: negative.offset,
        negative_counts: negative.bucket_counts,
    };
    keep(shared, Ok(value));
}

fn summary(point: SummaryDataPoint, keep: &mut impl FnMut(Shared, Result<PointValue, Defect>)) {
    let shared = Shared {
        attributes: point.attributes,
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        flags: point.flags,
    };
    let quantiles = point.quantile_values.into_iter().map(|at| (at.quantile, at.value)).collect();
    keep(shared, Ok(PointValue::Summary { count: point.count, sum: point.sum, quantiles }));
}

fn kind(data: &Data) -> MetricData {
    match data {
        Data::Gauge(_) => MetricData::Gauge,
        Data::Sum(sum) => MetricData::Sum {
            temporality: temporality(sum.aggregation_temporality),
            monotonic: sum.is_monotonic,
        },
        Data::Histogram(data) => {
            MetricData::Histogram { temporality: temporality(data.aggregation_temporality) }
        }
        Data::ExponentialHistogram(data) => {
            MetricData::ExponentialHistogram { temporality: temporality(data.aggregation_temporality) }
        }
        Data::Summary(_) => MetricData::Summary,
    }
}

fn temporality(number: i32) -> Temporality {
    match AggregationTemporality::try_from(number).unwrap_or_default() {
        AggregationTemporality::Unspecified => Temporality::Unspecified,
        AggregationTemporality::Delta => Temporality::Delta,
        AggregationTemporality::Cumulative => Temporality::Cumulative,
    }
}
