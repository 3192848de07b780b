//! What the webhook counts.

use parapet_api::Kind;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// How a review ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Verdict {
    /// Nothing is wrong.
    Allowed,
    /// Nothing was asked: the kind or the namespace is somebody else's, or the object is on its way out.
    Unchecked,
    /// A rule is broken.
    Denied,
    /// It was no review.
    Malformed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: &'static str,
    verdict: Verdict,
}

/// Reviews, by kind and verdict.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    reviews: Family<Labels, Counter>,
    panics: Counter,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_operator_webhook_reviews",
            "Objects that the API server asked about",
            metrics.reviews.clone(),
        );
        registry.register(
            "controller_runtime_webhook_panics",
            "Reviews whose answer panicked: a defect",
            metrics.panics.clone(),
        );
        metrics
    }

    pub(super) fn panicked(&self) {
        self.panics.inc();
    }

    pub(super) fn count(&self, kind: Option<Kind>, verdict: Verdict) {
        let kind = kind.map_or("unknown", Kind::name);
        self.reviews.get_or_create(&Labels { kind, verdict }).inc();
    }
}
