//! What is counted, per listener.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::handshake::Failure;

/// Counters of all listeners of a process; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    open: Family<ByListener, Gauge>,
    accepted: Family<ByListener, Counter>,
    refused: Family<ByReason, Counter>,
    failures: Family<ByReason, Counter>,
    requests: Family<ByProtocol, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByListener {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocol {
    listener: &'static str,
    protocol: &'static str,
}

impl Metrics {
    /// Puts the counters into `registry`. `Metrics::default()` counts without being seen.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "parapet_listen_open_connections",
            "Connections that are open now",
            metrics.open.clone(),
        );
        registry.register(
            "parapet_listen_accepted_connections",
            "Connections that were accepted",
            metrics.accepted.clone(),
        );
        registry.register(
            "parapet_listen_refused_connections",
            "Connections that were closed unread, by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "parapet_listen_handshake_failures",
            "Connections that ended before a TLS session, by reason",
            metrics.failures.clone(),
        );
        registry.register(
            "parapet_listen_requests",
            "Requests that were read, by protocol (h1, h2)",
            metrics.requests.clone(),
        );
        metrics
    }

    pub(crate) fn of(&self, listener: &'static str) -> ListenerMetrics {
        ListenerMetrics { all: self.clone(), listener }
    }
}

/// The counters of one listener.
#[derive(Clone, Debug)]
pub(crate) struct ListenerMetrics {
    all: Metrics,
    listener: &'static str,
}

/// Why a connection was closed unread.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    TooManyConnections,
    AcceptFailed,
}

impl Refused {
    fn reason(self) -> &'static str {
        match self {
            Self::TooManyConnections => "too_many_connections",
            Self::AcceptFailed => "accept_failed",
        }
    }
}

impl ListenerMetrics {
    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn accepted(&self) -> OpenGuard {
        let labels = ByListener { listener: self.listener };
        self.all.accepted.get_or_create(&labels).inc();
        let open = self.all.open.get_or_create_owned(&labels);
        open.inc();
        OpenGuard(open)
    }

    pub(crate) fn refused(&self, refused: Refused) {
        self.all.refused.get_or_create(&self.by(refused.reason())).inc();
    }

    pub(crate) fn failed(&self, failure: Failure) {
        self.all.failures.get_or_create(&self.by(failure.reason())).inc();
    }

    /// Resolved once a connection: one increment a request is all that the hot path pays.
    pub(crate) fn requests(&self, protocol: &'static str) -> Counter {
        self.all.requests.get_or_create_owned(&ByProtocol { listener: self.listener, protocol })
    }

    fn by(&self, reason: &'static str) -> ByReason {
        ByReason { listener: self.listener, reason }
    }
}

#[derive(Debug)]
pub(crate) struct OpenGuard(Gauge);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
