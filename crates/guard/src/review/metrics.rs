//! What is counted about reviews.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::ReviewError;

/// Which review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReviewKind {
    /// TokenReview.
    Token,
    /// SubjectAccessReview.
    Access,
}

impl ReviewKind {
    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Access => "access",
        }
    }
}

impl EncodeLabelValue for ReviewKind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

/// Counters of the client of the API server.
#[derive(Clone, Debug)]
pub struct ReviewMetrics {
    failures: Family<Failed, Counter>,
    unsure: Counter,
    durations: Family<Of, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    kind: ReviewKind,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    kind: ReviewKind,
}

/// Seconds; an API server answers in about 3 ms, and the deadline is 5 s.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0];

impl ReviewMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            failures: Family::default(),
            unsure: Counter::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        };
        registry.register(
            "parapet_guard_review_failures",
            "Reviews that the API server gave no usable answer to, by kind and reason",
            metrics.failures.clone(),
        );
        registry.register(
            "parapet_guard_review_evaluation_errors",
            "Access reviews that allow nothing and say that an authorizer failed; they refuse, and are not remembered",
            metrics.unsure.clone(),
        );
        registry.register_with_unit(
            "parapet_guard_review_duration",
            "Time of a review with all its attempts, by kind; its count is the number of reviews asked for",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        metrics
    }

    pub(super) fn answered(&self, kind: ReviewKind, took: Duration, error: Option<&ReviewError>) {
        self.durations.get_or_create(&Of { kind }).observe(took.as_secs_f64());
        if let Some(error) = error {
            self.failures.get_or_create(&Failed { kind, reason: error.reason() }).inc();
        }
    }

    pub(super) fn unsure(&self) {
        self.unsure.inc();
    }
}
