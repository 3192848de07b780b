//! What travels together from a receiver to the store.

use std::sync::Arc;

use crate::{LogRecord, Point, Resource, Scope, Span, TrafficEvent};

/// Records that share a resource and a scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouped<T> {
    /// What produced them.
    pub resource: Arc<Resource>,
    /// The library that recorded them.
    pub scope: Arc<Scope>,
    /// The records, in order of arrival.
    pub records: Vec<T>,
}

/// The kinds of signal, each with a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans of traces.
    Spans,
    /// Points of metrics.
    Metrics,
    /// API-gateway traffic events.
    Traffic,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Logs, Self::Spans, Self::Metrics, Self::Traffic];

    /// The name used for tables, metric labels and API paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Spans => "spans",
            Self::Metrics => "metrics",
            Self::Traffic => "traffic",
        }
    }
}

/// One signal's records, acknowledged together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Batch {
    /// Log records.
    Logs(Vec<Grouped<LogRecord>>),
    /// Spans.
    Spans(Vec<Grouped<Span>>),
    /// Metric points.
    Metrics(Vec<Grouped<Point>>),
    /// API-gateway traffic events.
    Traffic(Vec<TrafficEvent>),
}

impl Batch {
    /// Which signal it holds.
    pub fn signal(&self) -> Signal {
        match self {
            Self::Logs(_) => Signal::Logs,
            Self::Spans(_) => Signal::Spans,
            Self::Metrics(_) => Signal::Metrics,
            Self::Traffic(_) => Signal::Traffic,
        }
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        fn sum<T>(groups: &[Grouped<T>]) -> usize {
            groups.iter().map(|group| group.records.len()).sum()
        }
        match self {
            Self::Logs(groups) => sum(groups),
            Self::Spans(groups) => sum(groups),
            Self::Metrics(groups) => sum(groups),
            Self::Traffic(events) => events.len(),
        }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
