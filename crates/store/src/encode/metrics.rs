//! Metric points.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, TimestampMicrosecondBuilder, UInt64Builder};
use parapet_signal::{Grouped, Point, PointValue};
use serde::Serialize;

use super::json::Scratch;
use super::shared::Shared;
use super::{Gate, Names, Texts};

/// The table's own columns, in the order of its schema.
pub(super) fn encode(groups: &[Grouped<Point>], gate: &mut Gate) -> Vec<ArrayRef> {
    let mut start = TimestampMicrosecondBuilder::new();
    let mut name = Names::default();
    let mut description = Names::default();
    let mut unit = Names::default();
    let mut kind = Names::default();
    let mut temporality = Names::default();
    let mut monotonic = BooleanBuilder::new();
    let mut value = Float64Builder::new();
    let mut count = UInt64Builder::new();
    let mut sum = Float64Builder::new();
    let mut min = Float64Builder::new();
    let mut max = Float64Builder::new();
    let mut detail = Texts::default();
    let mut attributes = Names::default();
    let mut shared = Shared::default();
    let (mut attribute_scratch, mut detail_scratch) = (Scratch::default(), Scratch::default());

    for group in groups {
        let mut kept = 0;
        for point in &group.records {
            let metric = &point.metric;
            let numbers = Numbers::of(&point.value);
            let attribute_text = attribute_scratch.attributes(&point.attributes);
            let detail_text = numbers.detail.as_ref().map_or("", |detail| detail_scratch.write(detail));
            let bytes = attribute_text.len()
                + detail_text.len()
                + metric.name.len()
                + metric.description.len()
                + metric.unit.len();
            if !gate.admits(point.time, bytes) {
                continue;
            }
            kept += 1;
            start.append_option(point.start.map(|at| at.micros()));
            name.push(&metric.name);
            description.push(&metric.description);
            unit.push(&metric.unit);
            kind.push(metric.data.name());
            temporality.push(metric.data.temporality().name());
            monotonic.append_value(metric.data.is_monotonic());
            value.append_option(numbers.value);
            count.append_option(numbers.count);
            sum.append_option(numbers.sum);
            min.append_option(numbers.min);
            max.append_option(numbers.max);
            detail.push(detail_text);
            attributes.push(attribute_text);
        }
        gate.charge(shared.push(&group.resource, &group.scope, kept));
    }

    let shared = shared.finish();
    vec![
        Arc::new(start.finish().with_timezone("UTC")),
        name.finish(),
        description.finish(),
        unit.finish(),
        kind.finish(),
        temporality.finish(),
        Arc::new(monotonic.finish()),
        Arc::new(value.finish()),
        Arc::new(count.finish()),
        Arc::new(sum.finish()),
        Arc::new(min.finish()),
        Arc::new(max.finish()),
        detail.finish(),
        shared.service,
        shared.namespace,
        shared.pod,
        shared.container,
        shared.host,
        attributes.finish(),
        shared.resource,
        shared.scope,
    ]
}

/// A point's value, spread over the columns.
#[derive(Default)]
struct Numbers<'a> {
    value: Option<f64>,
    count: Option<u64>,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    detail: Option<Detail<'a>>,
}

/// What of a point has no column. JSON has no infinities: they and NaN are written as null.
#[derive(Serialize)]
#[serde(untagged)]
enum Detail<'a> {
    Buckets {
        bounds: &'a [f64],
        counts: &'a [u64],
    },
    Exponential {
        scale: i32,
        zero_count: u64,
        zero_threshold: f64,
        positive_offset: i32,
        positive_counts: &'a [u64],
        negative_offset: i32,
        negative_counts: &'a [u64],
    },
    Quantiles {
        quantiles: &'a [(f64, f64)],
    },
    NoValue {
        no_recorded_value: bool,
    },
}

impl<'a> Numbers<'a> {
    fn of(value: &'a PointValue) -> Self {
        match value {
            PointValue::Number(number) => Self { value: Some(number.as_f64()), ..Self::default() },
            PointValue::Histogram { count, sum, min, max, bounds, counts } => Self {
                value: None,
                count: Some(*count),
                sum: *sum,
                min: *min,
                max: *max,
                detail: Some(Detail::Buckets { bounds, counts }),
            },
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
            } => Self {
                value: None,
                count: Some(*count),
                sum: *sum,
                min: *min,
                max: *max,
                detail: Some(Detail::Exponential {
                    scale: *scale,
                    zero_count: *zero_count,
                    zero_threshold: *zero_threshold,
                    positive_offset: *positive_offset,
                    positive_counts,
                    negative_offset: *negative_offset,
                    negative_counts,
                }),
            },
            PointValue::Summary { count, sum, quantiles } => Self {
                count: Some(*count),
                sum: Some(*sum),
                detail: Some(Detail::Quantiles { quantiles }),
                ..Self::default()
            },
            PointValue::NoRecordedValue => {
                Self { detail: Some(Detail::NoValue { no_recorded_value: true }), ..Self::default() }
            }
        }
    }
}
