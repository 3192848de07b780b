//! How the store is doing, for people and for the API.

use parapet_signal::{Refusal, Signal, UnixNanos};
use serde::{Serialize, Serializer};

use crate::schema;
use crate::store::Inner;
use crate::time::Hour;

/// How the store is doing.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Bytes of segments, rollup files and WAL.
    pub disk_bytes: u64,
    /// Bytes that may still be written to the disk.
    pub disk_free_bytes: u64,
    /// Bytes of the WAL.
    pub wal_bytes: u64,
    /// Bytes of rows in memory.
    pub memtable_bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Rows in segments.
    pub rows: u64,
    /// Earliest event time in segments.
    #[serde(serialize_with = "rfc3339")]
    pub oldest_ts: Option<UnixNanos>,
    /// Latest event time.
    #[serde(serialize_with = "rfc3339")]
    pub newest_ts: Option<UnixNanos>,
    /// The tables.
    pub signals: Vec<SignalStatus>,
    /// Sources whose position is remembered.
    pub sources: u64,
    /// Hours of traffic that have rows which the rollup has not counted yet; queries count them themselves.
    pub rollup_hours_due: u64,
    /// Why the store takes nothing until it is restarted, if so.
    pub failed: Option<String>,
}

/// One table.
#[derive(Clone, Debug, Serialize)]
pub struct SignalStatus {
    /// Its name.
    pub signal: &'static str,
    /// Rows acknowledged since the start.
    pub rows_total: u64,
    /// Rows refused since the start.
    pub refused: Vec<RefusedStatus>,
    /// Latest event time.
    #[serde(serialize_with = "rfc3339")]
    pub last_ts: Option<UnixNanos>,
    /// Days that its rows are kept.
    pub retention_days: u64,
    /// Rows in its segments.
    pub segment_rows: u64,
    /// Bytes of its segments.
    pub segment_bytes: u64,
    /// Hours that have segments, earliest and latest.
    pub hours: Option<(Hour, Hour)>,
}

/// Rows of one table refused for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedStatus {
    /// The reason's name.
    pub reason: &'static str,
    /// How many.
    pub rows: u64,
}

impl Status {
    pub(crate) fn of(store: &Inner) -> Self {
        let core = &store.core;
        let wal = store.wal.status();
        let disk_free_bytes = core.fs.free_bytes(&core.dir).unwrap_or(0);
        let state = core.state();
        let all = || state.segments.iter().flat_map(|hours| hours.values()).flatten();
        let segment_bytes: u64 = all().map(|segment| segment.bytes).sum();
        let delta_bytes: u64 = state.rollup.deltas.values().flatten().map(|delta| delta.bytes).sum();
        let signals = Signal::ALL.map(|signal| {
            let at = schema::index(signal);
            let hours = &state.segments[at];
            let refused = Refusal::ALL.map(|refusal| RefusedStatus {
                reason: refusal.reason(),
                rows: core.metrics.refused_rows(signal, refusal),
            });
            SignalStatus {
                signal: signal.name(),
                rows_total: core.metrics.kept_rows(signal),
                refused: refused.into_iter().filter(|refused| refused.rows > 0).collect(),
                last_ts: state.newest[at].map(UnixNanos::from_micros),
                retention_days: core.config.retention(signal).as_secs() / 86_400,
                segment_rows: hours.values().flatten().map(|segment| segment.rows).sum(),
                segment_bytes: hours.values().flatten().map(|segment| segment.bytes).sum(),
                hours: hours.first_key_value().zip(hours.last_key_value()).map(|((a, _), (z, _))| (*a, *z)),
            }
        });
        Self {
            disk_bytes: segment_bytes + delta_bytes + wal.bytes,
            disk_free_bytes,
            wal_bytes: wal.bytes,
            memtable_bytes: state.memory_bytes() as u64,
            segments: all().count() as u64,
            rows: all().map(|segment| segment.rows).sum(),
            oldest_ts: all().map(|segment| segment.ts_min).min().map(UnixNanos::from_micros),
            newest_ts: state.newest.iter().flatten().max().copied().map(UnixNanos::from_micros),
            signals: signals.into(),
            sources: state.sources.len() as u64,
            rollup_hours_due: crate::rollup::due(
                &state.segments[schema::index(Signal::Traffic)],
                &state.rollup,
            )
            .len() as u64,
            failed: core.failed().map(str::to_owned).or_else(|| wal.failed.map(|reason| reason.to_string())),
        }
    }
}

fn rfc3339<S: Serializer>(time: &Option<UnixNanos>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
