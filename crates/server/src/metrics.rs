//! What the server counts of itself.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Counters of the HTTP API; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<ByStatus, Counter>,
    durations: Family<ByRoute, Histogram>,
    refusals: Family<ByReason, Counter>,
    followers: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStatus {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRoute {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

/// Why a request was refused before its handler.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Credentials,
    Forged,
    Concurrency,
    Deadline,
    Panic,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Forged => "forged",
            Self::Concurrency => "concurrency",
            Self::Deadline => "deadline",
            Self::Panic => "panic",
        }
    }
}

impl Default for Metrics {
    /// Counts without being seen.
    fn default() -> Self {
        // 1 ms to 8 s: from a cached panel to a query near its limit.
        let histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 14));
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            refusals: Family::default(),
            followers: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Puts the counters into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_server_requests",
            "Requests answered, by route and status",
            metrics.requests.clone(),
        );
        registry.register(
            "parapet_server_request_duration_seconds",
            "Time from a request's headers to its answer's headers, by route",
            metrics.durations.clone(),
        );
        registry.register(
            "parapet_server_refused_requests",
            "Requests refused before their handler, or given up, by reason",
            metrics.refusals.clone(),
        );
        registry.register(
            "parapet_server_followers",
            "Streams of new log lines that are open",
            metrics.followers.clone(),
        );
        metrics
    }

    /// `route` is a pattern of the router, never a path as it was sent.
    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration) {
        self.requests.get_or_create(&ByStatus { route: route.to_owned(), status }).inc();
        self.durations.get_or_create(&ByRoute { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refusals.get_or_create(&ByReason { reason: refusal.reason() }).inc();
    }

    /// Counts a stream as open until the guard is dropped.
    pub(crate) fn follower(&self) -> Follower {
        self.followers.inc();
        Follower(self.followers.clone())
    }
}

#[derive(Debug)]
pub(crate) struct Follower(Gauge);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.dec();
    }
}
