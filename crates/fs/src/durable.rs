//! The few sequences of steps that make a change durable as a whole.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Fs, OpenMode};

/// Puts `bytes` at `path`, replacing what stood there: after a crash at any moment, either the old or the new content is
/// found, whole. Durable when this returns.
///
/// Order: `path.tmp` written, synced, renamed, directory synced. A crash before the rename leaves `path.tmp`, which the
/// next call replaces.
pub fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    // A leftover might have another owner or mode; a new file has ours.
    match fs.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.open(&temporary, OpenMode::CreateNew)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    drop(file);
    fs.rename(&temporary, path)?;
    fs.sync_dir(parent(path))
}

/// Reads a whole file that may have at most `limit` bytes; a longer one is [`io::ErrorKind::FileTooLarge`].
pub fn read(fs: &dyn Fs, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = fs.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Creates a directory and its missing ancestors, durably. Directories that are there are synced into their parents too: a
/// process that was killed may have made them and not come to that.
pub fn ensure_dir(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    let there = fs.metadata(path)?.is_some();
    fs.create_dir_all(path)?;
    for dir in path.ancestors().filter(|dir| !dir.as_os_str().is_empty() && dir.parent().is_some()) {
        match fs.sync_dir(parent(dir)) {
            // Others' directories that we may pass but not list; they were there before us.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && (there || dir != path) => {}
            result => result?,
        }
    }
    Ok(())
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    name.into()
}

/// The directory that holds a path's name; a bare name stands in the working directory.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}
