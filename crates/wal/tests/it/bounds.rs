//! At each bound: a refusal that says which, a count, and no harm.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use parapet_fs::Fs;
use parapet_fs::sim::{Faults, SimFs};
use parapet_wal::{BusyReason, Metrics, Options, Wal, WalError};
use prometheus_client::registry::Registry;

use crate::support::{DIR, acked, append, open, small};

fn busy(error: &WalError) -> Option<BusyReason> {
    match error {
        WalError::Busy(reason) => Some(*reason),
        _ => None,
    }
}

#[test]
fn at_the_budget_appends_wait_for_a_release() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let options = Options { budget_bytes: 64 << 10, metrics, ..small() };
    let log = open(&fs, Path::new(DIR), options, 1).unwrap();
    let mut last = 0;
    let error = loop {
        match acked(&log.wal, append(1, vec![1; 5000]), 0) {
            Ok(seqs) => last = seqs.last,
            Err(error) => break error,
        }
        assert!(log.wal.status().bytes <= 64 << 10);
    };
    assert_eq!(busy(&error), Some(BusyReason::Budget));
    assert!(error.is_retryable() && error.is_certainly_not_kept());
    assert!(last >= 8, "{last}");
    log.wal.release(last + 1).unwrap();
    assert_eq!(acked(&log.wal, append(1, vec![1; 5000]), 0).unwrap().first, last + 1);

    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "parapet_wal_busy_total{reason=\"budget\"} 1",
        "parapet_wal_busy_total{reason=\"disk_low\"} 0",
        &format!("parapet_wal_appended_rows_total {}", last + 1),
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn a_full_disk_refuses_and_heals() {
    let sim = SimFs::new(1);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let log = open(&fs, Path::new(DIR), Options { spare_files: 0, ..small() }, 1).unwrap();
    sim.set_faults(Faults { capacity: Some(40 << 10), ..Faults::default() });
    let mut last = 0;
    let error = loop {
        match acked(&log.wal, append(1, vec![1; 5000]), 0) {
            Ok(seqs) => last = seqs.last,
            Err(error) => break error,
        }
    };
    assert_eq!(busy(&error), Some(BusyReason::DiskLow));
    assert_eq!(log.wal.status().failed, None);
    // A smaller one still fits the file that is there.
    acked(&log.wal, append(1, vec![1; 100]), 0).unwrap();
    log.wal.release(last + 1).unwrap();
    acked(&log.wal, append(1, vec![1; 5000]), 0).unwrap();

    drop(log);
    sim.set_faults(Faults { capacity: Some(0), ..Faults::default() });
    let full = open(&fs, Path::new(DIR), small(), last + 1).unwrap();
    assert_eq!(full.frames.len(), 2, "it opens and replays on a full disk");
    let refused = acked(&full.wal, append(1, vec![]), 0);
    assert!(matches!(refused, Ok(_) | Err(WalError::Busy(BusyReason::DiskLow))), "{refused:?}");
    sim.set_faults(Faults::default());
    acked(&full.wal, append(1, vec![]), 0).unwrap();
}

#[test]
fn the_queue_is_bounded() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let options = Options { queue_bytes: 10_000, ..small() };
    let (entered, has_entered) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let apply = Box::new(move |_| {
        entered.send(()).unwrap();
        // Ends when the test drops its side.
        let _ = wait.recv();
    });
    let (wal, replay) = Wal::open(fs, Path::new(DIR), options, 1, apply).unwrap();
    assert_eq!(replay.count(), 0);
    let first = wal.append(append(1, vec![0; 4000]), ()).unwrap();
    has_entered.recv().unwrap();
    let waiting: Vec<_> = (0..2).map(|_| wal.append(append(1, vec![0; 4000]), ()).unwrap()).collect();
    assert_eq!(busy(&wal.append(append(1, vec![0; 4000]), ()).unwrap_err()), Some(BusyReason::Queue));
    drop(go_on);
    for receiver in waiting.into_iter().chain([first]) {
        receiver.blocking_recv().unwrap().unwrap();
    }
    wal.append(append(1, vec![0; 4000]), ()).unwrap().blocking_recv().unwrap().unwrap();
}

#[test]
fn options_that_cannot_work_are_refused() {
    let check = |options: Options| {
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
        assert!(matches!(open(&fs, Path::new(DIR), options, 1).err(), Some(WalError::Options(_))));
    };
    check(Options { budget_bytes: 20 << 10, ..small() });
    check(Options { file_bytes: 8 << 10, ..small() });
    check(Options { file_bytes: (16 << 10) + 1, ..small() });
    check(Options { max_payload_bytes: usize::MAX, ..small() });
}
