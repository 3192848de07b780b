//! Files that were cut, flipped or mixed up by others than us: what is readable is found, what is not is counted, nothing
//! is invented, and nothing panics.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_fs::sim::SimFs;
use parapet_fs::{Fs, OpenMode, OsFs};
use parapet_wal::{Frame, inspect, read_frames};
use proptest::prelude::*;

use crate::support::{DIR, Opened, acked, append, open, small};

/// Thirty frames of two rows in several files. Not closed, as after a kill.
fn written(fs: &Arc<dyn Fs>, dir: &Path) -> (Opened, Vec<Frame>) {
    let log = open(fs, dir, small(), 1).unwrap();
    let mut frames = Vec::new();
    for n in 0..30_u8 {
        let append = append(2, vec![n; 500 + usize::from(n) * 50]);
        let seqs = acked(&log.wal, append.clone(), 0).unwrap();
        let (table, source, rows, payload) = (append.table, append.source, append.rows, append.payload);
        frames.push(Frame { table, source, first_seq: seqs.first, rows, payload });
    }
    (log, frames)
}

fn logs(fs: &dyn Fs, dir: &Path) -> Vec<PathBuf> {
    let entries = fs.list(dir).unwrap();
    entries
        .into_iter()
        .filter(|entry| entry.name.ends_with(".wal"))
        .map(|entry| dir.join(entry.name))
        .collect()
}

fn content(fs: &dyn Fs, path: &Path) -> Vec<u8> {
    parapet_fs::read(fs, path, 1 << 30).unwrap()
}

fn flip(fs: &dyn Fs, path: &Path, at: u64) {
    let file = fs.open(path, OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// Where the last frame of a file starts and ends, and where the file's salt stands.
fn last_frame(bytes: &[u8]) -> (u64, u64) {
    let salt = &bytes[24..32];
    let start = (4096..bytes.len() - 48).step_by(8).rfind(|at| &bytes[at + 8..at + 16] == salt).unwrap();
    let len = u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap());
    (start as u64, start as u64 + 48 + u64::from(len))
}

/// A real disk: the log as it was while open, copied and damaged at its end.
#[test]
fn a_torn_tail_is_cut_and_counted() {
    let check = |damage: &dyn Fn(&Path, u64, u64), torn: &dyn Fn(u64) -> u64| {
        let (source, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let fs: Arc<dyn Fs> = Arc::new(OsFs);
        let (log, frames) = written(&fs, source.path());
        for path in logs(&*fs, source.path()) {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        drop(log);
        let last = logs(&*fs, copy.path()).pop().unwrap();
        let (start, end) = last_frame(&content(&*fs, &last));
        damage(&last, start, end);

        let report = inspect(&*fs, copy.path(), 1).unwrap();
        let log = open(&fs, copy.path(), small(), 1).unwrap();
        assert_eq!(log.report, report);
        assert_eq!(log.frames, frames[..29]);
        assert_eq!((report.quarantined_files, report.missing_rows), (0, 0));
        assert_eq!(report.torn_bytes, torn(end.next_multiple_of(8) - start));
        assert_eq!(acked(&log.wal, append(1, b"after".to_vec()), 0).unwrap().first, frames[29].first_seq);
        drop(log);
        let log = open(&fs, copy.path(), small(), 1).unwrap();
        assert_eq!(log.frames.len(), 30);
        assert_eq!(log.frames[29].payload, &b"after"[..]);
        assert_eq!((log.report.torn_bytes, log.report.quarantined_files, log.report.missing_rows), (0, 0, 0));
    };
    let truncate = |path: &Path, len: u64| {
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
    };
    check(&|path, start, _| truncate(path, start + 1000), &|_| 1000);
    check(&|path, start, _| truncate(path, start + 20), &|_| 20);
    check(&|path, start, _| truncate(path, start), &|_| 0);
    check(&|path, _, end| flip(&OsFs, path, end - 1), &|len| len);
    check(&|path, start, _| flip(&OsFs, path, start + 5), &|len| len);
    check(&|path, start, _| flip(&OsFs, path, start + 30), &|len| len);
}

#[test]
fn a_hole_before_the_end_is_damage_and_the_file_is_quarantined() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let dir = Path::new(DIR);
    let (log, frames) = written(&fs, dir);
    drop(log);
    let first = logs(&*fs, dir).remove(0);
    // In the payload of the second frame.
    flip(&*fs, &first, 4096 + 48 + 500 + 4 + 100);
    for _ in 0..2 {
        let log = open(&fs, dir, small(), 1).unwrap();
        assert_eq!(log.frames.len(), 29);
        assert_eq!((&log.frames[0], &log.frames[1..]), (&frames[0], &frames[2..]));
        assert_eq!((log.report.quarantined_files, log.report.missing_rows, log.report.torn_bytes), (1, 2, 0));
    }
    let damaged = content(&*fs, &first);
    let log = open(&fs, dir, small(), 1).unwrap();
    log.wal.release(61).unwrap();
    let quarantine = dir.join("quarantine");
    let kept = fs.list(&quarantine).unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(content(&*fs, &quarantine.join(&kept[0].name)), damaged);
    drop(log);
    assert_eq!(open(&fs, dir, small(), 61).unwrap().report.quarantined_files, 0);
}

#[test]
fn a_damaged_header_costs_nothing_and_an_unreadable_file_its_rows() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let dir = Path::new(DIR);
    let (log, frames) = written(&fs, dir);
    drop(log);
    let files = logs(&*fs, dir);
    flip(&*fs, &files[0], 26);
    let log = open(&fs, dir, small(), 1).unwrap();
    assert_eq!(log.frames, frames);
    assert_eq!((log.report.quarantined_files, log.report.missing_rows), (1, 0));
    drop(log);

    let within = read_frames(&content(&*fs, &files[1])).frames;
    assert!(!within.is_empty());
    fs.open(&files[1], OpenMode::ReadWrite).unwrap().set_len(100).unwrap();
    let log = open(&fs, dir, small(), 1).unwrap();
    assert_eq!(log.report.quarantined_files, 2);
    assert_eq!(log.report.missing_rows, 2 * within.len() as u64);
    assert_eq!(log.frames.len(), 30 - within.len());
    assert_eq!(fs.list(&dir.join("quarantine")).unwrap().len(), 1, "nothing in it to wait for");
}

/// Payloads are strangers' bytes: a frame within one is never taken for a frame, even if what holds it is unreadable.
#[test]
fn smuggled_frames_stay_payload() {
    let donor: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let (log, _) = written(&donor, Path::new(DIR));
    drop(log);
    let smuggled = content(&*donor, &logs(&*donor, Path::new(DIR))[0])[4096..4096 + 4096].to_vec();

    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(2));
    let dir = Path::new(DIR);
    let options = || parapet_wal::Options { seed: 8, ..small() };
    let log = open(&fs, dir, options(), 1).unwrap();
    for _ in 0..3 {
        acked(&log.wal, append(1, smuggled.clone()), 0).unwrap();
    }
    drop(log);
    flip(&*fs, &logs(&*fs, dir)[0], 4096 + 20);
    let log = open(&fs, dir, options(), 1).unwrap();
    assert_eq!(log.frames.iter().map(|frame| frame.first_seq).collect::<Vec<_>>(), [2, 3]);
    assert!(log.frames.iter().all(|frame| frame.payload == smuggled));
}

