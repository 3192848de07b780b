//! What is counted.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of this crate; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(crate) logins: Family<Outcome, Counter>,
    pub(crate) denied: Family<Reason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) reason: &'static str,
}

impl Metrics {
    /// Puts the counters into `registry`. `Metrics::default()` counts without being seen, for tests and tools.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_access_logins",
            "Logins by outcome (ok, wrong, throttled, busy, failed)",
            metrics.logins.clone(),
        );
        registry.register(
            "parapet_access_denied_credentials",
            "Tokens and sessions that were not accepted, by reason",
            metrics.denied.clone(),
        );
        metrics
    }
}
