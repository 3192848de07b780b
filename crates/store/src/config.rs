//! What an operator may set, and what it is when nobody does.

use std::time::Duration;

use parapet_signal::Signal;
use serde::{Deserialize, Serialize};

/// Four WAL files of a size that holds a frame worth its checksum.
const MIN_WAL_BYTES: u64 = 1 << 20;

/// Limits and periods of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Days that each table keeps its rows.
    pub retention_days: RetentionDays,
    /// Days that hourly rollups are kept.
    pub rollup_retention_days: u32,
    /// A table's rows in memory become segments at this many bytes.
    pub flush_bytes: u64,
    /// A table's rows in memory become segments at this age.
    pub flush_age_seconds: u64,
    /// Rows in memory and under way, over all tables, beyond which deliveries are refused as busy.
    pub memory_bytes: u64,
    /// Bytes of write-ahead log beyond which deliveries are refused as busy; rows are flushed at half of it.
    pub wal_bytes: u64,
    /// Free disk space below which deliveries are refused as busy, kept for segments and the manifest.
    pub disk_reserve_bytes: u64,
    /// Largest row, counted as its text.
    pub row_bytes: u64,
    /// Segments of one hour and of similar size that are merged into one.
    pub compaction_segments: usize,
    /// Segments at least this large are not merged again.
    pub compaction_max_bytes: u64,
    /// Files of one day's rollup that are merged into one.
    pub rollup_merge_files: usize,
    /// Sources whose position is remembered; beyond it, the ones not heard of for longest are forgotten.
    pub sources: usize,
    /// Days after which a source that is not heard of is forgotten.
    pub source_days: u32,
}

/// Days that each table keeps its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionDays {
    /// Log records.
    pub logs: u32,
    /// Spans.
    pub spans: u32,
    /// Metric points.
    pub metrics: u32,
    /// API-gateway events.
    pub traffic: u32,
}

impl Default for RetentionDays {
    fn default() -> Self {
        Self { logs: 30, spans: 14, metrics: 30, traffic: 30 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention_days: RetentionDays::default(),
            rollup_retention_days: 400, // a year, and the same weeks of the year before
            flush_bytes: 64 << 20,      // some 200 k log lines: a segment of one or two row groups
            flush_age_seconds: 300,     // bounds what a start has to replay
            memory_bytes: 256 << 20,    // four tables at their flush size
            wal_bytes: 512 << 20,       // about 3 M rows at 130 to 300 B; a few seconds of replay
            disk_reserve_bytes: 512 << 20, // the memory budget as segments, twice, and the manifest
            row_bytes: 1 << 20,
            compaction_segments: 8,
            compaction_max_bytes: 128 << 20,
            rollup_merge_files: 8,
            sources: 100_000, // 24 B each
            source_days: 60,
        }
    }
}

impl Config {
    /// How long a table keeps its rows.
    pub fn retention(&self, signal: Signal) -> Duration {
        days(match signal {
            Signal::Logs => self.retention_days.logs,
            Signal::Spans => self.retention_days.spans,
            Signal::Metrics => self.retention_days.metrics,
            Signal::Traffic => self.retention_days.traffic,
        })
    }

    /// How long hourly rollups are kept.
    pub fn rollup_retention(&self) -> Duration {
        days(self.rollup_retention_days)
    }

    /// How long a source that is not heard of is remembered.
    pub(crate) fn source_retention(&self) -> Duration {
        days(self.source_days)
    }

    /// How long rows may stay in memory alone.
    pub(crate) fn flush_age(&self) -> Duration {
        Duration::from_secs(self.flush_age_seconds)
    }

    /// Names the first setting with which no store could run.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let days = &self.retention_days;
        if [days.logs, days.spans, days.metrics, days.traffic].contains(&0) {
            return Err("retention_days must be at least 1");
        }
        if self.rollup_retention_days == 0 {
            return Err("rollup_retention_days must be at least 1");
        }
        if self.flush_bytes == 0 || self.memory_bytes < self.flush_bytes {
            return Err("memory_bytes must be at least flush_bytes, and that at least 1");
        }
        if self.compaction_segments < 2 || self.rollup_merge_files < 2 {
            return Err("compaction_segments and rollup_merge_files must be at least 2");
        }
        if self.wal_bytes < MIN_WAL_BYTES {
            return Err("wal_bytes must be at least 1 MiB");
        }
        if self.row_bytes == 0 || self.sources == 0 || self.source_days == 0 {
            return Err("row_bytes, sources and source_days must be at least 1");
        }
        Ok(())
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_can_run_and_a_misspelt_key_cannot() {
        assert_eq!(Config::default().check(), Ok(()));
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
        let error = serde_json::from_str::<Config>(r#"{"flush_byte": 1}"#).unwrap_err().to_string();
        assert!(error.contains("flush_byte"), "{error}");
        let error =
            serde_json::from_str::<Config>(r#"{"retention_days": {"log": 1}}"#).unwrap_err().to_string();
        assert!(error.contains("log"), "{error}");
    }

    #[test]
    fn settings_that_cannot_run_are_named() {
        let none = RetentionDays { logs: 0, ..RetentionDays::default() };
        assert!(Config { retention_days: none, ..Config::default() }.check().is_err());
        assert!(Config { memory_bytes: 1, ..Config::default() }.check().is_err());
        assert!(Config { compaction_segments: 1, ..Config::default() }.check().is_err());
    }
}
