//! What the crate counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use prometheus_client::registry::Registry;

/// Counters and gauges of all sources. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(crate) accepted: Family<Accepted, Counter>,
    pub(crate) refused_records: Family<RefusedRecords, Counter>,
    pub(crate) refused_requests: Family<RefusedRequests, Counter>,
    pub(crate) request_bytes: Family<Receiver, Counter>,
    pub(crate) refused_deliveries: Family<Reason, Counter>,
    pub(crate) read_bytes: Family<Source, Counter>,
    pub(crate) lost_bytes: Family<Source, Counter>,
    pub(crate) file_restarts: Counter,
    pub(crate) file_errors: Family<Reason, Counter>,
    pub(crate) open_files: Gauge,
    pub(crate) file_lag_bytes: Family<File, Gauge>,
    pub(crate) file_oldest_unread_seconds: Family<File, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Source {
    pub(crate) source: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct File {
    pub(crate) source: &'static str,
    pub(crate) path: String,
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
        registry.register(
            "parapet_collect_refused_deliveries",
            "Batches of files and of the host that the sink did not take and that are delivered again, by reason",
            metrics.refused_deliveries.clone(),
        );
        registry.register(
            "parapet_collect_read_bytes",
            "Bytes of files that were read and acknowledged",
            metrics.read_bytes.clone(),
        );
        registry.register(
            "parapet_collect_lost_bytes",
            "Bytes of files that were gone before they were read",
            metrics.lost_bytes.clone(),
        );
        registry.register(
            "parapet_collect_file_restarts",
            "Files that shrank or were overwritten and are read from their start",
            metrics.file_restarts.clone(),
        );
        registry.register(
            "parapet_collect_file_errors",
            "Attempts to read files that failed, by reason",
            metrics.file_errors.clone(),
        );
        registry.register("parapet_collect_open_files", "Handles open", metrics.open_files.clone());
        registry.register(
            "parapet_collect_file_lag_bytes",
            "Bytes of a file that are not acknowledged",
            metrics.file_lag_bytes.clone(),
        );
        registry.register(
            "parapet_collect_file_oldest_unread_seconds",
            "Age of the oldest byte of a file that is not acknowledged",
            metrics.file_oldest_unread_seconds.clone(),
        );
        metrics
    }
}
