//! Requests counted by everything an overview shows. The same code counts what rollups and what rows say, so that both
//! give the same numbers.

use std::collections::BTreeMap;

use parapet_store::Sketch;

use super::{
    StatusCount, TopRow, TrafficBucket, TrafficOverview, TrafficPercentiles, TrafficSource, TrafficTotals,
};
use crate::time::Buckets;

/// Entries of a top list.
const TOP: usize = 10;

/// The classes of HTTP status, and what has none.
const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "other"];

/// Some events that are alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Alike {
    /// Microseconds of one of them, in the bucket of all of them.
    pub(super) ts: i64,
    /// Whether they are summaries of transactions; otherwise they are legs 0.
    pub(super) is_summary: bool,
    pub(super) service: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) app: Option<String>,
    pub(super) final_status: Option<String>,
    pub(super) http_status: Option<i32>,
    pub(super) count: u64,
    pub(super) durations: Sketch,
    pub(super) bytes_sent: i64,
    pub(super) bytes_received: i64,
}

/// The counts.
pub(super) struct Cube {
    buckets: Buckets,
    totals: Counts,
    by_bucket: Vec<(Counts, [u64; 5])>,
    by_service: BTreeMap<String, Counts>,
    by_operation: BTreeMap<String, Counts>,
    by_app: BTreeMap<String, Counts>,
    by_status: BTreeMap<i32, u64>,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    requests: u64,
    errors: u64,
    bytes_sent: u64,
    bytes_received: u64,
    durations: Sketch,
}

impl Cube {
    pub(super) fn new(buckets: Buckets) -> Self {
        Self {
            by_bucket: vec![<(Counts, [u64; 5])>::default(); buckets.count],
            buckets,
            totals: Counts::default(),
            by_service: BTreeMap::new(),
            by_operation: BTreeMap::new(),
            by_app: BTreeMap::new(),
            by_status: BTreeMap::new(),
        }
    }

    /// Counts some events: a summary for its application, a leg 0 for everything else.
    pub(super) fn add(&mut self, alike: &Alike) {
        if alike.is_summary {
            add_to(&mut self.by_app, alike.app.as_deref(), alike);
            return;
        }
        self.totals.add(alike);
        if let Some(index) = self.buckets.index(alike.ts) {
            let (counts, classes) = &mut self.by_bucket[index];
            counts.add(alike);
            classes[class(alike.http_status)] += alike.count;
        }
        add_to(&mut self.by_service, alike.service.as_deref(), alike);
        add_to(&mut self.by_operation, alike.operation.as_deref(), alike);
        if let Some(status) = alike.http_status {
            *self.by_status.entry(status).or_default() += alike.count;
        }
    }

    pub(super) fn finish(self, source: TrafficSource) -> TrafficOverview {
        let buckets =
            self.by_bucket.into_iter().enumerate().map(|(index, (counts, classes))| TrafficBucket {
                ts: self.buckets.ts(index),
                requests: counts.requests,
                by_class: CLASSES.iter().map(|class| (*class).to_owned()).zip(classes).collect(),
                percentiles: counts.percentiles(),
            });
        TrafficOverview {
            interval_seconds: self.buckets.seconds(),
            source,
            buckets: buckets.collect(),
            totals: TrafficTotals {
                requests: self.totals.requests,
                errors: self.totals.errors,
                bytes_sent: self.totals.bytes_sent,
                bytes_received: self.totals.bytes_received,
                percentiles: self.totals.percentiles(),
            },
            top_services: top(self.by_service),
            top_operations: top(self.by_operation),
            top_apps: top(self.by_app),
            status_codes: self
                .by_status
                .into_iter()
                .map(|(status, requests)| StatusCount { status, requests })
                .collect(),
        }
    }
}

/// The index of a status' class in `by_class`.
fn class(status: Option<i32>) -> usize {
    match status {
        Some(200..=299) => 0,
        Some(300..=399) => 1,
        Some(400..=499) => 2,
        Some(500..=599) => 3,
        _ => 4,
    }
}

/// Whether a request did not pass.
fn is_error(final_status: Option<&str>, http_status: Option<i32>) -> bool {
    let failed = final_status.is_some_and(|status| {
        ["fail", "failure", "error", "exception"].iter().any(|bad| status.eq_ignore_ascii_case(bad))
    });
    failed || http_status.is_some_and(|status| status >= 500)
}

impl Counts {
    fn add(&mut self, alike: &Alike) {
        self.requests += alike.count;
        if is_error(alike.final_status.as_deref(), alike.http_status) {
            self.errors += alike.count;
        }
        self.bytes_sent = self.bytes_sent.saturating_add(u64::try_from(alike.bytes_sent).unwrap_or(0));
        self.bytes_received =
            self.bytes_received.saturating_add(u64::try_from(alike.bytes_received).unwrap_or(0));
        self.durations.merge(&alike.durations);
    }

    fn percentiles(&self) -> TrafficPercentiles {
        TrafficPercentiles {
            p50_ms: self.durations.quantile(0.5),
            p95_ms: self.durations.quantile(0.95),
            p99_ms: self.durations.quantile(0.99),
        }
    }
}

fn add_to(map: &mut BTreeMap<String, Counts>, name: Option<&str>, alike: &Alike) {
    let Some(name) = name else { return };
    match map.get_mut(name) {
        Some(counts) => counts.add(alike),
        None => map.entry(name.to_owned()).or_default().add(alike),
    }
}

/// Most requests first; of equals, by name.
fn top(map: BTreeMap<String, Counts>) -> Vec<TopRow> {
    let mut rows: Vec<_> = map.into_iter().collect();
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.requests));
    let row = |(name, counts): (String, Counts)| TopRow {
        name,
        requests: counts.requests,
        errors: counts.errors,
        p95_ms: counts.durations.quantile(0.95),
        bytes_sent: counts.bytes_sent,
    };
    rows.into_iter().take(TOP).map(row).collect()
}
