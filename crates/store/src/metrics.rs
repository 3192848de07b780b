//! What the store counts.

use parapet_signal::{Refusal, Signal};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// What maintenance does, by the name in `parapet_store_maintenance_failures_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Flush,
    Release,
    Rollup,
    Compaction,
    Retention,
}

impl Step {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flush => "flush",
            Self::Release => "wal_release",
            Self::Rollup => "rollup",
            Self::Compaction => "compaction",
            Self::Retention => "retention",
        }
    }
}

/// What the store counts. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    kept: Family<Table, Counter>,
    refused: Family<TableReason, Counter>,
    not_taken: Family<Reason, Counter>,
    repeated: Counter,
    flushed: Family<Table, Counter>,
    expired: Family<Table, Counter>,
    compacted: Counter,
    flush_seconds: Histogram,
    failures: Family<StepLabel, Counter>,
    lost_segments: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Table {
    table: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableReason {
    table: &'static str,
    reason: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

impl Metrics {
    /// Registers everything.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("parapet_store");
        let metrics = Self {
            kept: Family::default(),
            refused: Family::default(),
            not_taken: Family::default(),
            repeated: Counter::default(),
            flushed: Family::default(),
            expired: Family::default(),
            compacted: Counter::default(),
            // 1 ms to 30 s: a small segment takes a few syncs, 64 MiB about a second.
            flush_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            failures: Family::default(),
            lost_segments: Counter::default(),
        };
        registry.register("kept_rows", "Rows acknowledged as durable", metrics.kept.clone());
        registry.register("refused_rows", "Rows that were not kept, by reason", metrics.refused.clone());
        registry.register(
            "not_taken_deliveries",
            "Deliveries of which nothing was kept",
            metrics.not_taken.clone(),
        );
        registry.register(
            "repeated_deliveries",
            "Deliveries that had been kept before",
            metrics.repeated.clone(),
        );
        registry.register("flushed_rows", "Rows written to segments", metrics.flushed.clone());
        registry.register("expired_rows", "Rows dropped past their retention", metrics.expired.clone());
        registry.register("compacted_segments", "Segments merged into others", metrics.compacted.clone());
        registry.register_with_unit(
            "flush",
            "Time to write the rows of a table to segments",
            Unit::Seconds,
            metrics.flush_seconds.clone(),
        );
        registry.register(
            "maintenance_failures",
            "Steps of maintenance that failed",
            metrics.failures.clone(),
        );
        registry.register(
            "lost_segments",
            "Segments taken out because their file was missing or damaged",
            metrics.lost_segments.clone(),
        );
        metrics
    }

    /// Rows of a table that were kept since the start.
    pub fn kept_rows(&self, signal: Signal) -> u64 {
        self.kept.get_or_create(&table(signal)).get()
    }

    /// Rows of a table that were refused since the start.
    pub fn refused_rows(&self, signal: Signal, refusal: Refusal) -> u64 {
        self.refused.get_or_create(&TableReason { table: signal.name(), reason: refusal.reason() }).get()
    }

    pub(crate) fn kept(&self, signal: Signal, rows: u64) {
        self.kept.get_or_create(&table(signal)).inc_by(rows);
    }

    pub(crate) fn refused(&self, signal: Signal, refusal: Refusal, rows: u64) {
        let labels = TableReason { table: signal.name(), reason: refusal.reason() };
        self.refused.get_or_create(&labels).inc_by(rows);
    }

    pub(crate) fn not_taken(&self, reason: &'static str) {
        self.not_taken.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn repeated(&self) {
        self.repeated.inc();
    }

    pub(crate) fn flushed(&self, signal: Signal, rows: u64, nanos: i64) {
        self.flushed.get_or_create(&table(signal)).inc_by(rows);
        self.flush_seconds.observe(nanos.max(0) as f64 / 1e9);
    }

    pub(crate) fn expired(&self, signal: Signal, rows: u64) {
        self.expired.get_or_create(&table(signal)).inc_by(rows);
    }

    pub(crate) fn compacted(&self, segments: usize) {
        self.compacted.inc_by(segments as u64);
    }

    pub(crate) fn failure(&self, step: Step) {
        self.failures.get_or_create(&StepLabel { step: step.name() }).inc();
    }

    pub(crate) fn lost_segment(&self) {
        self.lost_segments.inc();
    }
}

fn table(signal: Signal) -> Table {
    Table { table: signal.name() }
}
