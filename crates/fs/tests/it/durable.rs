//! The composed steps, with the power going at each of them.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use parapet_fs::sim::{Faults, SimFs};
use parapet_fs::{Fs, OpenMode, OsFs, Writer, ensure_dir, read, replace};

#[test]
fn a_replaced_file_is_old_or_new_and_new_once_done() {
    let path = Path::new("state");
    for at in 0..8 {
        for seed in 0..50 {
            let fs = SimFs::new(seed);
            replace(&fs, path, b"old").unwrap();
            let first = fs.operations();
            fs.set_faults(Faults { crash_at: Some(first + at), ..Faults::default() });
            let done = replace(&fs, path, &[b'n'; 2000]).is_ok();
            let after = fs.crash();
            let found = read(&after, path, 1 << 20).unwrap();
            assert!(found == [b'n'; 2000] || !done && found == b"old", "operation {at}, seed {seed}");
            replace(&after, path, b"again").unwrap();
            assert_eq!(read(&after, path, 5).unwrap(), b"again");
        }
    }
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let fs = SimFs::new(1);
    replace(&fs, Path::new("a"), b"12345").unwrap();
    assert_eq!(read(&fs, Path::new("a"), 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn directories_are_made_durable_up_to_the_first_that_was_there() {
    for seed in 0..50 {
        let fs = SimFs::new(seed);
        ensure_dir(&fs, Path::new("/a/b/c")).unwrap();
        ensure_dir(&fs, Path::new("/a/b/c")).unwrap();
        assert!(fs.crash().metadata(Path::new("/a/b/c")).unwrap().is_some());
    }
}

#[test]
fn everything_made_is_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("a/b");
    ensure_dir(&OsFs, &dir).unwrap();
    let file = dir.join("file");
    replace(&OsFs, &file, b"x").unwrap();
    for (path, mode) in [(folder.path().join("a"), 0o700), (dir, 0o700), (file, 0o600)] {
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            mode,
            "{}",
            path.display()
        );
    }
    assert!(OsFs.free_bytes(folder.path()).unwrap() > 0);
}

#[test]
fn a_writer_appends() {
    let fs = SimFs::new(1);
    let mut writer = Writer::new(fs.open(Path::new("a"), OpenMode::Create).unwrap());
    write!(writer, "one").unwrap();
    write!(writer, ", two").unwrap();
    assert_eq!(writer.position(), 8);
    let mut writer = Writer::at(writer.finish(), 3);
    writer.write_all(b"!").unwrap();
    let file = writer.finish();
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"one! two");
    assert_eq!(file.read_exact_at(&mut bytes, 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn what_others_may_read_or_write_is_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    replace(&OsFs, &path, b"secret").unwrap();
    assert!(!OsFs.is_exposed(&path).unwrap());
    for (mode, exposed) in [(0o640, true), (0o604, true), (0o620, true), (0o400, false), (0o700, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(OsFs.is_exposed(&path).unwrap(), exposed, "{mode:o}");
    }
    assert!(OsFs.is_exposed(&folder.path().join("none")).is_err());
    let sim = SimFs::new(1);
    replace(&sim, Path::new("key"), b"secret").unwrap();
    assert!(!sim.is_exposed(Path::new("key")).unwrap());
    assert!(sim.is_exposed(Path::new("none")).is_err());
}
