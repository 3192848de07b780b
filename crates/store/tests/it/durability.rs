//! Single cases of what survives, and of what a start refuses.

use parapet_fs::sim::{Faults, SimFs};
use parapet_fs::{Fs as _, OpenMode};
use parapet_signal::{Batch, DeliveryError, Signal, Sink as _, SourceId};
use parapet_store::{Remedy, StoreError, verify};

use crate::harness::*;

fn one(id: u64) -> Batch {
    logs([(id, START.start())])
}

fn ids(fs: &SimFs, store: &parapet_store::Store) -> Vec<u64> {
    rows(fs, &store.snapshot(), Signal::Logs).iter().map(|row| row.id).collect()
}

#[test]
fn an_acknowledged_row_survives_a_power_loss_and_a_repeat_is_recognised() {
    let (clock, fs) = (TestClock::new(), SimFs::new(1));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    assert_eq!(deliver(&store, from_source(7, 10, one(1))).unwrap().kept, 1);
    assert_eq!(deliver(&store, from_source(7, 10, one(1))).unwrap().kept, 0);
    let fs = fs.crash();
    let (store, recovery) = open(fs.clone(), &clock, config()).unwrap();
    assert_eq!((recovery.frames, recovery.rows), (1, 1));
    assert_eq!(store.high_water(SourceId(7)), Some(10));
    assert_eq!(deliver(&store, from_source(7, 10, one(1))).unwrap().kept, 0);
    assert_eq!(deliver(&store, from_source(7, 11, one(2))).unwrap().kept, 1);
    assert_eq!(ids(&fs, &store), [1, 2]);
}

/// The positions in the manifest are those at the lowest floor: a later one would make replay drop what it covers.
#[test]
fn a_source_that_feeds_two_tables_loses_nothing_when_one_of_them_is_flushed() {
    let (clock, fs) = (TestClock::new(), SimFs::new(2));
    let quick = parapet_store::Config { flush_bytes: 1, ..config() };
    let (store, _) = open(fs.clone(), &clock, quick).unwrap();
    deliver(&store, from_source(7, 1, Batch::Traffic(vec![traffic(1, START.start())]))).unwrap();
    store.tick();
    deliver(&store, from_source(7, 2, one(2))).unwrap();
    deliver(&store, from_source(7, 3, Batch::Traffic(vec![traffic(3, START.start())]))).unwrap();
    let fs = fs.crash();
    let (store, recovery) = open(fs.clone(), &clock, config()).unwrap();
    assert_eq!(recovery.repeats, 0);
    assert_eq!(ids(&fs, &store), [2]);
    assert_eq!(rows(&fs, &store.snapshot(), Signal::Traffic).len(), 2);
    assert_eq!(store.high_water(SourceId(7)), Some(3));
}

#[test]
fn a_torn_tail_is_cut_and_everything_acknowledged_is_still_there() {
    let (clock, fs) = (TestClock::new(), SimFs::new(3));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    for id in 1..=20 {
        deliver(&store, once(one(id))).unwrap();
    }
    fs.set_faults(Faults { fail_syncs_from: Some(fs.operations()), ..Faults::default() });
    let error = deliver(&store, once(one(21))).unwrap_err();
    assert!(matches!(error, DeliveryError::Failed(_)), "{error}");
    assert!(matches!(deliver(&store, once(one(22))), Err(DeliveryError::Failed(_))), "failed for good");
    assert!(store.status().failed.is_some());
    let fs = fs.crash();
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    let found = ids(&fs, &store);
    assert!(found == (1..=20).collect::<Vec<_>>() || found == (1..=21).collect::<Vec<_>>(), "{found:?}");
}

