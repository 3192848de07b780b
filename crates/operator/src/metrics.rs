//! What the operator says of itself, under the names that dashboards of such operators ask for.

mod process;
mod workers;

use prometheus_client::registry::Registry;

use crate::cluster::{ApiMetrics, WatchMetrics};
use crate::events::EventMetrics;

pub use workers::{ControllerMetrics, Ended, QueueMetrics, WorkerMetrics};

/// All of them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Calls of the API server.
    pub api: ApiMetrics,
    /// Its watches.
    pub watches: WatchMetrics,
    /// Events.
    pub events: EventMetrics,
    /// Queues and passes.
    pub workers: WorkerMetrics,
}

impl Metrics {
    /// Registers them, and those of the process itself.
    pub fn register(registry: &mut Registry) -> Self {
        process::register(registry);
        Self {
            api: ApiMetrics::register(registry),
            watches: WatchMetrics::register(registry),
            events: EventMetrics::register(registry),
            workers: WorkerMetrics::register(registry),
        }
    }
}
