//! Group commit: what waits is written with one sync, in the order of arrival.

use std::path::Path;
use std::sync::{Arc, mpsc};

use parapet_fs::Fs;
use parapet_fs::sim::SimFs;
use parapet_wal::{Durable, Wal};

use crate::support::{DIR, append, open, small};

#[test]
fn what_waits_is_synced_once() {
    let sim = SimFs::new(1);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let (entered, groups) = mpsc::channel();
    let (go_on, wait) = mpsc::channel();
    let apply = Box::new(move |durable: Vec<Durable<u64>>| {
        entered.send(durable).unwrap();
        // Ends when the test drops its side.
        let _ = wait.recv();
    });
    let (wal, replay) = Wal::open(Arc::clone(&fs), Path::new(DIR), small(), 1, apply).unwrap();
    assert_eq!(replay.count(), 0);
    let first = wal.append(append(1, vec![]), 0).unwrap();
    assert_eq!(groups.recv().unwrap().len(), 1, "a lone append goes at once");
    let operations = sim.operations();
    let waiting: Vec<_> = (1..=50).map(|n| wal.append(append(2, vec![0; 10]), n).unwrap()).collect();
    go_on.send(()).unwrap();
    let group = groups.recv().unwrap();
    assert_eq!(sim.operations() - operations, 2, "one write, one sync");
    assert_eq!(group.iter().map(|durable| durable.context).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    let mut waiting = waiting.into_iter();
    let mut pending = waiting.next().unwrap();
    assert!(pending.try_recv().is_err(), "told only after it was applied");
    drop(go_on);
    assert_eq!(first.blocking_recv().unwrap().unwrap().first, 1);
    let mut next = 2;
    for receiver in [pending].into_iter().chain(waiting) {
        let seqs = receiver.blocking_recv().unwrap().unwrap();
        assert_eq!((seqs.first, seqs.last), (next, next + 1));
        next += 2;
    }
}

#[test]
fn many_threads_get_numbers_without_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let fs: Arc<dyn Fs> = Arc::new(parapet_fs::OsFs);
    let log = open(&fs, folder.path(), small(), 1).unwrap();
    let mut seqs = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u64)
            .map(|thread| {
                let wal = &log.wal;
                scope.spawn(move || {
                    let append = |n: u64| {
                        let receiver = wal.append(append(1, vec![0; 100]), thread << 32 | n).unwrap();
                        receiver.blocking_recv().unwrap().unwrap().first
                    };
                    (0..50).map(append).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=400).collect::<Vec<_>>());
    log.wal.close().unwrap();
    let applied = log.applied.lock().unwrap();
    assert_eq!(applied.iter().map(|durable| durable.seqs.first).collect::<Vec<_>>(), seqs);
    let log = open(&fs, folder.path(), small(), 1).unwrap();
    assert_eq!(log.frames.len(), 400);
}
