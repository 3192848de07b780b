//! Metrics: which there are, and one over time.

mod chart;

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions::string::expr_fn::concat;
use datafusion::functions_aggregate::expr_fn::approx_distinct;
use datafusion::logical_expr::{Expr, cast};
use datafusion::prelude::{ident, lit};
use parapet_signal::Signal;
use parapet_store::TimeRange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cells::Cells;
use crate::metrics::Operation;
use crate::sql::functions::attr;
use crate::time::{Buckets, Micros};
use crate::{Engine, QueryError, filter};

use chart::{Chart, State};

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

/// Names are read from the points themselves, so a list of them is bounded like a page.
const SERIES_OF: [&str; 4] = ["name", "kind", "unit", "description"];

impl Engine {
    /// The metrics that have points in the range.
    pub async fn metric_names(&self, query: MetricNamesQuery) -> Result<MetricNames, QueryError> {
        let range = Micros::of(&query.range)?;
        let limit = self.limit(query.limit)?;
        let part = query.name.as_deref().filter(|part| !part.is_empty());
        let part =
            part.map(|part| Ok(filter::contains(ident("name"), filter::bounded(part)?))).transpose()?;
        let condition = filter::all(std::iter::once(ident("name").is_not_null()).chain(part));
        self.run(Operation::MetricNames, async |session| {
            let series = concat(vec![ident("attributes"), ident("resource")]);
            let named = session
                .range(Signal::Metrics, range)?
                .filter(condition)
                .and_then(|points| {
                    let groups = SERIES_OF.into_iter().map(ident).collect::<Vec<_>>();
                    points.aggregate(groups, vec![approx_distinct(series).alias("series")])
                })
                .and_then(|names| {
                    names.sort(SERIES_OF.map(|column| ident(column).sort(true, false)).to_vec())
                })
                .and_then(|names| names.limit(0, Some(limit)))
                .map_err(QueryError::of_ours)?;
            let batches = session.collect(named).await?;
            let metrics = batches.iter().map(Cells::of).flat_map(|cells| {
                let metric = |row| MetricName {
                    name: cells.text("name", row).unwrap_or_default(),
                    kind: cells.text("kind", row).unwrap_or_default(),
                    unit: cells.text("unit", row),
                    description: cells.text("description", row),
                    series: cells.u64("series", row).unwrap_or_default(),
                };
                cells.rows().map(metric).collect::<Vec<_>>()
            });
            Ok(MetricNames { metrics: metrics.collect() })
        })
        .await
    }

    /// One metric over time: the average of a gauge, the rate per second of a sum that only rises or that is reported by
    /// difference, the total of any other sum, the mean of a histogram's observations.
    pub async fn metric_series(&self, query: MetricSeriesQuery) -> Result<MetricSeries, QueryError> {
        let range = Micros::of(&query.range)?;
        let buckets = Buckets::of(range, query.buckets, 1)?;
        let name = filter::bounded(&query.name)?;
        let service = filter::equals("service_name", &query.service)?;
        let condition = filter::all(std::iter::once(ident("name").eq(lit(name))).chain(service));
        let label = query.group_by.as_deref().map(Label::parse).transpose()?;
        // A counter's rate in the first bucket needs its value before.
        let with_before =
            Micros { from: range.from.saturating_sub(buckets.width.max(LOOK_BACK)), to: range.to };
        self.run(Operation::MetricSeries, async |session| {
            let label = label.as_ref();
            let summed = session
                .range(Signal::Metrics, with_before)?
                .filter(condition)
                .and_then(|points| points.aggregate(chart::groups(&buckets, label), chart::state()))
                .and_then(|states| states.sort(vec![ident("last_ts").sort(true, false)]))
                .map_err(QueryError::of_ours)?;
            let batches = session.collect(summed).await?;
            let mut chart = Chart::new(buckets, range, label.map(Label::name));
            for cells in batches.iter().map(Cells::of) {
                cells.rows().for_each(|row| chart.add(&State::of(&cells, row)));
            }
            Ok(chart.finish(query.name))
        })
        .await
    }
}

/// How far back the value before the first bucket is looked for, microseconds: five of the usual reporting intervals.
const LOOK_BACK: i64 = 300_000_000;

/// What tells the lines of a chart apart.
struct Label {
    name: String,
    value: Expr,
}

impl Label {
    /// A column's name, or a key of the points' attributes or of the resource's.
    fn parse(name: &str) -> Result<Self, QueryError> {
        let key = filter::bounded(name)?;
        let columns =
            ["service_name", "k8s_namespace_name", "k8s_pod_name", "k8s_container_name", "host_name"];
        let value = if columns.contains(&key) {
            cast(ident(key), DataType::Utf8)
        } else {
            coalesce(vec![attr(ident("attributes"), lit(key)), attr(ident("resource"), lit(key))])
        };
        Ok(Self { name: name.to_owned(), value })
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
