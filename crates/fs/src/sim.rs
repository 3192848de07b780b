//! A file system in memory that loses power on request.
//!
//! It keeps, for each file and each directory, what was synced and what was changed since, in order. [`SimFs::crash`]
//! gives the file system as it would be found after a power loss: everything synced, and of everything else an arbitrary
//! part, chosen by a seed. Bytes written since the last sync survive or not sector by sector (512 bytes); changes of
//! names survive or not one by one, a rename as a whole. That is worse than journalling file systems do, on purpose.
//! [`SimFs::kill`] gives what a killed process leaves on a machine that stays up: all of it.
//!
//! [`Faults`] makes single operations fail. Operations are counted from 0; reading is not counted, so that a sequence of
//! changes has the same numbers however often it looks. Everything is decided by the seed: two runs of the same
//! operations on one thread have the same result.

mod disk;
mod tree;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::{Entry, File, Fs, OpenMode};
use disk::{Change, FileNode};
use tree::{Name, Tree};

/// What goes wrong, and when.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Operations that fail once, by number. A failed sync drops some of the bytes it was to write, for good.
    pub fail_at: Vec<u64>,
    /// The operation at which the power goes: it happens or not, reports failure, and so does everything after it.
    pub crash_at: Option<u64>,
    /// Every sync from this operation on fails.
    pub fail_syncs_from: Option<u64>,
    /// Bytes that all files may have together; more is [`io::ErrorKind::StorageFull`].
    pub capacity: Option<u64>,
}

/// A file system in memory; clones are the same one.
#[derive(Clone)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
}

struct State {
    tree: Tree,
    rng: SmallRng,
    faults: Faults,
    operations: u64,
    dead: bool,
    next_handle: u64,
}

impl SimFs {
    /// An empty file system whose misfortunes follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self::over(Tree::default(), SmallRng::seed_from_u64(seed))
    }

    /// Replaces the faults; operation numbers go on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Operations so far, failed ones included: the number that the next one has.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Whether [`Faults::crash_at`] was reached, or [`SimFs::crash`] or [`SimFs::kill`] called: nothing works any more.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// The power goes. Gives the file system as found afterwards, without faults; this one is dead from now on.
    pub fn crash(&self) -> Self {
        let mut state = self.lock();
        state.dead = true;
        let mut rng = SmallRng::seed_from_u64(state.rng.random());
        let tree = state.tree.after_power_loss(&mut rng);
        Self::over(tree, rng)
    }

    /// The process is killed. Gives the file system as the next process finds it, without faults: nothing is lost, locks
    /// are free, and what was not synced still is not. This one is dead from now on.
    pub fn kill(&self) -> Self {
        let mut state = self.lock();
        state.dead = true;
        let rng = SmallRng::seed_from_u64(state.rng.random());
        Self::over(state.tree.after_kill(), rng)
    }

    fn over(tree: Tree, rng: SmallRng) -> Self {
        let state =
            State { tree, rng, faults: Faults::default(), operations: 0, dead: false, next_handle: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }

    /// Runs a change as one counted operation. `change` is told whether it is a whole success or a part of a failure.
    fn operate<R>(
        &self,
        sync: bool,
        change: impl FnOnce(&mut State, Fate) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut state = self.lock();
        match state.fate(sync)? {
            Fate::Happens => change(&mut state, Fate::Happens),
            Fate::Fails => {
                // Whatever the change makes of it, the caller hears of a failure.
                let _ = change(&mut state, Fate::Fails);
                Err(io::Error::other("simulated fault"))
            }
            Fate::LastGasp => {
                let _ = change(&mut state, Fate::Happens);
                state.dead = true;
                Err(powerless())
            }
        }
    }
}

