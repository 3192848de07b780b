//! Fail points: after a failed write or sync the log refuses everything, and the next start finds what was acknowledged.

use std::path::Path;
use std::sync::Arc;

use parapet_fs::Fs;
use parapet_fs::sim::{Faults, SimFs};
use parapet_wal::{Wal, WalError};

use crate::support::{DIR, acked, append, open, small};

#[test]
fn a_failed_sync_is_not_tried_again() {
    let sim = SimFs::new(3);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    acked(&log.wal, append(1, vec![1]), 0).unwrap();
    sim.set_faults(Faults { fail_syncs_from: Some(0), ..Faults::default() });
    let error = acked(&log.wal, append(1, vec![2]), 0).unwrap_err();
    assert!(matches!(error, WalError::Io { step: "sync", .. }), "{error}");
    assert!(!error.is_retryable() && !error.is_certainly_not_kept());
    sim.set_faults(Faults::default());
    let operations = sim.operations();
    let error = log.wal.append(append(1, vec![3]), 0).unwrap_err();
    assert!(matches!(error, WalError::Failed(_)) && error.is_certainly_not_kept(), "{error}");
    assert!(log.wal.status().failed.unwrap().contains("simulated fault"));
    assert!(log.wal.close().is_err());
    assert_eq!(sim.operations(), operations, "nothing more was written");
    assert_eq!(log.applied.lock().unwrap().len(), 1);

    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    assert_eq!(log.frames[0].payload[..], [1]);
    assert!(log.frames.len() <= 2);
}

#[test]
fn appends_that_wait_when_it_fails_are_answered() {
    let sim = SimFs::new(3);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    sim.set_faults(Faults { fail_at: vec![sim.operations()], ..Faults::default() });
    let waiting: Vec<_> = (0..20).filter_map(|_| log.wal.append(append(1, vec![0; 4000]), 0).ok()).collect();
    assert!(!waiting.is_empty());
    for receiver in waiting {
        receiver.blocking_recv().unwrap().unwrap_err();
    }
}

#[test]
fn a_panic_of_the_caller_fails_the_log_and_nobody_waits_forever() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let apply = Box::new(|_| panic!("a defect of the caller"));
    let (wal, replay) = Wal::<()>::open(Arc::clone(&fs), Path::new(DIR), small(), 1, apply).unwrap();
    drop(replay);
    assert!(wal.append(append(1, vec![9]), ()).unwrap().blocking_recv().is_err(), "not acknowledged");
    assert!(matches!(wal.close(), Err(WalError::Failed(_))));
    assert!(matches!(wal.append(append(1, vec![]), ()), Err(WalError::Failed(_))));
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    assert_eq!(log.frames[0].payload[..], [9], "it was synced before");
}

#[test]
fn nothing_is_appended_before_the_replay_is_read() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    acked(&log.wal, append(1, vec![1]), 0).unwrap();
    drop(log);
    let (wal, mut replay) =
        Wal::<()>::open(Arc::clone(&fs), Path::new(DIR), small(), 1, Box::new(|_| {})).unwrap();
    assert!(replay.next().unwrap().is_ok());
    assert!(matches!(wal.append(append(1, vec![]), ()), Err(WalError::NotReplayed)));
    assert!(replay.next().is_none());
    wal.append(append(1, vec![]), ()).unwrap().blocking_recv().unwrap().unwrap();
}

#[test]
fn a_newer_format_is_left_alone() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    drop(open(&fs, Path::new(DIR), small(), 1).unwrap());
    let name = fs.list(Path::new(DIR)).unwrap().remove(0).name;
    let path = Path::new(DIR).join(name);
    let file = fs.open(&path, parapet_fs::OpenMode::ReadWrite).unwrap();
    let mut header = [0; 44];
    file.read_exact_at(&mut header, 0).unwrap();
    header[8] = 2;
    let crc = crc32c::crc32c(&header[..40]);
    header[40..].copy_from_slice(&crc.to_le_bytes());
    file.write_all_at(&header, 0).unwrap();
    let error = open(&fs, Path::new(DIR), small(), 1).err().unwrap();
    assert!(matches!(error, WalError::NewerFormat { version: 2, .. }), "{error}");
    file.read_exact_at(&mut header, 0).unwrap();
    assert_eq!(header[8], 2);
}
