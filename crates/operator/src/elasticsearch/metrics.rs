//! How calls of Elasticsearch fare.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counts calls and clusters.
#[derive(Clone, Debug, Default)]
pub struct ElasticsearchMetrics {
    calls: Family<CallLabels, Counter>,
    observed: Gauge,
    unreachable: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    outcome: CallOutcome,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum CallOutcome {
    Answered,
    Refused,
    Unreachable,
    Deadline,
    TooLong,
    Malformed,
    Unsendable,
}

impl ElasticsearchMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register(
            "parapet_operator_elasticsearch_calls",
            "Calls of managed Elasticsearch clusters, by how they ended",
            new.calls.clone(),
        );
        registry.register(
            "parapet_operator_elasticsearch_observed",
            "Elasticsearch clusters that are looked at",
            new.observed.clone(),
        );
        registry.register(
            "parapet_operator_elasticsearch_unreachable",
            "Elasticsearch clusters that did not answer when they were last looked at",
            new.unreachable.clone(),
        );
        new
    }

    pub(super) fn called(&self, outcome: CallOutcome) {
        self.calls.get_or_create(&CallLabels { outcome }).inc();
    }

    pub(super) fn observed(&self, more: i64) {
        self.observed.inc_by(more);
    }

    pub(super) fn unreachable(&self, more: i64) {
        self.unreachable.inc_by(more);
    }
}
