//! A store on a simulated disk, a clock that is set by hand, and rows that can be told apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{Array as _, AsArray as _};
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parapet_fs::Fs;
use parapet_signal::{
    Attributes, Batch, Delivery, DeliveryError, Grouped, LogRecord, Receipt, Resource, Scope, Signal,
    Sink as _, SourceId, TrafficEvent, TrafficKind, UnixNanos,
};
use parapet_store::{
    Clock, Config, Hour, Options, Recovery, Snapshot, Store, StoreError, TimeRange, TrafficHour,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use prometheus_client::registry::Registry;

pub(crate) const DIR: &str = "/data";

/// When every test starts: the start of an hour in June 2026.
pub(crate) const START: Hour = Hour(494_886);

/// A clock that stands still until it is told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START.start().0)))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.0.load(Ordering::Relaxed))
    }
}

/// Small everywhere, so that everything happens in a short test.
pub(crate) fn config() -> Config {
    Config {
        flush_bytes: 256 << 10,
        memory_bytes: 64 << 20,
        wal_bytes: 4 << 20,
        disk_reserve_bytes: 0,
        compaction_segments: 3,
        rollup_merge_files: 3,
        ..Config::default()
    }
}

pub(crate) fn open(
    fs: impl Fs + 'static,
    clock: &TestClock,
    config: Config,
) -> Result<(Store, Recovery), StoreError> {
    let options =
        Options { fs: Arc::new(fs), dir: PathBuf::from(DIR), config, clock: Arc::new(clock.clone()) };
    Store::open(options, &mut Registry::default())
}

pub(crate) fn deliver(store: &Store, delivery: Delivery) -> Result<Receipt, DeliveryError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.deliver(delivery))
}

pub(crate) fn once(batch: Batch) -> Delivery {
    Delivery { source: None, batch }
}

pub(crate) fn from_source(source: u64, position: u64, batch: Batch) -> Delivery {
    Delivery { source: Some((SourceId(source), position)), batch }
}

/// Log records with the given ids and times.
pub(crate) fn logs(rows: impl IntoIterator<Item = (u64, UnixNanos)>) -> Batch {
    let records = rows.into_iter().map(|(id, time)| LogRecord {
        time,
        observed_time: time,
        body: format!("{id}").into(),
        attributes: Attributes::new().with("log.iostream", "stdout"),
        ..LogRecord::default()
    });
    let resource = Resource {
        attributes: Attributes::new().with("service.name", "shop").with("k8s.pod.name", "shop-1"),
    };
    Batch::Logs(vec![Grouped {
        resource: Arc::new(resource),
        scope: Arc::new(Scope::default()),
        records: records.collect(),
    }])
}

/// A traffic event whose fields follow from its id.
pub(crate) fn traffic(id: u64, time: UnixNanos) -> TrafficEvent {
    let kind = [TrafficKind::Summary, TrafficKind::Leg, TrafficKind::CircuitPath][id as usize % 3];
    TrafficEvent {
        leg: (kind == TrafficKind::Leg).then_some((id % 2) as i32),
        service: Some(format!("api-{}", id % 4)),
        final_status: (!id.is_multiple_of(5)).then(|| "Pass".to_owned()),
        http_status: Some(200 + (id % 3) as i32 * 100),
        duration_ms: (!id.is_multiple_of(7)).then_some((id * 37 % 1000) as i64),
        bytes_sent: Some(id as i64),
        bytes_received: None,
        ..TrafficEvent::new(kind, time, id.to_string())
    }
}

/// A row as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) seq: u64,
    pub(crate) ts: i64,
}

/// All rows of a snapshot, by `seq`. Checks on the way that batches and files are what they promise.
pub(crate) fn rows(fs: &dyn Fs, snapshot: &Snapshot, signal: Signal) -> Vec<Row> {
    let mut found = Vec::new();
    for slice in snapshot.hours(signal, &TimeRange::ALL) {
        for segment in &slice.segments {
            let mut of_file = Vec::new();
            for batch in read(fs, &segment.path) {
                append(&batch, signal, &mut of_file);
            }
            assert!(
                of_file.is_sorted_by(|a, b| (a.ts, a.seq) > (b.ts, b.seq)),
                "C-3 {}",
                segment.path.display()
            );
            assert_eq!(of_file.len() as u64, segment.rows);
            assert_eq!(of_file.iter().map(|row| row.seq).min(), Some(segment.seq_lo), "C-2");
            assert_eq!(of_file.iter().map(|row| row.seq).max(), Some(segment.seq_hi), "C-2");
            found.extend(of_file);
        }
        let mut in_memory = Vec::new();
        for batch in &slice.memory {
            assert_eq!(batch.schema(), parapet_store::schema(signal));
            append(batch, signal, &mut in_memory);
        }
        assert!(in_memory.is_sorted_by(|a, b| a.seq < b.seq));
        found.extend(in_memory);
        assert!(found.iter().all(|row| Hour::of_micros(row.ts) >= slice.hour), "W-1, newest first");
    }
    found.sort_by_key(|row| row.seq);
    assert!(found.is_sorted_by(|a, b| a.seq < b.seq), "every row has a number of its own");
    found
}

