//! Stores that hold the same rows in different places.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parapet_fs::OsFs;
use parapet_query::{Config, Engine, Metrics, Page, TimeRange};
use parapet_signal::{
    Attributes, Batch, Delivery, Grouped, LogRecord, Resource, Scope, SeverityNumber, Sink as _, UnixNanos,
};
use parapet_store::{Clock, Hour, Options, Store};
use prometheus_client::registry::Registry;
use tempfile::TempDir;

/// The first hour of all rows: in June 2026.
pub(crate) const START: Hour = Hour(494_886);
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const HOUR: i64 = 3_600 * SECOND;

/// Where rows are when they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Segments,
    Both,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Segments, Self::Both];
}

/// Stands some days after the first row until it is told otherwise.
#[derive(Clone, Debug)]
struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::Relaxed))
    }
}

/// A store in a folder of its own, and an engine over it.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    _dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Config { partitions: 2, ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = TestClock(Arc::new(AtomicI64::new(START.start().0 + 5 * 24 * HOUR * 1_000)));
        let options = Options {
            fs: Arc::new(OsFs),
            dir: dir.path().join("data"),
            config: parapet_store::Config {
                disk_reserve_bytes: 0,
                compaction_segments: 3,
                ..Default::default()
            },
            clock: Arc::new(clock),
        };
        let mut registry = Registry::default();
        let (store, _) = Store::open(options, &mut registry).unwrap();
        let engine = Engine::new(store.clone(), config, Metrics::register(&mut registry));
        Self { store, engine, _dir: dir }
    }

    /// Delivers batches in order, and has their rows where they are wanted.
    pub(crate) async fn fill(place: Place, batches: Vec<Batch>) -> Self {
        let bench = Self::new();
        let flush_after = match place {
            Place::Memory => 0,
            Place::Segments => batches.len(),
            Place::Both => batches.len() / 2,
        };
        for (index, batch) in batches.into_iter().enumerate() {
            bench.deliver(batch).await;
            // Several segments an hour, so that they have to be merged.
            if index + 1 == flush_after || (index < flush_after && index % 2 == 0) {
                bench.store.flush().unwrap();
            }
        }
        bench
    }

    pub(crate) async fn deliver(&self, batch: Batch) {
        let rows = batch.len() as u64;
        let receipt = self.store.deliver(Delivery { source: None, batch }).await.unwrap();
        assert_eq!(receipt.kept, rows);
    }
}

pub(crate) fn at(micros: i64) -> UnixNanos {
    UnixNanos::from_micros(START.start().micros() + micros)
}

/// Microseconds after the start.
pub(crate) fn range(from: i64, to: i64) -> TimeRange {
    TimeRange { from: at(from), to: at(to) }
}

/// Microseconds after the start, as the engine writes it.
pub(crate) fn text(micros: i64) -> String {
    let timestamp = jiff::Timestamp::from_microsecond(START.start().micros() + micros).unwrap();
    format!("{timestamp:.6}")
}

/// A log line, as tests think of it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) ts: i64,
    pub(crate) body: String,
    pub(crate) severity: u8,
    pub(crate) service: String,
    pub(crate) code: i64,
}

pub(crate) fn lines(lines: &[Line]) -> Batch {
    let group = |line: &Line| {
        let attributes =
            Attributes::new().with("service.name", line.service.as_str()).with("k8s.pod.name", "pod-1");
        let record = LogRecord {
            time: at(line.ts),
            observed_time: at(line.ts),
            severity_number: SeverityNumber::from_number(line.severity.into()),
            body: line.body.as_str().into(),
            attributes: Attributes::new().with("code", line.code),
            ..LogRecord::default()
        };
        Grouped {
            resource: Arc::new(Resource { attributes }),
            scope: Arc::new(Scope::default()),
            records: vec![record],
        }
    };
    Batch::Logs(lines.iter().map(group).collect())
}

/// Every page of a list, by asking for one after the other.
pub(crate) async fn all_pages<T, F: Future<Output = Page<T>>>(
    mut page: impl FnMut(Option<String>) -> F,
) -> Vec<T> {
    let (mut rows, mut cursor, mut last) = (Vec::new(), None, None);
    loop {
        let next = page(cursor).await;
        assert!(next.complete || next.scanned_until.is_some());
        rows.extend(next.rows);
        assert!(next.next_cursor.is_none() || next.next_cursor != last, "every page makes progress");
        last.clone_from(&next.next_cursor);
        cursor = next.next_cursor;
        if cursor.is_none() {
            return rows;
        }
    }
}

pub(crate) const LONG: Duration = Duration::from_secs(600);
