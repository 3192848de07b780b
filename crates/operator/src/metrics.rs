//! What the operator says of itself, under the names that dashboards of such operators ask for.

mod process;
mod usage;
mod workers;

use prometheus_client::registry::Registry;

use crate::cluster::{ApiMetrics, WatchMetrics};
use crate::endpoint::EndpointMetrics;
use crate::events::EventMetrics;

pub use usage::{LeaderMetrics, UsageMetrics};
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
    /// Who leads.
    pub leader: LeaderMetrics,
    /// How much is managed.
    pub usage: UsageMetrics,
    /// What is served.
    pub endpoint: EndpointMetrics,
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
            leader: LeaderMetrics::register(registry),
            usage: UsageMetrics::register(registry),
            endpoint: EndpointMetrics::register(registry),
        }
    }
}
