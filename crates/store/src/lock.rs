//! One process per data folder: `LOCK` is locked while it is open, and says who has it.

use std::path::Path;

use parapet_fs::{File, Fs, OpenMode};

use crate::error::StoreError;

/// Longer than any process id: more is not ours.
const HOLDER_BYTES: usize = 64;

/// Holds the folder until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Box<dyn File>,
}

impl Lock {
    /// Takes the folder, or says who has it.
    pub(crate) fn take(fs: &dyn Fs, dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("LOCK");
        let file = fs.open(&path, OpenMode::Create).map_err(StoreError::io("open", &path))?;
        if !file.try_lock().map_err(StoreError::io("lock", &path))? {
            return Err(StoreError::InUse { dir: dir.to_owned(), holder: holder(&*file) });
        }
        let id = format!("{}\n", std::process::id());
        file.set_len(0).map_err(StoreError::io("write", &path))?;
        file.write_all_at(id.as_bytes(), 0).map_err(StoreError::io("write", &path))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &dyn File) -> String {
    let mut bytes = [0; HOLDER_BYTES];
    let read = file.read_at(&mut bytes, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..read]);
    let text = text.trim();
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(&parapet_fs::OsFs, dir.path()).unwrap();
        let error = Lock::take(&parapet_fs::OsFs, dir.path()).unwrap_err();
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        Lock::take(&parapet_fs::OsFs, dir.path()).unwrap();
    }
}