fn append(batch: &RecordBatch, signal: Signal, rows: &mut Vec<Row>) {
    let id = match signal {
        Signal::Logs => "body",
        _ => "correlation_id",
    };
    let ids = batch.column_by_name(id).unwrap().as_string::<i32>();
    let ts = batch.column(0).as_primitive::<TimestampMicrosecondType>();
    let seq = batch.column(1).as_primitive::<UInt64Type>();
    rows.extend((0..ids.len()).map(|at| Row {
        id: ids.value(at).parse().unwrap(),
        seq: seq.value(at),
        ts: ts.value(at),
    }));
}

pub(crate) fn read(fs: &dyn Fs, path: &Path) -> Vec<RecordBatch> {
    let bytes = Bytes::from(parapet_fs::read(fs, path, 1 << 30).unwrap());
    ParquetRecordBatchReaderBuilder::try_new(bytes)
        .unwrap()
        .build()
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// What the rollup is compared with: hour, kind, API, final status, HTTP status.
pub(crate) type Key = (Hour, &'static str, String, Option<String>, Option<i32>);

/// Count, durations, their sum, the shortest and the longest, bytes sent, earliest and latest.
pub(crate) type Sums = (u64, u64, i64, Option<i64>, Option<i64>, i64, i64, i64);

/// The rollup of events by the definition, computed in the simplest way.
pub(crate) fn naive(events: &[TrafficEvent]) -> BTreeMap<Key, Sums> {
    let mut groups: BTreeMap<Key, Vec<&TrafficEvent>> = BTreeMap::new();
    for event in events {
        let counted = match event.kind {
            TrafficKind::Summary => true,
            TrafficKind::Leg => event.leg == Some(0),
            TrafficKind::CircuitPath | TrafficKind::ScheduledPolicy => false,
        };
        if counted {
            let service = event.service.clone().unwrap();
            let key = (
                Hour::of(event.time),
                event.kind.name(),
                service,
                event.final_status.clone(),
                event.http_status,
            );
            groups.entry(key).or_default().push(event);
        }
    }
    let sums = groups.into_iter().map(|(key, events)| {
        let durations: Vec<i64> = events.iter().filter_map(|event| event.duration_ms).collect();
        let sums = (
            events.len() as u64,
            durations.len() as u64,
            durations.iter().sum(),
            durations.iter().min().copied(),
            durations.iter().max().copied(),
            events.iter().filter_map(|event| event.bytes_sent).sum(),
            events.iter().map(|event| event.time.micros()).min().unwrap(),
            events.iter().map(|event| event.time.micros()).max().unwrap(),
        );
        (key, sums)
    });
    sums.collect()
}

/// The rollup as the store tells it, in the same form.
pub(crate) fn rolled_up(snapshot: &Snapshot) -> BTreeMap<Key, Sums> {
    let hours = snapshot.traffic_hourly(&TimeRange::ALL).unwrap();
    assert_eq!(
        snapshot.traffic_daily(&TimeRange::ALL).unwrap(),
        by_day(&hours),
        "days are the sums of their hours"
    );
    let states = hours.into_iter().map(|state| {
        let key = state.key;
        assert_eq!(state.duration_sketch.count(), state.duration_count);
        let kind = if key.kind == "leg" { "leg" } else { "summary" };
        let sums = (
            state.count,
            state.duration_count,
            state.duration_sum_ms,
            state.duration_min_ms,
            state.duration_max_ms,
            state.bytes_sent,
            state.ts_min,
            state.ts_max,
        );
        ((key.hour, kind, key.service.unwrap(), key.final_status, key.http_status), sums)
    });
    states.collect()
}

/// Hours added up to days, a state's hour being its day's first.
fn by_day(hours: &[TrafficHour]) -> Vec<TrafficHour> {
    let mut days: Vec<TrafficHour> = Vec::new();
    for hour in hours {
        let mut day = hour.clone();
        day.key.hour = Hour(day.key.hour.0.div_euclid(24) * 24);
        match days.iter_mut().find(|known| known.key == day.key) {
            Some(known) => known.merge(&day),
            None => days.push(day),
        }
    }
    days.sort_by(|a, b| a.key.cmp(&b.key));
    days
}

/// The segment files that there are.
pub(crate) fn files(fs: &dyn Fs) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let tables = Path::new(DIR).join("t");
    for table in folder(fs, &tables) {
        for hour in folder(fs, &table) {
            files.extend(folder(fs, &hour));
        }
    }
    files
}

fn folder(fs: &dyn Fs, path: &Path) -> Vec<PathBuf> {
    match fs.metadata(path).unwrap() {
        Some(entry) if entry.is_dir => {
            fs.list(path).unwrap().into_iter().map(|e| path.join(e.name)).collect()
        }
        _ => Vec::new(),
    }
}

/// The segment files that there should be.
pub(crate) fn listed(store: &Store) -> BTreeSet<PathBuf> {
    let snapshot = store.snapshot();
    let hours = Signal::ALL.into_iter().flat_map(|signal| snapshot.hours(signal, &TimeRange::ALL));
    hours.flat_map(|slice| slice.segments).map(|segment| segment.path.clone()).collect()
}