/// What becomes of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Happens,
    /// Reports failure; what it leaves depends on the operation.
    Fails,
    /// Happens, but nobody hears of it.
    LastGasp,
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(powerless()) } else { Ok(()) }
    }

    fn fate(&mut self, sync: bool) -> io::Result<Fate> {
        self.alive()?;
        let number = self.operations;
        self.operations += 1;
        if self.faults.crash_at.is_some_and(|at| number >= at) {
            if self.rng.random() {
                return Ok(Fate::LastGasp);
            }
            self.dead = true;
            return Err(powerless());
        }
        let fails = self.faults.fail_at.contains(&number)
            || sync && self.faults.fail_syncs_from.is_some_and(|from| number >= from);
        Ok(if fails { Fate::Fails } else { Fate::Happens })
    }

    /// How many more bytes `node` may have when it is to have `len`.
    fn room(&self, node: &FileNode, len: u64) -> io::Result<()> {
        let grows = len.saturating_sub(node.len());
        if grows > 0 && self.free() < grows { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn free(&self) -> u64 {
        /// What an unlimited disk reports: enough for any reserve that the code above asks for.
        const PLENTY: u64 = 1 << 40;
        self.faults.capacity.map_or(PLENTY, |capacity| capacity.saturating_sub(self.tree.bytes()))
    }
}

fn powerless() -> io::Error {
    io::Error::other("simulated power loss")
}

impl fmt::Debug for SimFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("SimFs")
            .field("operations", &state.operations)
            .field("dead", &state.dead)
            .finish_non_exhaustive()
    }
}

impl Fs for SimFs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let name = Name::of(path)?;
        self.operate(false, |state, fate| match fate {
            Fate::Fails => Ok(()),
            _ => state.tree.create_dir_all(&name),
        })
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let name = Name::of(path)?;
        let creates = {
            let state = self.lock();
            state.alive()?;
            matches!(mode, OpenMode::Create | OpenMode::CreateNew) && !state.tree.exists(&name)?
        };
        let open = |state: &mut State, fate| {
            if fate == Fate::Fails {
                return Err(io::ErrorKind::Other.into());
            }
            state.next_handle += 1;
            Ok((state.tree.open(&name, mode)?, state.next_handle))
        };
        let (node, handle) =
            if creates { self.operate(false, open)? } else { open(&mut self.lock(), Fate::Happens)? };
        Ok(Box::new(SimFile { fs: self.clone(), node, handle, writable: mode != OpenMode::Read }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (Name::of(from)?, Name::of(to)?);
        self.operate(false, |state, fate| match fate {
            Fate::Fails => Ok(()),
            _ => state.tree.rename(&from, &to),
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let name = Name::of(path)?;
        self.operate(false, |state, fate| match fate {
            Fate::Fails => Ok(()),
            _ => state.tree.remove(&name, false),
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let name = Name::of(path)?;
        self.operate(false, |state, fate| match fate {
            Fate::Fails => Ok(()),
            _ => state.tree.remove(&name, true),
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let name = Name::of(path)?;
        self.operate(true, |state, fate| match fate {
            Fate::Fails => Ok(()),
            _ => state.tree.sync_dir(&name),
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let state = self.lock();
        state.alive()?;
        state.tree.list(&Name::of(path)?)
    }

    fn metadata(&self, path: &Path) -> io::Result<Option<Entry>> {
        let state = self.lock();
        state.alive()?;
        state.tree.metadata(&Name::of(path)?)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let state = self.lock();
        state.alive()?;
        if !state.tree.exists(&Name::of(path)?)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(state.free())
    }

    /// There is one user.
    fn is_exposed(&self, path: &Path) -> io::Result<bool> {
        match self.metadata(path)? {
            Some(_) => Ok(false),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

struct SimFile {
    fs: SimFs,
    node: Arc<FileNode>,
    handle: u64,
    writable: bool,
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.fs.operate(false, |state, fate| {
            if let Err(full) = state.room(&self.node, change.len_after(self.node.len())) {
                // As on a real disk, the beginning may have fitted.
                if let Some(part) = change.cut_to(self.node.len() + state.free()) {
                    self.node.change(part);
                }
                return Err(full);
            }
            match fate {
                Fate::Fails => {
                    let part = change.part(&mut state.rng);
                    part.into_iter().for_each(|part| self.node.change(part));
                }
                _ => self.node.change(change),
            }
            Ok(())
        })
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fs.lock().alive()?;
        Ok(self.node.read_at(buf, offset))
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write { offset, bytes: buf.to_vec() })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fs.operate(true, |state, fate| {
            match fate {
                Fate::Fails => self.node.fail_sync(&mut state.rng),
                _ => self.node.sync(),
            }
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.fs.lock().alive()?;
        Ok(self.node.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::SetLen(len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.change(Change::Grow(len))
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.fs.lock().alive()?;
        Ok(self.node.try_lock(self.handle))
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.node.unlock(self.handle);
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("handle", &self.handle).finish_non_exhaustive()
    }
}
