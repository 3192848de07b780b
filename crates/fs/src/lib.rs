//! Durable files behind one trait: what is on disk, in which order it got there, and what a power loss leaves of it.
//! It knows no file format and no directory layout; those belong to the crates above.
//!
//! Rules that hold for every implementation of [`Fs`], and that the code above relies on:
//!
//! | what | durable after |
//! |---|---|
//! | bytes written, a length set, space allocated | [`File::sync_data`] of that file |
//! | a name created, renamed or removed | [`Fs::sync_dir`] of its directory (of both, when moved between two) |
//! | a directory created by [`Fs::create_dir_all`] | [`Fs::sync_dir`] of its parent; [`ensure_dir`] does it |
//!
//! A failed [`File::sync_data`] may have dropped the bytes it was to write, and the next one may succeed without them:
//! it must never be tried again in the hope of durability.

mod durable;
mod os;
mod redb_file;
pub mod sim;
mod writer;

use std::fmt::Debug;
use std::io;
use std::path::Path;

pub use durable::{ensure_dir, read, replace};
pub use os::OsFs;
pub use redb_file::RedbFile;
pub use writer::Writer;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; must exist.
    Read,
    /// For reading and writing; must exist.
    ReadWrite,
    /// For reading and writing; created empty when it does not exist.
    Create,
    /// For reading and writing; must not exist.
    CreateNew,
}

/// What stands in a directory under one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Name without the directory. Bytes that are not UTF-8 are replaced.
    pub name: String,
    /// Bytes; 0 for a directory.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A file system. All calls block; paths are absolute, or relative to the process.
pub trait Fs: Send + Sync + Debug {
    /// Creates a directory and its missing ancestors, for the owner alone. Durable only after [`Fs::sync_dir`] of each parent.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Opens a file. A file created by this is readable by its owner alone, and its name is durable only after
    /// [`Fs::sync_dir`] of its directory.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;
    /// Renames, replacing a file that stands at `to`, atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name; handles that are open stay readable.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// What stands in a directory, sorted by name.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// What stands at a path; `None` when nothing does.
    fn metadata(&self, path: &Path) -> io::Result<Option<Entry>>;
    /// Bytes that this process may still write to the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Whether users other than the owner may read or write what stands at a path; asked before a key in it is believed.
    fn is_exposed(&self, path: &Path) -> io::Result<bool>;
}

/// An open file, read and written at positions. Closed when dropped, which syncs nothing.
pub trait File: Send + Sync + Debug {
    /// Reads up to `buf.len()` bytes; 0 at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `buf`, growing the file as needed. After an error, any part may have been written.
    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written so far durable, length included. See the crate's documentation for what a failure means.
    fn sync_data(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file, or grows it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves space for the first `len` bytes, growing the file with zeros to at least that length.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Takes the exclusive lock on this file, which is released when this handle is dropped or its process ends;
    /// `false` when another handle has it.
    fn try_lock(&self) -> io::Result<bool>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills all of `buf`, or fails with [`io::ErrorKind::UnexpectedEof`].
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buf = &mut buf[n..];
                    offset += n as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
