//! Parts of passes that are controllers of their own in the reference, counted under its names: dashboards that show them go on.
//! They have no queues and no workers here.

use parapet_elastic::association::AssociationKind;
use tokio::time::Instant;

use super::{Ended, WorkerMetrics};

/// Licences of Elasticsearch clusters.
pub(crate) const LICENCE: &str = "license-controller";
/// The webhook's certificate.
pub(crate) const WEBHOOK_CERTIFICATES: &str = "webhook-certificates-controller";

/// Counts them.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    workers: WorkerMetrics,
}

impl Steps {
    /// All are there from the start, so that a rate over them begins at zero.
    pub fn new(workers: WorkerMetrics) -> Self {
        let references = AssociationKind::ALL.map(AssociationKind::controller);
        for name in references.into_iter().chain([LICENCE, WEBHOOK_CERTIFICATES]) {
            drop(workers.controller(name));
        }
        Self { workers }
    }

    /// Does one, and counts how it `ended` and how long it took.
    pub(crate) async fn count<T>(
        &self,
        name: &'static str,
        step: impl Future<Output = T>,
        ended: impl FnOnce(&T) -> Ended,
    ) -> T {
        let counted = self.workers.controller(name);
        let since = Instant::now();
        let result = step.await;
        counted.ended(ended(&result), since.elapsed());
        result
    }
}
