//! What the crate counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family};
use prometheus_client::registry::Registry;

/// Counters and gauges of all sources. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(crate) accepted: Family<Accepted, Counter>,
    pub(crate) refused_records: Family<RefusedRecords, Counter>,
    pub(crate) refused_requests: Family<RefusedRequests, Counter>,
    pub(crate) request_bytes: Family<Receiver, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Receiver {
    pub(crate) receiver: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Accepted {
    pub(crate) source: &'static str,
    pub(crate) signal: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RefusedRecords {
    pub(crate) source: &'static str,
    pub(crate) signal: &'static str,
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RefusedRequests {
    pub(crate) receiver: &'static str,
    pub(crate) reason: &'static str,
}

impl Metrics {
    /// Registers all families.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_collect_accepted_records",
            "Records that the sink acknowledged, by source",
            metrics.accepted.clone(),
        );
        registry.register(
            "parapet_collect_refused_records",
            "Records that were not kept, by source and reason",
            metrics.refused_records.clone(),
        );
        registry.register(
            "parapet_collect_refused_requests",
            "Requests of which nothing was kept, by receiver and reason",
            metrics.refused_requests.clone(),
        );
        registry.register(
            "parapet_collect_request_bytes",
            "Bytes of request bodies as they came over the wire",
            metrics.request_bytes.clone(),
        );
        metrics
    }
}
