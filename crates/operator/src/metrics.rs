//! What the operator says of itself, under the names that dashboards of such operators ask for.

mod certificates;
mod certwatcher;
mod process;
mod steps;
mod usage;
mod work;
mod workers;

use prometheus_client::registry::Registry;

use crate::cluster::{ApiMetrics, WatchMetrics};
use crate::endpoint::EndpointMetrics;
use crate::events::EventMetrics;
use crate::webhook;

pub use certificates::CertificateMetrics;
pub use certwatcher::CertificateReads;
pub(crate) use certwatcher::CountedReads;
pub use steps::Steps;
pub(crate) use steps::{LICENCE, WEBHOOK_CERTIFICATES};
pub use usage::{LeaderMetrics, UsageMetrics};
pub(crate) use work::Work;
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
    /// Reviews, also where no webhook is served: there they stay at none.
    pub webhook: webhook::Metrics,
    /// Parts of passes.
    pub steps: Steps,
}

impl Metrics {
    /// Registers them, and those of the process itself.
    pub fn register(registry: &mut Registry) -> Self {
        process::register(registry);
        let workers = WorkerMetrics::register(registry);
        Self {
            api: ApiMetrics::register(registry),
            watches: WatchMetrics::register(registry),
            events: EventMetrics::register(registry),
            steps: Steps::new(workers.clone()),
            workers,
            leader: LeaderMetrics::register(registry),
            usage: UsageMetrics::register(registry),
            endpoint: EndpointMetrics::register(registry),
            webhook: webhook::Metrics::register(registry),
        }
    }
}

#[cfg(test)]
mod tests;
