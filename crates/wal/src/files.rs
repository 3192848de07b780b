//! The files of a log: made, filled one after the other, released, reused.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_fs::{File, Fs, OpenMode};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::format::{HEADER_LEN, Header};
use crate::{BusyReason, Options, WalError};

/// The file that frames go to.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn File>,
    pub(crate) salt: u64,
    pub(crate) base_seq: u64,
    /// Where the next frame goes.
    pub(crate) offset: u64,
}

/// A file that gets no more frames.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) first_seq: u64,
    pub(crate) next_seq: u64,
    pub(crate) damaged: bool,
}

/// All files but the active one.
#[derive(Debug)]
pub(crate) struct Files {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    quarantine: PathBuf,
    file_bytes: u64,
    min_free_bytes: u64,
    spare_files: usize,
    /// Oldest first.
    pub(crate) sealed: VecDeque<Sealed>,
    /// Where the active file's rows start, once there is one.
    active_base_seq: Option<u64>,
    spares: Vec<PathBuf>,
    next_no: u64,
    salts: StdRng,
}

/// The name of a file with frames.
pub(crate) fn log_name(file_no: u64) -> String {
    format!("{file_no:016}.wal")
}

fn spare_name(file_no: u64) -> String {
    format!("{file_no:016}.spare")
}

/// The number in a name of ours, and whether it is a spare's.
pub(crate) fn parse_name(name: &str) -> Option<(u64, bool)> {
    let (digits, is_spare) = match name.split_once('.')? {
        (digits, "wal") => (digits, false),
        (digits, "spare") => (digits, true),
        _ => return None,
    };
    let is_ours = digits.len() >= 16 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_ours.then(|| digits.parse().ok()).flatten().map(|no| (no, is_spare))
}

impl Files {
    pub(crate) fn new(
        fs: Arc<dyn Fs>,
        dir: &Path,
        options: &Options,
        sealed: VecDeque<Sealed>,
        spares: Vec<PathBuf>,
        next_no: u64,
    ) -> Self {
        Self {
            fs,
            dir: dir.to_owned(),
            quarantine: options.quarantine.clone().unwrap_or_else(|| dir.join("quarantine")),
            file_bytes: options.file_bytes,
            min_free_bytes: options.min_free_bytes,
            spare_files: options.spare_files,
            sealed,
            active_base_seq: None,
            spares,
            next_no,
            salts: StdRng::seed_from_u64(options.seed),
        }
    }

    /// A new last file without frames; its header and name are durable when this returns. Nothing else has changed if it fails.
    pub(crate) fn create(&mut self, base_seq: u64) -> Result<Active, WalError> {
        let file_no = self.next_no;
        self.next_no += 1;
        let (spare, mode) = match self.spares.pop() {
            Some(spare) => (spare, OpenMode::ReadWrite),
            None => {
                self.check_free()?;
                (self.dir.join(spare_name(file_no)), OpenMode::CreateNew)
            }
        };
        let path = self.dir.join(log_name(file_no));
        let salt = self.salts.random();
        let made = self.prepare(&spare, mode, Header { file_no, salt, base_seq }).and_then(|file| {
            self.fs.rename(&spare, &path).map_err(WalError::io("rename to", &path))?;
            Ok(file)
        });
        let file = made.inspect_err(|_| self.spares.push(spare.clone()))?;
        self.fs.sync_dir(&self.dir).map_err(WalError::io("sync", &self.dir))?;
        self.active_base_seq = Some(base_seq);
        Ok(Active { path, file, salt, base_seq, offset: HEADER_LEN })
    }

    /// The lowest number that a row in any file can have.
    pub(crate) fn oldest_seq(&self) -> Option<u64> {
        self.sealed.iter().map(|file| file.first_seq).chain(self.active_base_seq).min()
    }

    /// How many files hold frames or will.
    pub(crate) fn count(&self) -> usize {
        self.sealed.len() + usize::from(self.active_base_seq.is_some())
    }