#[test]
fn a_folder_in_use_is_refused_with_the_process_that_has_it() {
    let (clock, fs) = (TestClock::new(), SimFs::new(4));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    let error = open(fs.clone(), &clock, config()).unwrap_err();
    assert!(
        matches!(&error, StoreError::InUse { holder, .. } if *holder == std::process::id().to_string()),
        "{error}"
    );
    assert_eq!(error.remedy(), Remedy::Retry);
    assert!(matches!(verify(&fs, DIR.as_ref(), |_, _| {}), Err(StoreError::InUse { .. })));
    drop(store);
    open(fs, &clock, config()).unwrap();
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let (clock, fs) = (TestClock::new(), SimFs::new(5));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    drop(store);
    let path = std::path::Path::new(DIR).join("meta.redb");
    let file = parapet_fs::RedbFile::new(fs.open(&path, OpenMode::ReadWrite).unwrap());
    let db = redb::Database::builder().create_with_backend(file).unwrap();
    let write = db.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    write.open_table(meta).unwrap().insert("format_version", 7).unwrap();
    write.commit().unwrap();
    drop(db);
    let error = open(fs, &clock, config()).unwrap_err();
    assert!(matches!(error, StoreError::NewerFormat { found: 7, supported: 1, .. }), "{error}");
    assert!(error.to_string().contains("version 7") && error.to_string().contains("up to 1"), "{error}");
}

#[test]
fn a_folder_without_its_manifest_is_refused_not_emptied() {
    let (clock, fs) = (TestClock::new(), SimFs::new(6));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    deliver(&store, once(one(1))).unwrap();
    store.close().unwrap();
    drop(store);
    let before = files(&fs);
    fs.remove_file(&std::path::Path::new(DIR).join("meta.redb")).unwrap();
    assert!(matches!(open(fs.clone(), &clock, config()), Err(StoreError::Damaged { .. })));
    assert_eq!((before.len(), files(&fs)), (1, before));
}

#[test]
fn a_damaged_segment_is_found_taken_out_and_the_others_are_served() {
    let (clock, fs) = (TestClock::new(), SimFs::new(7));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    for id in 1..=2 {
        deliver(&store, once(one(id))).unwrap();
        store.flush().unwrap();
    }
    let first = listed(&store).pop_first().unwrap();
    store.close().unwrap();
    drop(store);
    assert_eq!(verify(&fs, DIR.as_ref(), |_, _| {}).unwrap().findings, []);

    // A flipped bit in the first page's values is seen by reading everything.
    let file = fs.open(&first, OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 60).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 60).unwrap();
    assert!(!verify(&fs, DIR.as_ref(), |_, _| {}).unwrap().findings.is_empty());

    // A file of another length is seen at the start.
    file.set_len(100).unwrap();
    drop(file);
    let (store, recovery) = open(fs.clone(), &clock, config()).unwrap();
    assert_eq!(recovery.lost_segments.len(), 1);
    assert!(recovery.lost_segments[0].contains("100 bytes"), "{recovery:?}");
    assert_eq!(ids(&fs, &store).len(), 1);
    let quarantined = fs.list(&std::path::Path::new(DIR).join("quarantine")).unwrap();
    assert_eq!(quarantined.iter().map(|entry| entry.len).collect::<Vec<_>>(), [100]);
}

#[test]
fn a_closed_store_takes_nothing_and_leaves_nothing_to_replay() {
    let (clock, fs) = (TestClock::new(), SimFs::new(8));
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    store.start_background().unwrap();
    let mut visible = store.subscribe(Signal::Logs);
    assert_eq!(*visible.borrow_and_update(), 0);
    deliver(&store, once(logs([(1, START.start()), (2, START.start())]))).unwrap();
    assert!(visible.has_changed().unwrap());
    assert_eq!(*visible.borrow_and_update(), 2);
    store.close().unwrap();
    assert_eq!(deliver(&store, once(one(3))), Err(DeliveryError::ShuttingDown));
    assert_eq!(ids(&fs, &store), [1, 2], "still readable");
    drop(store);
    let (_, recovery) = open(fs.kill(), &clock, config()).unwrap();
    assert_eq!(recovery.frames, 0);
    assert_eq!(recovery.segments, 1);
}
