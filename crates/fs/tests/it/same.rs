//! Without faults, the simulated file system answers as the operating system's does.

use std::io;
use std::path::{Path, PathBuf};

use parapet_fs::sim::SimFs;
use parapet_fs::{Entry, File, Fs, OpenMode, OsFs};
use proptest::prelude::*;

/// Paths are drawn from few names, so that operations meet.
#[derive(Clone, Debug)]
struct Place(Vec<&'static str>);

#[derive(Clone, Debug)]
enum Op {
    CreateDirAll(Place),
    Open(Place, OpenMode),
    Rename(Place, Place),
    RemoveFile(Place),
    RemoveDir(Place),
    SyncDir(Place),
    List(Place),
    Metadata(Place),
    /// The rest is done with one of the handles opened so far.
    Write(usize, u64, Vec<u8>),
    Read(usize, u64, usize),
    SetLen(usize, u64),
    Allocate(usize, u64),
    Len(usize),
    Sync(usize),
    Lock(usize),
    Close(usize),
}

fn place() -> impl Strategy<Value = Place> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(Place)
}

fn mode() -> impl Strategy<Value = OpenMode> {
    prop::sample::select(vec![OpenMode::Read, OpenMode::ReadWrite, OpenMode::Create, OpenMode::CreateNew])
}

fn op() -> impl Strategy<Value = Op> {
    let handle = || 0..8_usize;
    prop_oneof![
        2 => place().prop_map(Op::CreateDirAll),
        6 => (place(), mode()).prop_map(|(place, mode)| Op::Open(place, mode)),
        3 => (place(), place()).prop_map(|(from, to)| Op::Rename(from, to)),
        2 => place().prop_map(Op::RemoveFile),
        1 => place().prop_map(Op::RemoveDir),
        1 => place().prop_map(Op::SyncDir),
        2 => place().prop_map(Op::List),
        2 => place().prop_map(Op::Metadata),
        4 => (handle(), 0..3000_u64, prop::collection::vec(any::<u8>(), 0..2000)).prop_map(|(h, at, bytes)| Op::Write(h, at, bytes)),
        4 => (handle(), 0..5000_u64, 0..3000_usize).prop_map(|(h, at, n)| Op::Read(h, at, n)),
        1 => (handle(), 0..5000_u64).prop_map(|(h, len)| Op::SetLen(h, len)),
        1 => (handle(), 0..5000_u64).prop_map(|(h, len)| Op::Allocate(h, len)),
        1 => handle().prop_map(Op::Len),
        1 => handle().prop_map(Op::Sync),
        2 => handle().prop_map(Op::Lock),
        2 => handle().prop_map(Op::Close),
    ]
}

/// What can be told from an answer.
#[derive(Debug, PartialEq)]
enum Answer {
    Done,
    Entries(Vec<Entry>),
    Entry(Option<Entry>),
    Bytes(Vec<u8>),
    Len(u64),
    Locked(bool),
    Refused(io::ErrorKind),
    /// Refused too, in words that differ between systems.
    BadHandle,
}

struct Run<'a> {
    fs: &'a dyn Fs,
    root: &'a Path,
    handles: Vec<Option<Box<dyn File>>>,
}

impl Run<'_> {
    fn step(&mut self, op: &Op) -> Answer {
        self.attempt(op).unwrap_or_else(|error| Answer::Refused(error.kind()))
    }

    fn attempt(&mut self, op: &Op) -> io::Result<Answer> {
        let path =
            |place: &Place| place.0.iter().fold(self.root.to_owned(), |path: PathBuf, name| path.join(name));
        match op {
            Op::CreateDirAll(place) => self.fs.create_dir_all(&path(place))?,
            Op::Open(place, mode) => {
                let file = self.fs.open(&path(place), *mode)?;
                self.handles.push(Some(file));
            }
            Op::Rename(from, to) => self.fs.rename(&path(from), &path(to))?,
            Op::RemoveFile(place) => self.fs.remove_file(&path(place))?,
            Op::RemoveDir(place) => self.fs.remove_dir(&path(place))?,
            Op::SyncDir(place) => self.fs.sync_dir(&path(place))?,
            Op::List(place) => return Ok(Answer::Entries(self.fs.list(&path(place))?)),
            Op::Metadata(place) => return Ok(Answer::Entry(self.fs.metadata(&path(place))?)),
            Op::Close(handle) => {
                if let Some(file) = self.handles.get_mut(*handle) {
                    *file = None;
                }
            }
            Op::Read(handle, at, n) => {
                let Some(file) = self.handle(*handle) else { return Ok(Answer::Done) };
                let mut bytes = vec![0; *n];
                let read = file.read_at(&mut bytes, *at)?;
                bytes.truncate(read);
                return Ok(Answer::Bytes(bytes));
            }
            Op::Len(handle) => {
                let Some(file) = self.handle(*handle) else { return Ok(Answer::Done) };
                return Ok(Answer::Len(file.len()?));
            }
            Op::Lock(handle) => {
                let Some(file) = self.handle(*handle) else { return Ok(Answer::Done) };
                return Ok(Answer::Locked(file.try_lock()?));
            }
            Op::Sync(handle) => {
                let Some(file) = self.handle(*handle) else { return Ok(Answer::Done) };
                file.sync_data()?;
            }
            Op::Write(handle, at, bytes) => {
                return Ok(self.change(*handle, |file| file.write_all_at(bytes, *at)));
            }
            Op::SetLen(handle, len) => return Ok(self.change(*handle, |file| file.set_len(*len))),
            Op::Allocate(handle, len) => return Ok(self.change(*handle, |file| file.allocate(*len))),
        }
        Ok(Answer::Done)
    }

    fn handle(&self, index: usize) -> Option<&dyn File> {
        self.handles.get(index)?.as_deref()
    }

    /// A handle for reading refuses changes with another error on each system.
    fn change(&self, index: usize, change: impl FnOnce(&dyn File) -> io::Result<()>) -> Answer {
        match self.handle(index).map(change) {
            None | Some(Ok(())) => Answer::Done,
            Some(Err(_)) => Answer::BadHandle,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn same_operations_same_answers(ops in prop::collection::vec(op(), 1..80)) {
        let folder = tempfile::tempdir().unwrap();
        let sim = SimFs::new(1);
        let mut real = Run { fs: &OsFs, root: folder.path(), handles: Vec::new() };
        let mut simulated = Run { fs: &sim, root: Path::new("/"), handles: Vec::new() };
        for op in &ops {
            // Writing nothing is no operation to the operating system, not even through a handle for reading.
            if matches!(op, Op::Write(_, _, bytes) if bytes.is_empty()) || matches!(op, Op::Allocate(_, 0)) {
                continue;
            }
            prop_assert_eq!(real.step(op), simulated.step(op), "{:?}", op);
        }
    }
}
