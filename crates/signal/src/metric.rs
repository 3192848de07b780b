//! Metric points, after the OpenTelemetry metrics data model: one [`Point`] is one row.

use std::sync::Arc;

use crate::{Attributes, UnixNanos};

/// Whether a sum, histogram counts since a fixed start or since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Temporality {
    /// Does not apply, or not given.
    #[default]
    Unspecified,
    /// Since the last report.
    Delta,
    /// Since a fixed start.
    Cumulative,
}

impl Temporality {
    /// `delta`, `cumulative`, or empty.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "",
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
        }
    }
}

/// The kinds of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricData {
    /// A value now.
    Gauge,
    /// A sum.
    Sum {
        /// Delta or cumulative.
        temporality: Temporality,
        /// Whether it only rises (a counter).
        monotonic: bool,
    },
    /// A histogram with explicit bounds.
    Histogram {
        /// Delta or cumulative.
        temporality: Temporality,
    },
    /// A histogram with exponential bounds.
    ExponentialHistogram {
        /// Delta or cumulative.
        temporality: Temporality,
    },
    /// Quantiles computed by the sender.
    Summary,
}

impl MetricData {
    /// The name of the kind: `gauge`, `sum`, `histogram`, `exponential_histogram`, `summary`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum { .. } => "sum",
            Self::Histogram { .. } => "histogram",
            Self::ExponentialHistogram { .. } => "exponential_histogram",
            Self::Summary => "summary",
        }
    }

    /// Its temporality, where it has one.
    pub fn temporality(self) -> Temporality {
        match self {
            Self::Sum { temporality, .. }
            | Self::Histogram { temporality }
            | Self::ExponentialHistogram { temporality } => temporality,
            Self::Gauge | Self::Summary => Temporality::Unspecified,
        }
    }

    /// Whether it is a sum that only rises.
    pub fn is_monotonic(self) -> bool {
        matches!(self, Self::Sum { monotonic: true, .. })
    }
}

/// A metric's identity, shared by its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Name (`http.server.request.duration`).
    pub name: String,
    /// What it means; may be empty.
    pub description: String,
    /// UCUM unit (`s`, `By`, `{request}`); may be empty.
    pub unit: String,
    /// Kind.
    pub data: MetricData,
}

/// A number as it was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
}

impl Number {
    /// As a double; integers past 2^53 lose their last digits.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(i) => i as f64,
            Self::Double(d) => d,
        }
    }
}

/// What a point says.
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// Gauge or sum.
    Number(Number),
    /// Histogram with explicit bounds: `counts.len() == bounds.len() + 1`, or both empty.
    Histogram {
        /// How many observations.
        count: u64,
        /// Their sum, if it can be known.
        sum: Option<f64>,
        /// The smallest.
        min: Option<f64>,
        /// The largest.
        max: Option<f64>,
        /// Upper bounds, ascending.
        bounds: Vec<f64>,
        /// Observations per bucket.
        counts: Vec<u64>,
    },
    /// Histogram with exponential bounds: bucket `i` of a side holds (base^(offset+i), base^(offset+i+1)], base = 2^(2^-scale).
    ExponentialHistogram {
        /// How many observations.
        count: u64,
        /// Their sum, if it can be known.
        sum: Option<f64>,
        /// The smallest.
        min: Option<f64>,
        /// The largest.
        max: Option<f64>,
        /// Resolution.
        scale: i32,
        /// Observations at (or near) zero.
        zero_count: u64,
        /// Width of "near zero".
        zero_threshold: f64,
        /// Offset of the first positive bucket.
        positive_offset: i32,
        /// Positive buckets.
        positive_counts: Vec<u64>,
        /// Offset of the first negative bucket.
        negative_offset: i32,
        /// Negative buckets.
        negative_counts: Vec<u64>,
    },
    /// Quantiles computed by the sender, as (quantile 0–1, value).
    Summary {
        /// How many observations.
        count: u64,
        /// Their sum.
        sum: f64,
        /// (quantile, value) pairs.
        quantiles: Vec<(f64, f64)>,
    },
    /// The sender said there is no value now (OTLP's `NO_RECORDED_VALUE` flag).
    NoRecordedValue,
}

/// One point of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What is measured.
    pub metric: Arc<Metric>,
    /// Start of the interval that a sum or histogram covers, if given.
    pub start: Option<UnixNanos>,
    /// The instant, or the end of the interval.
    pub time: UnixNanos,
    /// The series' attributes.
    pub attributes: Attributes,
    /// What it says.
    pub value: PointValue,
}
