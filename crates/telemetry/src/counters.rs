//! Counters of what the process says of itself.

use parapet_signal::Signal;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

type Label = [(&'static str, &'static str); 1];

/// Counters of own records: delivered, lost by reason, failed deliveries by reason. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    delivered: Family<Label, Counter>,
    lost: Family<Label, Counter>,
    failures: Family<Label, Counter>,
}

/// Why an own record was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The queue was full; the oldest went.
    QueueFull,
    /// What keeps the records said too much of itself.
    Throttled,
    /// The sink refused the row.
    Refused,
    /// A reading of metrics that the sink did not take.
    NotTaken,
    /// The sink did not take it before the process ended.
    ShuttingDown,
}

impl Loss {
    fn reason(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::NotTaken => "not_taken",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

impl Metrics {
    /// Registers `parapet_telemetry_*`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_telemetry_delivered_records",
            "Own log records, spans and metric points kept",
            metrics.delivered.clone(),
        );
        registry.register(
            "parapet_telemetry_lost_records",
            "Own log records, spans and metric points not kept",
            metrics.lost.clone(),
        );
        registry.register(
            "parapet_telemetry_failed_deliveries",
            "Deliveries of own telemetry that were not taken; logs and spans are tried again",
            metrics.failures.clone(),
        );
        metrics
    }

    pub(crate) fn delivered(&self, signal: Signal, records: u64) {
        self.delivered.get_or_create(&[("signal", signal.name())]).inc_by(records);
    }

    pub(crate) fn lost(&self, loss: Loss, records: u64) {
        self.lost.get_or_create(&[("reason", loss.reason())]).inc_by(records);
    }

    pub(crate) fn delivery_failed(&self, reason: &'static str) {
        self.failures.get_or_create(&[("reason", reason)]).inc();
    }

    #[cfg(test)]
    pub(crate) fn lost_so_far(&self, loss: Loss) -> u64 {
        self.lost.get_or_create(&[("reason", loss.reason())]).get()
    }
}
