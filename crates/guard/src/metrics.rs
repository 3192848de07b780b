//! What the engine counts. Every label is an enum's word, so their number is bounded.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::{AllowReason, RefuseReason};

/// From what a cached answer of a local upstream takes to what an upstream that aggregates takes.
const LATENCY_BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The engine's counters. Clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    allowed: Vec<Counter>,
    refused: Vec<Counter>,
    first_byte: Histogram,
    upstream_failed: Family<Reason, Counter>,
    upstream_opened: Counter,
    upstream_retried: Counter,
    connections: Family<OfListener, Gauge>,
    accepted: Family<OfListener, Counter>,
    turned_away: Family<TurnedAway, Counter>,
    streams_stalled: Counter,
    tunnels: Gauge,
    tunnels_ended: Family<Reason, Counter>,
    in_flight: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    decision: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfListener {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnedAway {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Why a connection came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Too many connections.
    Full,
    /// Too many from this address.
    AddressFull,
    /// The handshake failed.
    Handshake,
    /// The handshake took too long.
    HandshakeTimeout,
    /// Accepting failed: usually no file descriptors left.
    Accept,
}

impl Turned {
    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AddressFull => "address_full",
            Self::Handshake => "handshake",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Accept => "accept",
        }
    }
}

/// Why a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TunnelEnded {
    /// One side closed it.
    Closed,
    /// It reached its longest life.
    Expired,
    /// Its caller may no longer have it.
    Revoked,
    /// The process ends.
    Draining,
}

impl TunnelEnded {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Draining => "draining",
        }
    }
}

impl Metrics {
    /// Registers everything under `parapet_guard_`.
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("parapet_guard");
        let requests = Family::<Decided, Counter>::default();
        registry.register("requests", "Requests by decision and reason", requests.clone());
        // Found once, so that a request costs an addition.
        let counter = |decision, reason| requests.get_or_create_owned(&Decided { decision, reason });
        let allowed = AllowReason::ALL.iter().map(|reason| counter("allow", reason.as_str())).collect();
        let refused = RefuseReason::ALL.iter().map(|reason| counter("refuse", reason.as_str())).collect();
        let first_byte = Histogram::new(LATENCY_BUCKETS);
        registry.register_with_unit(
            "upstream_first_byte",
            "From the end of a decision to the head of the upstream's answer",
            Unit::Seconds,
            first_byte.clone(),
        );
        let upstream_failed = Family::default();
        registry.register(
            "upstream_failures",
            "Allowed requests that the upstream gave no usable answer to, by reason",
            upstream_failed.clone(),
        );
        let upstream_opened = Counter::<u64, AtomicU64>::default();
        registry.register(
            "upstream_connections_opened",
            "Connections opened to the upstream",
            upstream_opened.clone(),
        );
        let upstream_retried = Counter::default();
        registry.register(
            "upstream_retries",
            "Requests sent again because a pooled connection had ended before they were sent",
            upstream_retried.clone(),
        );
        let connections = Family::default();
        registry.register("connections", "Open connections", connections.clone());
        let accepted = Family::default();
        registry.register("connections_accepted", "Connections accepted", accepted.clone());
        let turned_away = Family::default();
        registry.register(
            "connections_refused",
            "Connections that came to nothing, by reason",
            turned_away.clone(),
        );
        let streams_stalled = Counter::default();
        registry.register(
            "streams_stalled",
            "HTTP/2 streams reset because their reader gave no room for too long",
            streams_stalled.clone(),
        );
        let tunnels = Gauge::default();
        registry.register("tunnels", "Open upgraded connections", tunnels.clone());
        let tunnels_ended = Family::default();
        registry.register(
            "tunnels_ended",
            "Upgraded connections that ended, by reason",
            tunnels_ended.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("requests_in_flight", "Requests whose answer isn't complete", in_flight.clone());
        Self(Arc::new(Inner {
            allowed,
            refused,
            first_byte,
            upstream_failed,
            upstream_opened,
            upstream_retried,
            connections,
            accepted,
            turned_away,
            streams_stalled,
            tunnels,
            tunnels_ended,
            in_flight,
        }))
    }

    pub(crate) fn allowed(&self, reason: AllowReason) {
        self.0.allowed[reason as usize].inc();
    }

    pub(crate) fn refused(&self, reason: RefuseReason) {
        self.0.refused[reason as usize].inc();
    }

    pub(crate) fn failed(&self, reason: RefuseReason) {
        self.0.upstream_failed.get_or_create(&Reason { reason: reason.as_str() }).inc();
    }

    pub(crate) fn first_byte(&self, after: Duration) {
        self.0.first_byte.observe(after.as_secs_f64());
    }

    pub(crate) fn upstream_opened(&self) {
        self.0.upstream_opened.inc();
    }

    pub(crate) fn upstream_retried(&self) {
        self.0.upstream_retried.inc();
    }

    pub(crate) fn accepted(&self, listener: &'static str) -> Counted {
        self.0.accepted.get_or_create(&OfListener { listener }).inc();
        Counted::new(self.0.connections.get_or_create_owned(&OfListener { listener }))
    }

    pub(crate) fn turned_away(&self, listener: &'static str, reason: Turned) {
        self.0.turned_away.get_or_create(&TurnedAway { listener, reason: reason.as_str() }).inc();
    }

    pub(crate) fn stream_stalled(&self) {
        self.0.streams_stalled.inc();
    }

    pub(crate) fn tunnel(&self) -> Counted {
        Counted::new(self.0.tunnels.clone())
    }

    pub(crate) fn tunnel_ended(&self, reason: TunnelEnded) {
        self.0.tunnels_ended.get_or_create(&Reason { reason: reason.as_str() }).inc();
    }

    pub(crate) fn in_flight(&self) -> Counted {
        Counted::new(self.0.in_flight.clone())
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Metrics")
    }
}

/// One more of something, until dropped.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
