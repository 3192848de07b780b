//! The process's own Prometheus registry, read at an interval and delivered as metric points.

mod convert;

use std::sync::Arc;
use std::time::Duration;

use parapet_signal::{Batch, Delivery, Grouped, Resource, Scope, Signal, Sink, UnixNanos};
use prometheus_client::registry::Registry;

use crate::counters::{Loss, Metrics};
use crate::{Clock, Identity, feedback};

/// Reads a registry into points. Counters and histograms are cumulative since the scraper was made.
pub struct Scraper {
    registry: Arc<Registry>,
    resource: Arc<Resource>,
    scope: Arc<Scope>,
    start: UnixNanos,
    clock: Clock,
    metrics: Metrics,
}

impl Scraper {
    /// Make it when the process starts: that is the start time of the counters.
    pub fn new(registry: Arc<Registry>, identity: &Identity, clock: Clock, metrics: Metrics) -> Self {
        Self {
            registry,
            resource: Arc::new(identity.resource()),
            scope: Arc::new(identity.scope()),
            start: clock(),
            clock,
            metrics,
        }
    }

    /// All series as they are now.
    pub fn read(&self) -> Batch {
        let records = convert::points(&self.registry, self.start, (self.clock)());
        Batch::Metrics(vec![Grouped {
            resource: Arc::clone(&self.resource),
            scope: Arc::clone(&self.scope),
            records,
        }])
    }

    /// Delivers all series once, then every `every`, and a last time when `shutdown` resolves. A reading that the sink does not
    /// take is counted and dropped: cumulative series lose nothing but resolution.
    pub async fn run(self, every: Duration, sink: Arc<dyn Sink>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                () = &mut shutdown => true,
                _ = ticks.tick() => false,
            };
            self.deliver(&*sink).await;
            if last {
                return;
            }
        }
    }

    async fn deliver(&self, sink: &dyn Sink) {
        let batch = self.read();
        let records = batch.len() as u64;
        match feedback::muted(sink.deliver(Delivery { source: None, batch })).await {
            Ok(receipt) => {
                self.metrics.delivered(Signal::Metrics, receipt.kept);
                self.metrics.lost(Loss::Refused, receipt.refused.iter().map(|refused| refused.rows).sum());
            }
            Err(error) => {
                self.metrics.delivery_failed(error.reason());
                self.metrics.lost(Loss::NotTaken, records);
            }
        }
    }
}

impl std::fmt::Debug for Scraper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scraper").field("resource", &self.resource).finish_non_exhaustive()
    }
}
