//! To protobuf points.

use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge,
    Histogram, HistogramDataPoint, Metric as ProtoMetric, NumberDataPoint, Sum, Summary, SummaryDataPoint,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    summary_data_point::ValueAtQuantile,
};

use super::super::common;
use crate::{MetricData, Number, Point, PointValue, Temporality};

/// One metric from points that share it. A point whose value does not fit the metric's kind becomes one without a value.
pub(super) fn metric(points: &[Point]) -> ProtoMetric {
    let metric = &points[0].metric;
    let data = match metric.data {
        MetricData::Gauge => Data::Gauge(Gauge { data_points: points.iter().map(number).collect() }),
        MetricData::Sum { temporality, monotonic } => Data::Sum(Sum {
            data_points: points.iter().map(number).collect(),
            aggregation_temporality: proto_temporality(temporality),
            is_monotonic: monotonic,
        }),
        MetricData::Histogram { temporality } => Data::Histogram(Histogram {
            data_points: points.iter().map(histogram).collect(),
            aggregation_temporality: proto_temporality(temporality),
        }),
        MetricData::ExponentialHistogram { temporality } => {
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: points.iter().map(exponential).collect(),
                aggregation_temporality: proto_temporality(temporality),
            })
        }
        MetricData::Summary => Data::Summary(Summary { data_points: points.iter().map(summary).collect() }),
    };
    ProtoMetric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        data: Some(data),
        ..ProtoMetric::default()
    }
}

const NO_VALUE: u32 = DataPointFlags::NoRecordedValueMask as u32;

fn number(point: &Point) -> NumberDataPoint {
    let value = match &point.value {
        PointValue::Number(Number::Int(i)) => Some(number_data_point::Value::AsInt(*i)),
        PointValue::Number(Number::Double(d)) => Some(number_data_point::Value::AsDouble(*d)),
        _ => None,
    };
    NumberDataPoint {
        attributes: common::proto_attributes(&point.attributes),
        start_time_unix_nano: point.start.map_or(0, common::proto_time),
        time_unix_nano: common::proto_time(point.time),
        flags: if value.is_none() { NO_VALUE } else { 0 },
        value,
        ..NumberDataPoint::default()
    }
}

fn histogram(point: &Point) -> HistogramDataPoint {
    let shared = HistogramDataPoint {
        attributes: common::proto_attributes(&point.attributes),
        start_time_unix_nano: point.start.map_or(0, common::proto_time),
        time_unix_nano: common::proto_time(point.time),
        ..HistogramDataPoint::default()
    };
    match &point.value {
        PointValue::Histogram { count, sum, min, max, bounds, counts } => HistogramDataPoint {
            count: *count,
            sum: *sum,
            min: *min,
            max: *max,
            explicit_bounds: bounds.clone(),
            bucket_counts: counts.clone(),
            ..shared
        },
        _ => HistogramDataPoint { flags: NO_VALUE, ..shared },
    }
}

fn exponential(point: &Point) -> ExponentialHistogramDataPoint {
    let shared = ExponentialHistogramDataPoint {
        attributes: common::proto_attributes(&point.attributes),
        start_time_unix_nano: point.start.map_or(0, common::proto_time),
        time_unix_nano: common::proto_time(point.time),
        ..ExponentialHistogramDataPoint::default()
    };
    match &point.value {
        PointValue::ExponentialHistogram {
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
        } => ExponentialHistogramDataPoint {
            count: *count,
            sum: *sum,
            min: *min,
            max: *max,
            scale: *scale,
            zero_count: *zero_count,
            zero_threshold: *zero_threshold,
            positive: Some(Buckets { offset: *positive_offset, bucket_counts: positive_counts.clone() }),
            negative: Some(Buckets { offset: *negative_offset, bucket_counts: negative_counts.clone() }),
            ..shared
        },
        _ => ExponentialHistogramDataPoint { flags: NO_VALUE, ..shared },
    }
}

fn summary(point: &Point) -> SummaryDataPoint {
    let shared = SummaryDataPoint {
        attributes: common::proto_attributes(&point.attributes),
        start_time_unix_nano: point.start.map_or(0, common::proto_time),
        time_unix_nano: common::proto_time(point.time),
        ..SummaryDataPoint::default()
    };
    match &point.value {
        PointValue::Summary { count, sum, quantiles } => SummaryDataPoint {
            count: *count,
            sum: *sum,
            quantile_values: quantiles
                .iter()
                .map(|(quantile, value)| ValueAtQuantile { quantile: *quantile, value: *value })
                .collect(),
            ..shared
        },
        _ => SummaryDataPoint { flags: NO_VALUE, ..shared },
    }
}

fn proto_temporality(temporality: Temporality) -> i32 {
    (match temporality {
        Temporality::Unspecified => AggregationTemporality::Unspecified,
        Temporality::Delta => AggregationTemporality::Delta,
        Temporality::Cumulative => AggregationTemporality::Cumulative,
    }) as i32
}
