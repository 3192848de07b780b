//! What the engine counts of itself.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::QueryError;

/// Counters of queries. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    answered: Family<OperationLabel, Counter>,
    failed: Family<FailureLabels, Counter>,
    seconds: Family<OperationLabel, Counter<f64, AtomicU64>>,
}

/// The kinds of query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    LogsPage,
    LogsHistogram,
    FieldValues,
    Follow,
    TracesPage,
    Trace,
    TrafficOverview,
    TrafficPage,
    TrafficTransaction,
    MetricNames,
    MetricSeries,
    Sql,
}

impl Operation {
    /// The value of the `operation` label in metrics, and the name of its span.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LogsPage => "logs_page",
            Self::LogsHistogram => "logs_histogram",
            Self::FieldValues => "field_values",
            Self::Follow => "follow",
            Self::TracesPage => "traces_page",
            Self::Trace => "trace",
            Self::TrafficOverview => "traffic_overview",
            Self::TrafficPage => "traffic_page",
            Self::TrafficTransaction => "traffic_transaction",
            Self::MetricNames => "metric_names",
            Self::MetricSeries => "metric_series",
            Self::Sql => "sql",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    operation: &'static str,
    reason: &'static str,
}

impl Metrics {
    /// Creates and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("parapet_query_answered", "queries answered", metrics.answered.clone());
        registry.register(
            "parapet_query_failed",
            "queries refused or failed, by reason",
            metrics.failed.clone(),
        );
        registry.register("parapet_query_time_seconds", "time spent on queries", metrics.seconds.clone());
        metrics
    }

    pub(crate) fn count(&self, operation: Operation, took: Duration, error: Option<&QueryError>) {
        let operation = operation.name();
        match error {
            None => self.answered.get_or_create(&OperationLabel { operation }).inc(),
            Some(error) => {
                let reason = error.blame().reason();
                self.failed.get_or_create(&FailureLabels { operation, reason }).inc()
            }
        };
        self.seconds.get_or_create(&OperationLabel { operation }).inc_by(took.as_secs_f64());
    }
}
