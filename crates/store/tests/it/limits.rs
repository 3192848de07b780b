//! What is refused, and what is not taken at all.

use parapet_fs::sim::{Faults, SimFs};
use parapet_signal::{Batch, DeliveryError, Refusal, RefusedRows, Signal, UnixNanos};
use parapet_store::{Clock as _, Config};

use crate::harness::*;

const HOUR: i64 = 3_600_000_000_000;

#[test]
fn rows_too_old_or_too_far_ahead_are_refused_and_counted_and_the_others_kept() {
    let (clock, fs) = (TestClock::new(), SimFs::new(1));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    let now = clock.now().0;
    let times =
        [now, now + HOUR, now + HOUR + 1, now - 29 * 24 * HOUR, now - 31 * 24 * HOUR, now - 40 * 24 * HOUR];
    let rows_of = times.iter().enumerate().map(|(id, time)| (id as u64, UnixNanos(*time)));
    let receipt = deliver(&store, once(logs(rows_of))).unwrap();
    let refused = |refusal, rows| RefusedRows { refusal, rows };
    assert_eq!(receipt.kept, 3);
    assert_eq!(receipt.refused, [refused(Refusal::OlderThanRetention, 2), refused(Refusal::InTheFuture, 1)]);
    let seen: Vec<_> =
        rows(&fs, &store.snapshot(), Signal::Logs).iter().map(|row| (row.id, row.seq)).collect();
    assert_eq!(seen, [(0, 1), (1, 2), (3, 3)], "numbers without gaps over the kept rows");
    assert_eq!(store.metrics().refused_rows(Signal::Logs, Refusal::InTheFuture), 1);
    let logs = &store.status().signals[0];
    assert_eq!((logs.signal, logs.rows_total, logs.refused.len()), ("logs", 3, 2));
}

#[test]
fn a_row_that_is_too_large_is_refused() {
    let (clock, fs) = (TestClock::new(), SimFs::new(2));
    let (store, _) = open(fs, &clock, Config { row_bytes: 100, ..config() }).unwrap();
    let mut batch = logs([(1, START.start()), (2, START.start())]);
    let Batch::Logs(groups) = &mut batch else { unreachable!() };
    groups[0].records[0].body = "x".repeat(101).into();
    let receipt = deliver(&store, once(batch)).unwrap();
    assert_eq!(
        (receipt.kept, receipt.refused),
        (1, vec![RefusedRows { refusal: Refusal::TooLarge, rows: 1 }])
    );
    assert_eq!(deliver(&store, once(Batch::Logs(Vec::new()))).unwrap().kept, 0);
}

#[test]
fn full_memory_makes_senders_wait_until_a_flush() {
    let (clock, fs) = (TestClock::new(), SimFs::new(3));
    let small = Config { memory_bytes: 100 << 10, flush_bytes: 50 << 10, ..config() };
    let (store, _) = open(fs.clone(), &clock, small).unwrap();
    let mut taken = 0;
    let error = loop {
        match deliver(&store, once(logs((0..100).map(|id| (taken * 100 + id, START.start()))))) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, DeliveryError::Busy { reason: "memtable", .. }), "{error}");
    assert!(taken > 0 && error.retry_after().as_secs() >= 1);
    store.tick();
    deliver(&store, once(logs([(taken * 100, START.start())]))).unwrap();
    assert_eq!(rows(&fs, &store.snapshot(), Signal::Logs).len() as u64, taken * 100 + 1);
}

#[test]
fn a_full_log_makes_senders_wait_until_a_flush() {
    let (clock, fs) = (TestClock::new(), SimFs::new(4));
    let (store, _) = open(fs.clone(), &clock, Config { wal_bytes: 1 << 20, ..config() }).unwrap();
    let mut next = 0;
    // Numbers that do not compress well.
    let mut batch = || {
        next += 500;
        logs((next - 500..next).map(|id: u64| (id.wrapping_mul(0x9e37_79b9_7f4a_7c15), START.start())))
    };
    let error = loop {
        if let Err(error) = deliver(&store, once(batch())) {
            break error;
        }
    };
    assert!(matches!(error, DeliveryError::Busy { reason: "wal", .. }), "{error}");
    store.tick();
    deliver(&store, once(batch())).unwrap();
}

#[test]
fn a_full_disk_refuses_before_anything_is_written_and_recovers() {
    let (clock, fs) = (TestClock::new(), SimFs::new(5));
    let reserve = Config { disk_reserve_bytes: 8 << 20, ..config() };
    let (store, _) = open(fs.clone(), &clock, reserve).unwrap();
    deliver(&store, once(logs([(1, START.start())]))).unwrap();
    fs.set_faults(Faults { capacity: Some(4 << 20), ..Faults::default() });
    let operations = fs.operations();
    let error = deliver(&store, once(logs([(2, START.start())]))).unwrap_err();
    assert!(matches!(error, DeliveryError::Busy { reason: "disk", .. }), "{error}");
    assert_eq!(fs.operations(), operations, "nothing was written");
    fs.set_faults(Faults::default());
    deliver(&store, once(logs([(2, START.start())]))).unwrap();
    assert_eq!(rows(&fs, &store.snapshot(), Signal::Logs).len(), 2);
}

#[test]
fn settings_that_cannot_run_are_refused() {
    let (clock, fs) = (TestClock::new(), SimFs::new(6));
    let error = open(fs, &clock, Config { wal_bytes: 1, ..config() }).unwrap_err();
    assert_eq!(error.to_string(), "configuration: wal_bytes must be at least 1 MiB");
}
