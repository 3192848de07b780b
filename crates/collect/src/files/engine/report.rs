//! What the engine counts and shows.

use std::time::Instant;

use parapet_signal::{DeliveryError, Receipt, Signal};

use super::super::tail::Tail;
use super::super::{SourceState, SourceStatus};
use super::Engine;
use crate::metrics::{Accepted, File, Reason, RefusedRecords, Source};

impl Engine {
    /// Refreshes status and gauges.
    pub(super) fn report(&self) {
        let now = self.options.clock.now();
        let paused = self.pause.is_on(Instant::now());
        let metrics = &self.options.metrics;
        let mut status = Vec::with_capacity(self.tails.len());
        for tail in self.tails.values() {
            let lag_bytes = tail.size.saturating_sub(tail.offset);
            let age = tail.lag.oldest().map(|oldest| now.0.saturating_sub(oldest.0).max(0) as f64 / 1e9);
            let labels = self.labels(tail);
            metrics.file_lag_bytes.get_or_create(&labels).set(i64::try_from(lag_bytes).unwrap_or(i64::MAX));
            metrics.file_oldest_unread_seconds.get_or_create(&labels).set(age.unwrap_or(0.0));
            status.push(SourceStatus {
                kind: labels.source,
                path: labels.path,
                lag_bytes,
                oldest_unread_age_seconds: age,
                state: state(tail, lag_bytes, paused),
            });
        }
        metrics.open_files.set(i64::try_from(self.open_files()).unwrap_or(i64::MAX));
        status.sort_by(|a, b| a.path.cmp(&b.path));
        self.status.send_replace(status);
    }

    pub(super) fn forget_gauges(&self, tail: &Tail) {
        let labels = self.labels(tail);
        self.options.metrics.file_lag_bytes.remove(&labels);
        self.options.metrics.file_oldest_unread_seconds.remove(&labels);
    }

    pub(super) fn count_read(
        &self,
        source: &'static str,
        signal: Signal,
        bytes: u64,
        bad: &[(&'static str, u64)],
    ) {
        let metrics = &self.options.metrics;
        metrics.read_bytes.get_or_create(&Source { source }).inc_by(bytes);
        for (reason, count) in bad {
            let labels = RefusedRecords { source, signal: signal.name(), reason };
            metrics.refused_records.get_or_create(&labels).inc_by(*count);
        }
    }

    pub(super) fn count_receipt(&self, source: &'static str, signal: Signal, receipt: &Receipt) {
        let (metrics, signal) = (&self.options.metrics, signal.name());
        metrics.accepted.get_or_create(&Accepted { source, signal }).inc_by(receipt.kept);
        for refused in &receipt.refused {
            let labels = RefusedRecords { source, signal, reason: refused.refusal.reason() };
            metrics.refused_records.get_or_create(&labels).inc_by(refused.rows);
        }
    }

    pub(super) fn count_refused_delivery(&self, error: &DeliveryError) {
        let labels = Reason { reason: error.reason() };
        self.options.metrics.refused_deliveries.get_or_create(&labels).inc();
    }

    pub(super) fn count_restarts(&self, files: u64) {
        self.options.metrics.file_restarts.inc_by(files);
    }

    pub(super) fn count_lost(&self, tail: &Tail, bytes: u64) {
        let source = self.options.inputs[tail.input].kind;
        self.options.metrics.lost_bytes.get_or_create(&Source { source }).inc_by(bytes);
    }

    pub(super) fn count_error(&self, reason: &'static str) {
        self.options.metrics.file_errors.get_or_create(&Reason { reason }).inc();
    }

    fn labels(&self, tail: &Tail) -> File {
        let path = tail.path.to_string_lossy().into_owned();
        File { source: self.options.inputs[tail.input].kind, path }
    }
}

fn state(tail: &Tail, lag_bytes: u64, paused: bool) -> SourceState {
    if tail.failing {
        SourceState::Failing
    } else if lag_bytes > 0 && paused {
        SourceState::Waiting
    } else if tail.gone_since.is_some() {
        SourceState::Draining
    } else if lag_bytes > 0 {
        SourceState::Reading
    } else {
        SourceState::Idle
    }
}