    fn prepare(&self, spare: &Path, mode: OpenMode, header: Header) -> Result<Box<dyn File>, WalError> {
        let file = match self.fs.open(spare, mode) {
            // An attempt that failed before it could create it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.fs.open(spare, OpenMode::CreateNew)
            }
            result => result,
        }
        .map_err(WalError::io("open", spare))?;
        let len = file.len().map_err(WalError::io("look at", spare))?;
        if len > self.file_bytes {
            file.set_len(self.file_bytes).map_err(WalError::io("shorten", spare))?;
        }
        file.allocate(self.file_bytes).map_err(WalError::io("allocate", spare))?;
        file.write_all_at(&header.encode(), 0).map_err(WalError::io("write the header of", spare))?;
        file.sync_data().map_err(WalError::io("sync", spare))?;
        Ok(file)
    }

    fn check_free(&self) -> Result<(), WalError> {
        let free = self.fs.free_bytes(&self.dir).map_err(WalError::io("look for space at", &self.dir))?;
        if free < self.file_bytes.saturating_add(self.min_free_bytes) {
            return Err(WalError::Busy(BusyReason::DiskLow));
        }
        Ok(())
    }

    /// Gives up files that have rows below `below` only; damaged ones go to quarantine. Returns the bytes given up.
    pub(crate) fn release(&mut self, below: u64) -> Result<u64, WalError> {
        let (done, kept) =
            std::mem::take(&mut self.sealed).into_iter().partition(|file| file.next_seq <= below);
        self.sealed = kept;
        let mut done: VecDeque<Sealed> = done;
        let mut released = 0;
        let mut spares = Vec::new();
        while let Some(file) = done.front() {
            let step =
                if file.damaged { self.quarantine(&file.path) } else { self.retire(&file.path, &mut spares) };
            if let Err(error) = step {
                // What could not be moved stays in the log; rows below the floor are skipped at start.
                self.sealed = done.into_iter().chain(std::mem::take(&mut self.sealed)).collect();
                return Err(error);
            }
            released += file.bytes;
            done.pop_front();
        }
        if released > 0 {
            self.fs.sync_dir(&self.dir).map_err(WalError::io("sync", &self.dir))?;
            // Only now: before, a crash could have brought a spare's old name back.
            self.spares.append(&mut spares);
        }
        Ok(released)
    }

    /// Gives up files without frames.
    pub(crate) fn set_aside(&mut self, paths: &[&Path]) -> Result<(), WalError> {
        let mut spares = Vec::new();
        paths.iter().try_for_each(|path| self.retire(path, &mut spares))?;
        self.fs.sync_dir(&self.dir).map_err(WalError::io("sync", &self.dir))?;
        self.spares.append(&mut spares);
        Ok(())
    }

    /// Makes a spare of a file, or removes it when there are enough.
    fn retire(&self, path: &Path, spares: &mut Vec<PathBuf>) -> Result<(), WalError> {
        if self.spares.len() + spares.len() < self.spare_files {
            let spare = path.with_extension("spare");
            self.fs.rename(path, &spare).map_err(WalError::io("set aside", path))?;
            spares.push(spare);
            Ok(())
        } else {
            self.fs.remove_file(path).map_err(WalError::io("remove", path))
        }
    }

    /// Moves a file out of the log, under a name that no other has.
    pub(crate) fn quarantine(&mut self, path: &Path) -> Result<(), WalError> {
        let dir = &self.quarantine;
        parapet_fs::ensure_dir(&*self.fs, dir).map_err(WalError::io("create", dir))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let to = dir.join(format!("{stem}-{:016x}.wal", self.salts.random::<u64>()));
        self.fs.rename(path, &to).map_err(WalError::io("move to quarantine", path))?;
        self.fs.sync_dir(dir).map_err(WalError::io("sync", dir))?;
        tracing::warn!(path = %to.display(), "damaged log file moved to quarantine");
        Ok(())
    }
}
