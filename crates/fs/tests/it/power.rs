//! What a power loss leaves, and what faults do.

use std::io;
use std::path::Path;

use parapet_fs::sim::{Faults, SimFs};
use parapet_fs::{Fs, OpenMode};

fn content(fs: &dyn Fs, path: &str) -> Option<Vec<u8>> {
    match parapet_fs::read(fs, Path::new(path), 1 << 20) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

/// A file with synced content and a synced name.
fn synced(fs: &dyn Fs, path: &str, bytes: &[u8]) {
    let file = fs.open(Path::new(path), OpenMode::CreateNew).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
}

/// What is found after a power loss, over many seeds.
fn outcomes<T: Ord>(run: impl Fn(&SimFs), look: impl Fn(&SimFs) -> T) -> Vec<T> {
    let mut found: Vec<T> = (0..200)
        .map(|seed| {
            let fs = SimFs::new(seed);
            run(&fs);
            look(&fs.crash())
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn what_is_synced_stays() {
    let found = outcomes(|fs| synced(fs, "a", b"kept"), |fs| content(fs, "a"));
    assert_eq!(found, [Some(b"kept".to_vec())]);
}

#[test]
fn bytes_and_names_that_are_not_synced_may_stay_or_go() {
    let unsynced_name = |fs: &SimFs| {
        let file = fs.open(Path::new("a"), OpenMode::CreateNew).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        file.sync_data().unwrap();
    };
    assert_eq!(outcomes(unsynced_name, |fs| content(fs, "a")), [None, Some(b"x".to_vec())]);

    let torn = |fs: &SimFs| {
        synced(fs, "a", &[0; 1536]);
        let file = fs.open(Path::new("a"), OpenMode::ReadWrite).unwrap();
        file.write_all_at(&[1; 1536], 0).unwrap();
    };
    let sectors = |fs: &SimFs| -> Vec<u8> {
        let bytes = content(fs, "a").unwrap();
        assert!(
            bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])),
            "whole sectors"
        );
        bytes.chunks(512).map(|sector| sector[0]).collect()
    };
    assert_eq!(outcomes(torn, sectors).len(), 8, "each sector survives or not");
}

#[test]
fn a_rename_survives_whole_or_not_at_all() {
    let rename = |fs: &SimFs| {
        synced(fs, "a", b"old");
        synced(fs, "b", b"new");
        fs.rename(Path::new("b"), Path::new("a")).unwrap();
    };
    let both = |fs: &SimFs| (content(fs, "a").unwrap(), content(fs, "b"));
    assert_eq!(outcomes(rename, both), [(b"new".to_vec(), None), (b"old".to_vec(), Some(b"new".to_vec()))]);
}

#[test]
fn a_file_in_a_directory_that_is_not_synced_is_gone_with_it() {
    let nested = |fs: &SimFs| {
        fs.create_dir_all(Path::new("d")).unwrap();
        let file = fs.open(Path::new("d/a"), OpenMode::CreateNew).unwrap();
        file.sync_data().unwrap();
        fs.sync_dir(Path::new("d")).unwrap();
    };
    let look = |fs: &SimFs| fs.metadata(Path::new("d/a")).unwrap().is_some();
    assert_eq!(outcomes(nested, look), [false, true]);
}

#[test]
fn a_failed_sync_loses_bytes_that_no_later_sync_brings_back() {
    let found = outcomes(
        |fs| {
            synced(fs, "a", b"0");
            let file = fs.open(Path::new("a"), OpenMode::ReadWrite).unwrap();
            file.write_all_at(b"1", 0).unwrap();
            fs.set_faults(Faults { fail_at: vec![fs.operations()], ..Faults::default() });
            file.sync_data().unwrap_err();
            file.sync_data().unwrap();
            let mut seen = [0];
            file.read_exact_at(&mut seen, 0).unwrap();
            assert_eq!(&seen, b"1", "it looks as if it were there");
        },
        |fs| content(fs, "a").unwrap(),
    );
    assert_eq!(found, [b"0".to_vec(), b"1".to_vec()]);
}

#[test]
fn a_killed_process_loses_nothing_but_its_locks() {
    let fs = SimFs::new(1);
    let file = fs.open(Path::new("a"), OpenMode::Create).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    assert!(file.try_lock().unwrap());
    let second = fs.open(Path::new("a"), OpenMode::Read).unwrap();
    assert!(!second.try_lock().unwrap());
    let next = fs.kill();
    assert!(fs.is_dead());
    assert!(file.len().is_err() && fs.list(Path::new("/")).is_err());
    assert_eq!(content(&next, "a"), Some(b"x".to_vec()));
    assert!(next.open(Path::new("a"), OpenMode::Read).unwrap().try_lock().unwrap());
    // And what was not synced still is not.
    let lost = (0..50).any(|_| content(&next.kill().crash(), "a").is_none());
    assert!(lost || content(&next.crash(), "a").is_none());
}

#[test]
fn after_a_crash_point_nothing_works() {
    let fs = SimFs::new(1);
    fs.set_faults(Faults { crash_at: Some(1), ..Faults::default() });
    let file = fs.open(Path::new("a"), OpenMode::Create).unwrap();
    assert!(!fs.is_dead());
    file.write_all_at(b"x", 0).unwrap_err();
    assert!(fs.is_dead());
    file.read_at(&mut [0], 0).unwrap_err();
    fs.metadata(Path::new("a")).unwrap_err();
}

#[test]
fn a_full_disk_takes_what_fits() {
    let fs = SimFs::new(1);
    fs.set_faults(Faults { capacity: Some(10), ..Faults::default() });
    let file = fs.open(Path::new("a"), OpenMode::Create).unwrap();
    let error = file.write_all_at(&[1; 16], 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(file.len().unwrap() <= 10);
    assert_eq!(file.allocate(11).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.set_len(0).unwrap();
    assert_eq!(fs.free_bytes(Path::new("/")).unwrap(), 10);
    file.write_all_at(&[1; 10], 0).unwrap();
}

#[test]
fn a_seed_decides_everything() {
    let run = |seed| {
        let fs = SimFs::new(seed);
        for name in ["a", "b", "c", "d"] {
            let file = fs.open(Path::new(name), OpenMode::Create).unwrap();
            file.write_all_at(&[7; 4096], 0).unwrap();
        }
        let after = fs.crash();
        ["a", "b", "c", "d"].map(|name| content(&after, name))
    };
    assert_eq!(run(5), run(5));
    assert!((0..20).any(|seed| run(seed) != run(5)));
}
