//! What the engine counts of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of queries. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    answered: Family<OperationLabel, Counter>,
    failed: Family<FailureLabels, Counter>,
    seconds: Family<OperationLabel, Counter<f64, std::sync::atomic::AtomicU64>>,
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
}
