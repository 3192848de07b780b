//! What a log does while nothing fails.

use std::path::Path;
use std::sync::Arc;

use parapet_fs::sim::SimFs;
use parapet_fs::{Fs, OsFs};
use parapet_wal::{SeqRange, WalError};

use crate::support::{DIR, acked, append, open, small};

#[test]
fn rows_are_numbered_applied_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let disks: [(Arc<dyn Fs>, &Path); 2] =
        [(Arc::new(OsFs), folder.path()), (Arc::new(SimFs::new(1)), Path::new(DIR))];
    for (fs, dir) in disks {
        let log = open(&fs, dir, small(), 1).unwrap();
        assert_eq!(log.frames, []);
        assert_eq!(acked(&log.wal, append(3, b"abc".to_vec()), 10).unwrap(), SeqRange { first: 1, last: 3 });
        assert_eq!(acked(&log.wal, append(1, vec![]), 11).unwrap(), SeqRange { first: 4, last: 4 });
        let applied: Vec<_> =
            log.applied.lock().unwrap().iter().map(|durable| (durable.seqs.first, durable.context)).collect();
        assert_eq!(applied, [(1, 10), (4, 11)]);
        log.wal.close().unwrap();
        assert!(matches!(log.wal.append(append(1, vec![]), 0), Err(WalError::Closed)));

        let log = open(&fs, dir, small(), 1).unwrap();
        let found: Vec<_> =
            log.frames.iter().map(|frame| (frame.first_seq, frame.rows, &frame.payload[..])).collect();
        assert_eq!(found, [(1, 3, &b"abc"[..]), (4, 1, &b""[..])]);
        assert_eq!((log.frames[0].table, log.frames[0].source), (3, Some((1, 2))));
        assert_eq!((log.report.frames, log.report.rows, log.report.next_seq), (2, 4, 5));
        assert_eq!((log.report.torn_bytes, log.report.quarantined_files, log.report.missing_rows), (0, 0, 0));
        assert_eq!(acked(&log.wal, append(1, vec![]), 12).unwrap().first, 5);
    }
}

#[test]
fn frames_below_the_floor_are_skipped() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    for _ in 0..10 {
        acked(&log.wal, append(2, vec![7; 3000]), 0).unwrap();
    }
    drop(log);
    // Rows 1 to 20 in frames of two; the frame of 5 and 6 has one that is still wanted.
    let log = open(&fs, Path::new(DIR), small(), 6).unwrap();
    assert_eq!(
        log.frames.iter().map(|frame| frame.first_seq).collect::<Vec<_>>(),
        [5, 7, 9, 11, 13, 15, 17, 19]
    );
    assert_eq!(log.report.missing_rows, 0);
    drop(log);
    let log = open(&fs, Path::new(DIR), small(), 100).unwrap();
    assert_eq!(log.frames, []);
    assert_eq!(acked(&log.wal, append(1, vec![]), 0).unwrap().first, 100, "numbers never go back");
}

#[test]
fn a_killed_process_that_had_flushed_everything_leaves_nothing_to_replay() {
    let sim = SimFs::new(1);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    let last = acked(&log.wal, append(3, vec![1; 100]), 0).unwrap().last;
    let fs: Arc<dyn Fs> = Arc::new(sim.kill());
    let log = open(&fs, Path::new(DIR), small(), last + 1).unwrap();
    assert_eq!(log.frames, []);
    assert_eq!((log.report.missing_rows, log.report.quarantined_files, log.wal.status().files), (0, 0, 1));
    assert_eq!(acked(&log.wal, append(1, vec![]), 0).unwrap().first, last + 1);
}

#[test]
fn released_files_are_reused_and_their_frames_do_not_come_back() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    for round in 0..200_u64 {
        let seqs = acked(&log.wal, append(1, round.to_le_bytes().repeat(300)), round).unwrap();
        log.wal.release(seqs.last + 1).unwrap();
    }
    let status = log.wal.status();
    assert_eq!((status.files, status.next_seq), (1, 201));
    let names: Vec<_> = fs.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names.iter().filter(|name| name.ends_with(".spare")).count(), 1, "{names:?}");
    assert_eq!(names.len(), 2, "{names:?}");
    drop(log);
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    assert!(log.frames.iter().all(|frame| frame.first_seq >= status.oldest_seq));
    assert_eq!(log.frames.last().unwrap().first_seq, 200);
    assert_eq!(log.report.quarantined_files, 0);
}

#[test]
fn refusals_say_why() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let log = open(&fs, Path::new(DIR), small(), 1).unwrap();
    assert!(matches!(log.wal.append(append(0, vec![]), 0), Err(WalError::Empty)));
    let error = log.wal.append(append(1, vec![0; 8193]), 0).unwrap_err();
    assert!(matches!(error, WalError::TooLarge { len: 8193, max: 8192 }));
    assert!(!error.is_retryable() && error.is_certainly_not_kept());
}
