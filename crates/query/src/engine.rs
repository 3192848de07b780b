//! The engine: one store, and the limits that every query runs under.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::session_state::SessionState;
use parapet_store::Store;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::metrics::Operation;
use crate::scan::Footers;
use crate::session::{self, Session};
use crate::{Metrics, QueryError};

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
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    config: Config,
    metrics: Metrics,
    footers: Footers,
    /// Functions, rules and settings, built once; each query gets a copy with a memory pool of its own.
    prototype: SessionState,
    running: Semaphore,
}

impl Engine {
    /// An engine over `store`; reads a new snapshot for every query. Must be used inside a tokio runtime.
    pub fn new(store: Store, config: Config, metrics: Metrics) -> Self {
        let inner = Inner {
            prototype: session::prototype(config.partitions),
            footers: Footers::new(config.footer_cache_bytes),
            running: Semaphore::new(config.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            store,
            config,
            metrics,
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    /// A page's size: at least one row, at most what is configured.
    pub(crate) fn limit(&self, wanted: usize) -> Result<usize, QueryError> {
        let most = self.inner.config.max_rows;
        if wanted == 0 || wanted > most {
            return Err(QueryError::BadRequest(format!("limit must be 1 to {most}")));
        }
        Ok(wanted)
    }

    /// Runs one query: waits for its turn, gives it a snapshot, a memory pool and a deadline, and counts it.
    pub(crate) async fn run<T>(
        &self,
        operation: Operation,
        work: impl AsyncFnOnce(Session) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        self.run_within(operation, self.inner.config.timeout, work).await
    }

    pub(crate) async fn run_within<T>(
        &self,
        operation: Operation,
        timeout: Duration,
        work: impl AsyncFnOnce(Session) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let started = Instant::now();
        let deadline = started + timeout.min(self.inner.config.timeout);
        let span = tracing::info_span!("query", otel.name = operation.name(), operation = operation.name());
        let result = self.admitted(deadline, work).instrument(span).await;
        self.inner.metrics.count(operation, started.elapsed(), result.as_ref().err());
        result
    }

    async fn admitted<T>(
        &self,
        deadline: Instant,
        work: impl AsyncFnOnce(Session) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let inner = &self.inner;
        let turn = timeout_at(deadline, inner.running.acquire()).await;
        let _turn = turn
            .map_err(|_| QueryError::TooExpensive("too many queries at once; try again later".into()))?
            .expect("the semaphore is never closed");
        let session = Session::new(
            &inner.prototype,
            inner.config.memory_bytes,
            inner.store.snapshot(),
            inner.footers.clone(),
            deadline,
        )?;
        work(session).await
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("config", &self.inner.config).finish_non_exhaustive()
    }
}
