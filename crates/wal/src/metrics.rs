//! What the log counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::BusyReason;

/// What the log counts. Clones count together; the default is registered nowhere.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) appended_frames: Counter,
    pub(crate) appended_bytes: Counter,
    pub(crate) appended_rows: Counter,
    pub(crate) sync_seconds: Histogram,
    pub(crate) torn_bytes: Counter,
    pub(crate) missing_rows: Counter,
    pub(crate) quarantined_files: Counter,
    busy: Family<BusyLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BusyLabels {
    reason: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        // 0.1 ms to 3 s: an idle disk syncs in 0.2 ms, a busy one in 10 ms, a failing one in seconds.
        let buckets = prometheus_client::metrics::histogram::exponential_buckets(0.0001, 2.0, 16);
        let busy = Family::<BusyLabels, Counter>::default();
        for reason in BusyReason::ALL {
            drop(busy.get_or_create(&BusyLabels { reason: reason.reason() }));
        }
        Self {
            appended_frames: Counter::default(),
            appended_bytes: Counter::default(),
            appended_rows: Counter::default(),
            sync_seconds: Histogram::new(buckets),
            torn_bytes: Counter::default(),
            missing_rows: Counter::default(),
            quarantined_files: Counter::default(),
            busy,
        }
    }
}

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let counters = [
            ("parapet_wal_appended_frames", "Frames written to the log and synced", &metrics.appended_frames),
            ("parapet_wal_appended_bytes", "Bytes written to the log and synced", &metrics.appended_bytes),
            ("parapet_wal_appended_rows", "Rows written to the log and synced", &metrics.appended_rows),
            ("parapet_wal_torn_bytes", "Bytes of unfinished writes cut at start", &metrics.torn_bytes),
            ("parapet_wal_missing_rows", "Rows found to be unreadable at start", &metrics.missing_rows),
            ("parapet_wal_quarantined_files", "Damaged files found at start", &metrics.quarantined_files),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let help = "Time one sync of the log took";
        registry.register("parapet_wal_sync_seconds", help, metrics.sync_seconds.clone());
        registry.register("parapet_wal_busy", "Appends refused for now", metrics.busy.clone());
        metrics
    }

    pub(crate) fn busy(&self, reason: BusyReason) {
        self.busy.get_or_create(&BusyLabels { reason: reason.reason() }).inc();
    }
}