#[test]
fn other_files_in_the_folder_are_left_alone() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
    let dir = Path::new(DIR);
    fs.create_dir_all(dir).unwrap();
    let names = [
        "1.wal",
        "notes.txt",
        "0000000000000001.wal.bak",
        "00000000000000zz.wal",
        "99999999999999999999999.wal",
    ];
    for name in names {
        fs.open(&dir.join(name), OpenMode::CreateNew).unwrap().write_all_at(b"mine", 0).unwrap();
    }
    let (log, _) = written(&fs, dir);
    log.wal.release(u64::MAX).unwrap();
    drop(log);
    assert_eq!(open(&fs, dir, small(), 1).unwrap().report.quarantined_files, 0);
    for name in names {
        assert_eq!(content(&*fs, &dir.join(name)), b"mine");
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index),
    Cut(prop::sample::Index),
    /// Overwrites a stretch, as a stray write does.
    Fill(prop::sample::Index, usize, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => any::<prop::sample::Index>().prop_map(Damage::Flip),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        1 => (any::<prop::sample::Index>(), 1..2000_usize, any::<u8>()).prop_map(|(at, len, byte)| Damage::Fill(at, len, byte)),
    ]
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match damage {
        Damage::Flip(at) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 0x40;
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Fill(at, len, byte) => {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + len);
            bytes[at..end].fill(*byte);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_damage_is_survived_and_nothing_is_invented(
        hits in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
        let dir = Path::new(DIR);
        let (log, frames) = written(&fs, dir);
        drop(log);
        let files = logs(&*fs, dir);
        for (file, damage) in &hits {
            let path = &files[file.index(files.len())];
            let mut bytes = content(&*fs, path);
            apply(damage, &mut bytes);
            let file = fs.open(path, OpenMode::ReadWrite).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
        }
        let log = open(&fs, dir, small(), 1).unwrap();
        let mut rest = frames.iter();
        for found in &log.frames {
            prop_assert!(rest.any(|frame| frame == found), "each as it was written, once, in order");
        }
        // Every row is found, or counted as missing, or was at the end, where it cannot be told from one never synced.
        let next_seq = log.report.next_seq;
        prop_assert_eq!(log.report.rows + log.report.missing_rows, next_seq - 1);
        prop_assert!(next_seq <= 61);
        let again = acked(&log.wal, append(1, b"on".to_vec()), 0).unwrap();
        prop_assert_eq!(again.first, next_seq);
        drop(log);
        let log = open(&fs, dir, small(), 1).unwrap();
        prop_assert_eq!(&log.frames.last().unwrap().payload[..], b"on");
    }

    #[test]
    fn no_bytes_upset_the_reader(noise in prop::collection::vec(any::<u8>(), 0..9000), hits in prop::collection::vec(damage(), 0..4)) {
        read_frames(&noise);
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
        let (log, frames) = written(&fs, Path::new(DIR));
        drop(log);
        let mut bytes = content(&*fs, &logs(&*fs, Path::new(DIR))[0]);
        prop_assert!(read_frames(&bytes).ended);
        hits.iter().for_each(|damage| apply(damage, &mut bytes));
        for frame in read_frames(&bytes).frames {
            prop_assert!(frames.contains(&frame));
        }
    }
}
