//! What is known of one kind of request in one hour, and how two such states become one.

use std::collections::BTreeMap;

use crate::sketch::Sketch;
use crate::time::Hour;

/// What traffic is grouped by within an hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficKey {
    /// The hour of the events.
    pub hour: Hour,
    /// `summary`, or `leg` for legs with number 0.
    pub kind: String,
    /// Name of the gateway.
    pub gateway_name: Option<String>,
    /// Region of the gateway.
    pub gateway_region: Option<String>,
    /// API.
    pub service: Option<String>,
    /// Method of the API.
    pub operation: Option<String>,
    /// Application.
    pub app: Option<String>,
    /// Organisation of the application.
    pub app_org: Option<String>,
    /// `Pass`, `Fail`, `Error`, …
    pub final_status: Option<String>,
    /// Status code of HTTP.
    pub http_status: Option<i32>,
}

/// A partial state: everything counted for one key. Merging any split of the same events gives the same state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficHour {
    /// What was grouped by.
    pub key: TrafficKey,
    /// Events.
    pub count: u64,
    /// Events that had a duration.
    pub duration_count: u64,
    /// Sum of durations, milliseconds.
    pub duration_sum_ms: i64,
    /// Shortest duration, milliseconds.
    pub duration_min_ms: Option<i64>,
    /// Longest duration, milliseconds.
    pub duration_max_ms: Option<i64>,
    /// Durations in milliseconds; negative ones count as 0.
    pub duration_sketch: Sketch,
    /// Bytes sent to the client.
    pub bytes_sent: i64,
    /// Bytes received from the client.
    pub bytes_received: i64,
    /// Earliest event, microseconds.
    pub ts_min: i64,
    /// Latest event, microseconds.
    pub ts_max: i64,
}

impl TrafficHour {
    /// Nothing counted yet.
    pub(crate) fn empty(key: TrafficKey) -> Self {
        Self {
            key,
            count: 0,
            duration_count: 0,
            duration_sum_ms: 0,
            duration_min_ms: None,
            duration_max_ms: None,
            duration_sketch: Sketch::default(),
            bytes_sent: 0,
            bytes_received: 0,
            ts_min: i64::MAX,
            ts_max: i64::MIN,
        }
    }

    /// Counts one event.
    pub(crate) fn add(&mut self, ts: i64, duration_ms: Option<i64>, bytes_sent: i64, bytes_received: i64) {
        self.count += 1;
        if let Some(duration) = duration_ms {
            self.duration_count += 1;
            self.duration_sum_ms = self.duration_sum_ms.saturating_add(duration);
            self.duration_min_ms = Some(self.duration_min_ms.map_or(duration, |min| min.min(duration)));
            self.duration_max_ms = Some(self.duration_max_ms.map_or(duration, |max| max.max(duration)));
            self.duration_sketch.add(u64::try_from(duration).unwrap_or(0));
        }
        self.bytes_sent = self.bytes_sent.saturating_add(bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(bytes_received);
        self.ts_min = self.ts_min.min(ts);
        self.ts_max = self.ts_max.max(ts);
    }

    /// Counts what `other` counted; its key must be the same.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.key, other.key);
        self.count += other.count;
        self.duration_count += other.duration_count;
        self.duration_sum_ms = self.duration_sum_ms.saturating_add(other.duration_sum_ms);
        self.duration_min_ms = self.duration_min_ms.into_iter().chain(other.duration_min_ms).min();
        self.duration_max_ms = self.duration_max_ms.max(other.duration_max_ms);
        self.duration_sketch.merge(&other.duration_sketch);
        self.bytes_sent = self.bytes_sent.saturating_add(other.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(other.bytes_received);
        self.ts_min = self.ts_min.min(other.ts_min);
        self.ts_max = self.ts_max.max(other.ts_max);
    }
}

/// States by key, for merging many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct States(BTreeMap<TrafficKey, TrafficHour>);

impl States {
    /// Merges one state in.
    pub(crate) fn merge(&mut self, state: &TrafficHour) {
        match self.0.get_mut(&state.key) {
            Some(known) => known.merge(state),
            None => {
                self.0.insert(state.key.clone(), state.clone());
            }
        }
    }

    /// Merges one state in, its hour replaced by the first of its day.
    pub(crate) fn merge_into_day(&mut self, state: &TrafficHour) {
        let mut state = state.clone();
        state.key.hour = Hour::of(state.key.hour.day().start());
        self.merge(&state);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All states, by key.
    pub(crate) fn into_sorted(self) -> Vec<TrafficHour> {
        self.0.into_values().collect()
    }
}
