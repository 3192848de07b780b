//! Flushes, compaction, rollups and retention, seen by readers.

use parapet_fs::Fs as _;
use parapet_fs::sim::{Faults, SimFs};
use parapet_signal::{Batch, Signal, UnixNanos};
use parapet_store::{Config, Hour, RetentionDays, TimeRange};
use proptest::prelude::*;

use crate::harness::*;

fn at(hour: Hour, second: i64) -> UnixNanos {
    UnixNanos(hour.start().0 + second * 1_000_000_000)
}

#[test]
fn rows_are_flushed_by_age_and_by_size() {
    let (clock, fs) = (TestClock::new(), SimFs::new(1));
    let (store, _) = open(fs, &clock, config()).unwrap();
    deliver(&store, once(logs([(1, START.start())]))).unwrap();
    store.tick();
    assert_eq!(store.status().segments, 0);
    clock.advance(300);
    store.tick();
    assert_eq!((store.status().segments, store.status().rows), (1, 1));
    assert_eq!(store.status().memtable_bytes, 0);
    deliver(&store, once(logs((0..20_000).map(|id| (id, START.start()))))).unwrap();
    store.tick();
    assert_eq!(store.status().rows, 20_001);
}

#[test]
fn the_log_is_released_although_another_table_is_quiet() {
    let (clock, fs) = (TestClock::new(), SimFs::new(2));
    let (store, _) = open(fs, &clock, config()).unwrap();
    deliver(&store, once(Batch::Traffic(vec![traffic(1, START.start())]))).unwrap();
    for round in 0..40 {
        deliver(&store, once(logs((0..2000).map(|id| (round * 10_000 + id * 7919 % 10_000, START.start())))))
            .unwrap();
        clock.advance(301);
        store.tick();
    }
    assert!(store.status().wal_bytes <= 2 << 20, "{}", store.status().wal_bytes);
}

#[test]
fn a_failed_flush_keeps_its_rows_visible_and_is_tried_again() {
    let (clock, fs) = (TestClock::new(), SimFs::new(3));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    deliver(&store, once(logs([(1, START.start())]))).unwrap();
    fs.set_faults(Faults { fail_at: vec![fs.operations() + 3], ..Faults::default() });
    assert!(store.flush().is_err());
    deliver(&store, once(logs([(2, START.start())]))).unwrap();
    let seen = |store| rows(&fs, &parapet_store::Store::snapshot(store), Signal::Logs).len();
    assert_eq!(seen(&store), 2);
    store.flush().unwrap();
    assert_eq!(seen(&store), 2);
    assert_eq!(store.status().memtable_bytes, 0);
    assert_eq!(files(&fs), listed(&store));
}

#[test]
fn late_rows_are_counted_once_and_cost_a_delta_each() {
    let (clock, fs) = (TestClock::new(), SimFs::new(4));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    let mut events = Vec::new();
    for round in 0..8 {
        let late = Hour(START.0 - round % 3);
        let new: Vec<_> = (0..50).map(|i| traffic(round as u64 * 50 + i, at(late, i as i64))).collect();
        events.extend(new.clone());
        deliver(&store, once(Batch::Traffic(new))).unwrap();
        assert_eq!(rolled_up(&store.snapshot()), naive(&events), "rows in memory");
        store.flush().unwrap();
        assert_eq!(rolled_up(&store.snapshot()), naive(&events), "rows in segments, not in the rollup");
        assert!(store.status().rollup_hours_due > 0);
        store.tick();
        assert_eq!(rolled_up(&store.snapshot()), naive(&events), "rows in the rollup");
        assert_eq!(store.status().rollup_hours_due, 0);
    }
    let hour = TimeRange { from: START.start(), to: START.end() };
    let of_hour = store.snapshot().traffic_hourly(&hour).unwrap();
    assert!(!of_hour.is_empty() && of_hour.iter().all(|state| state.key.hour == START));
    let p = of_hour.iter().find_map(|state| state.duration_sketch.quantile(0.5)).unwrap();
    assert!((0.0..=1010.0).contains(&p));
}

#[test]
fn retention_drops_whole_hours_keeps_the_rollup_and_waits_for_readers() {
    let (clock, fs) = (TestClock::new(), SimFs::new(5));
    let short = Config {
        retention_days: RetentionDays { logs: 1, spans: 1, metrics: 1, traffic: 1 },
        rollup_retention_days: 3,
        ..config()
    };
    let (store, _) = open(fs.clone(), &clock, short).unwrap();
    let events: Vec<_> = (0..30).map(|id| traffic(id, at(START, id as i64))).collect();
    deliver(&store, once(Batch::Traffic(events.clone()))).unwrap();
    store.flush().unwrap();
    let reader = store.snapshot();
    clock.advance(25 * 3600 - 1);
    store.tick();
    assert_eq!(store.status().rows, 30, "the hour is not over its retention");
    clock.advance(1);
    store.tick();
    assert_eq!(store.status().rows, 0);
    assert_eq!(rolled_up(&store.snapshot()), naive(&events), "the rollup stays");
    assert_eq!(rows(&fs, &reader, Signal::Traffic).len(), 30, "who reads goes on reading");
    drop(reader);
    store.tick();
    assert_eq!(files(&fs).len(), 0);
    clock.advance(4 * 86_400);
    store.tick();
    assert_eq!(rolled_up(&store.snapshot()).len(), 0);
    assert!(fs.list("/data/r/traffic_hourly".as_ref()).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn compaction_keeps_every_row_and_every_snapshot(
        rounds in prop::collection::vec(prop::collection::vec((0i64..3600, any::<bool>()), 1..60), 3..12)
    ) {
        let (clock, fs) = (TestClock::new(), SimFs::new(6));
        let (store, _) = open(fs.clone(), &clock, config()).unwrap();
        let (mut id, mut expected) = (0, Vec::new());
        let mut readers = Vec::new();
        for round in rounds {
            let new: Vec<_> = round
                .into_iter()
                .map(|(second, earlier)| {
                    id += 1;
                    (id, at(Hour(START.0 - i64::from(earlier)), second))
                })
                .collect();
            expected.extend(new.iter().map(|(id, time)| (*id, time.micros())));
            deliver(&store, once(logs(new))).unwrap();
            store.flush().unwrap();
            readers.push((store.snapshot(), expected.clone()));
            store.tick();
            readers.push((store.snapshot(), expected.clone()));
        }
        for (reader, expected) in &readers {
            let seen: Vec<_> = rows(&fs, reader, Signal::Logs).iter().map(|row| (row.id, row.ts)).collect();
            prop_assert_eq!(&seen, expected);
        }
        let versions: Vec<_> = readers.iter().map(|(reader, _)| reader.version()).collect();
        prop_assert!(versions.is_sorted());
        drop(readers);
        store.tick();
        prop_assert_eq!(files(&fs), listed(&store));
        prop_assert!(store.status().segments <= 2 * 3, "{} segments", store.status().segments);
    }
}
