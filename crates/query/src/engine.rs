//! The engine: one store, and the limits that every query runs under.

use std::time::Duration;

use parapet_store::Store;

use crate::Metrics;

/// Limits that every query runs under.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many threads' worth of work one query is split into.
    pub partitions: usize,
    /// Bytes one query may hold in sorts, joins and aggregates. Nothing spills to disk.
    pub memory_bytes: usize,
    /// How long one query may take.
    pub timeout: Duration,
    /// The most rows that one page or one SQL result has.
    pub max_rows: usize,
    /// How long a page may search before it returns what it has found so far.
    pub page_budget: Duration,
    /// How many queries run at once; the others wait within their own timeout.
    pub concurrency: usize,
    /// Bytes of Parquet footers kept in memory.
    pub footer_cache_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            partitions: std::thread::available_parallelism().map_or(2, usize::from),
            memory_bytes: 256 << 20,
            timeout: Duration::from_secs(30),
            max_rows: 10_000,
            page_budget: Duration::from_secs(3),
            concurrency: 8,
            footer_cache_bytes: 64 << 20,
        }
    }
}

/// Answers queries over a store. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) config: std::sync::Arc<Config>,
    #[expect(dead_code, reason = "counted once queries run")]
    metrics: Metrics,
}

impl Engine {
    /// An engine over `store`; reads a new snapshot for every query.
    pub fn new(store: Store, config: Config, metrics: Metrics) -> Self {
        Self { store, config: std::sync::Arc::new(config), metrics }
    }
}
