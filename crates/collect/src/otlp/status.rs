//! What a receiver has taken and refused since the start, for the status page.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// One receiver's figures since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiverStatus {
    /// `otlp_grpc` or `otlp_http`.
    pub name: &'static str,
    /// `otlp`.
    pub kind: &'static str,
    /// Where it listens.
    pub address: String,
    /// Records acknowledged.
    pub accepted_total: u64,
    /// Records and whole requests that were not kept, by reason. A request refused as a whole counts one.
    pub refused: Vec<ReasonCount>,
}

/// A reason and how often it occurred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    /// The `reason` label of the metrics.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
}

/// Running totals.
#[derive(Debug, Default)]
pub(super) struct Tally {
    accepted: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Tally {
    pub(super) fn accept(&self, records: u64) {
        self.accepted.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self, reason: &'static str, count: u64) {
        let mut refused = self.refused.lock().expect("no code panics while it holds this lock");
        *refused.entry(reason).or_default() += count;
    }

    pub(super) fn snapshot(&self) -> (u64, Vec<ReasonCount>) {
        let refused = self.refused.lock().expect("no code panics while it holds this lock");
        let refused = refused.iter().map(|(reason, count)| ReasonCount { reason, count: *count }).collect();
        (self.accepted.load(Ordering::Relaxed), refused)
    }
}
