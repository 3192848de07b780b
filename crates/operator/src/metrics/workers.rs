//! Queues and passes, by the names of controller-runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::work::{AllWork, Begun, Work};

/// The buckets of controller-runtime's reconcile time, so that dashboards' quantiles stay comparable.
const PASS_SECONDS: [f64; 35] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25,
    1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0,
];
/// The buckets of client-go's work queues: powers of ten from 10 ns.
const QUEUE_SECONDS: [f64; 12] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0];

/// All queues and controllers.
#[derive(Clone, Debug)]
pub struct WorkerMetrics {
    passes: Family<PassLabels, Counter>,
    errors: Family<ControllerLabel, Counter>,
    panics: Family<ControllerLabel, Counter>,
    terminal: Family<ControllerLabel, Counter>,
    late: Family<ControllerLabel, Counter>,
    seconds: Family<ControllerLabel, Histogram, fn() -> Histogram>,
    limit: Family<ControllerLabel, Gauge>,
    active: Family<ControllerLabel, Gauge>,
    depth: Family<DepthLabels, Gauge>,
    adds: Family<QueueLabels, Counter>,
    retries: Family<QueueLabels, Counter>,
    waited: Family<QueueLabels, Histogram, fn() -> Histogram>,
    worked: Family<QueueLabels, Histogram, fn() -> Histogram>,
    work: AllWork,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabel {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct QueueLabels {
    controller: &'static str,
    name: &'static str,
}

/// The reference's queues know priorities; here all keys have the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DepthLabels {
    controller: &'static str,
    name: &'static str,
    priority: &'static str,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            passes: Family::default(),
            errors: Family::default(),
            panics: Family::default(),
            terminal: Family::default(),
            late: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(PASS_SECONDS)),
            limit: Family::default(),
            active: Family::default(),
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            waited: Family::new_with_constructor(|| Histogram::new(QUEUE_SECONDS)),
            worked: Family::new_with_constructor(|| Histogram::new(QUEUE_SECONDS)),
            work: AllWork::default(),
        }
    }
}

impl WorkerMetrics {
    /// Registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register("controller_runtime_reconcile", "Passes, by how they ended", new.passes.clone());
        registry.register("controller_runtime_reconcile_errors", "Passes that failed", new.errors.clone());
        registry.register("controller_runtime_reconcile_panics", "Passes that panicked", new.panics.clone());
        registry.register(
            "controller_runtime_terminal_reconcile_errors",
            "Passes that failed and aren't repeated: none, as here every one is",
            new.terminal.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_timeouts",
            "Passes that ended because an answer came too late",
            new.late.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "How long passes took",
            new.seconds.clone(),
        );
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "How many passes may run at the same time",
            new.limit.clone(),
        );
        registry.register("controller_runtime_active_workers", "How many passes run", new.active.clone());
        registry.register("workqueue_depth", "Keys that wait for a worker", new.depth.clone());
        registry.register("workqueue_adds", "Keys that were added", new.adds.clone());
        registry.register(
            "workqueue_retries",
            "Keys that were added again after a failure",
            new.retries.clone(),
        );
        registry.register(
            "workqueue_queue_duration_seconds",
            "How long keys waited for a worker",
            new.waited.clone(),
        );
        registry.register(
            "workqueue_work_duration_seconds",
            "How long a worker had a key",
            new.worked.clone(),
        );
        registry.register_collector(Box::new(new.work.clone()));
        new
    }

    /// Those of one queue, named as its controller.
    pub fn queue(&self, controller: &'static str) -> QueueMetrics {
        let labels = QueueLabels { controller, name: controller };
        let depth = DepthLabels { controller, name: controller, priority: "0" };
        QueueMetrics {
            depth: self.depth.get_or_create_owned(&depth),
            adds: self.adds.get_or_create_owned(&labels),
            retries: self.retries.get_or_create_owned(&labels),
            waited: self.waited.get_or_create_owned(&labels),
            worked: self.worked.get_or_create_owned(&labels),
            begun: self.work.of(&labels),
        }
    }

    /// Those of one controller.
    pub fn controller(&self, controller: &'static str) -> ControllerMetrics {
        let label = ControllerLabel { controller };
        // All results are there from the start, so that a rate over them begins at zero.
        for ended in Ended::ALL {
            drop(self.passes.get_or_create(&PassLabels { controller, result: ended.as_str() }));
        }
        drop(self.errors.get_or_create(&label));
        for counter in [&self.panics, &self.terminal, &self.late] {
            drop(counter.get_or_create(&label));
        }
        ControllerMetrics { all: self.clone(), label, iterations: Arc::default() }
    }
}

/// One queue's.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    depth: Gauge,
    adds: Counter,
    retries: Counter,
    waited: Histogram,
    worked: Histogram,
    begun: Begun,
}

impl Default for QueueMetrics {
    fn default() -> Self {
        WorkerMetrics::default().queue("unregistered")
    }
}

impl QueueMetrics {
    pub(crate) fn added(&self) {
        self.adds.inc();
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    pub(crate) fn depth(&self, depth: usize) {
        self.depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.waited.observe(time.as_secs_f64());
    }

    /// A worker has a key, until what is returned is dropped.
    pub(crate) fn begins(&self) -> Work {
        self.begun.begin(self.worked.clone())
    }
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left to do.
    Success,
    /// It failed.
    Error,
    /// It comes again soon.
    Requeue,
    /// It comes again at a time.
    RequeueAfter,
}

impl Ended {
    const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Requeue, Self::RequeueAfter];

    /// The word in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Requeue => "requeue",
            Self::RequeueAfter => "requeue_after",
        }
    }
}

/// One controller's.
#[derive(Clone, Debug)]
pub struct ControllerMetrics {
    all: WorkerMetrics,
    label: ControllerLabel,
    iterations: Arc<AtomicU64>,
}

impl ControllerMetrics {
    pub(crate) fn workers(&self, limit: usize) {
        self.all.limit.get_or_create(&self.label).set(i64::try_from(limit).unwrap_or(i64::MAX));
        drop(self.all.active.get_or_create(&self.label));
    }

    /// The number of the pass, counted from one.
    pub(crate) fn iteration(&self) -> u64 {
        self.iterations.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn began(&self) {
        self.all.active.get_or_create(&self.label).inc();
    }

    pub(crate) fn idle(&self) {
        self.all.active.get_or_create(&self.label).dec();
    }

    pub(crate) fn panicked(&self) {
        self.all.panics.get_or_create(&self.label).inc();
    }

    /// An answer came too late for a pass.
    pub(crate) fn late(&self) {
        self.all.late.get_or_create(&self.label).inc();
    }

    pub(crate) fn ended(&self, ended: Ended, time: Duration) {
        let controller = self.label.controller;
        self.all.passes.get_or_create(&PassLabels { controller, result: ended.as_str() }).inc();
        if ended == Ended::Error {
            self.all.errors.get_or_create(&self.label).inc();
        }
        self.all.seconds.get_or_create(&self.label).observe(time.as_secs_f64());
    }
}
