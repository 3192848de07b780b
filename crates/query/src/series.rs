//! Metrics: which there are, and one over time.

use std::collections::BTreeMap;

use parapet_store::TimeRange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Engine, QueryError};

/// Which metrics to name.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricNamesQuery {
    /// Metrics with a point in this time.
    pub range: TimeRange,
    /// A part of the name, in any case.
    pub name: Option<String>,
    /// The most names to return.
    pub limit: usize,
}

/// The metrics there are, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricNames {
    /// The metrics.
    pub metrics: Vec<MetricName>,
}

/// One metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricName {
    /// Name.
    pub name: String,
    /// `gauge`, `sum`, `histogram`, `exponential_histogram`, `summary`.
    pub kind: String,
    /// UCUM unit.
    pub unit: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// How many distinct series (about).
    pub series: u64,
}

/// One metric over time.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSeriesQuery {
    /// Its name.
    pub name: String,
    /// When.
    pub range: TimeRange,
    /// About how many points.
    pub buckets: usize,
    /// `service_name`.
    pub service: Option<String>,
    /// An attribute of the points or the resource, or a column's name: one series for each of its values.
    pub group_by: Option<String>,
}

/// One metric over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricSeries {
    /// Its name.
    pub name: String,
    /// UCUM unit; of a rate, per second.
    pub unit: Option<String>,
    /// `gauge`, `sum`, `histogram`, `exponential_histogram`, `summary`; null if there are no points.
    pub kind: Option<String>,
    /// The distance of points.
    pub interval_seconds: u64,
    /// The series.
    pub series: Vec<Series>,
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// What tells it from the others.
    pub labels: BTreeMap<String, String>,
    /// (RFC 3339, value or null), oldest first, without gaps.
    pub points: Vec<(String, Option<f64>)>,
}

impl Engine {
    /// The metrics that have points in the range.
    pub async fn metric_names(&self, query: MetricNamesQuery) -> Result<MetricNames, QueryError> {
        let _ = query;
        Err(QueryError::BadRequest("not answered yet".into()))
    }

    /// One metric over time: the average of a gauge, the rate per second of a sum, the mean of a histogram's observations.
    pub async fn metric_series(&self, query: MetricSeriesQuery) -> Result<MetricSeries, QueryError> {
        let _ = query;
        Err(QueryError::BadRequest("not answered yet".into()))
    }
}
