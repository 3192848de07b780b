//! The checkpoint file: which generation of which file has which source, and how far it was acknowledged.
//!
//! One JSON document, replaced as a whole: `{"version":1,"files":[{dev, ino, fingerprint_len, fingerprint (hex), source
//! (hex), offset, path, seen (seconds since 1970)}]}`. `path` is for people; identity is the rest.

use std::io;
use std::path::Path;

use parapet_fs::Fs;
use parapet_signal::SourceId;
use serde::{Deserialize, Serialize};

use super::FilesError;
use super::identity::{FileId, Fingerprint};

/// One generation of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: FileId,
    pub(super) fingerprint: Fingerprint,
    pub(super) source: SourceId,
    pub(super) offset: u64,
    pub(super) path: String,
    /// When it was last there, in seconds since 1970.
    pub(super) seen: i64,
}

/// All entries; none if there is no checkpoint yet.
pub(super) fn load(fs: &dyn Fs, path: &Path) -> Result<Vec<Entry>, FilesError> {
    let step = "read";
    let bytes = match parapet_fs::read(fs, path, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FilesError::Checkpoint { path: path.to_owned(), step, source }),
    };
    parse(&bytes).map_err(|source| FilesError::Format { path: path.to_owned(), source })
}

/// Replaces the checkpoint. Durable when it returns.
pub(super) fn save<'a>(
    fs: &dyn Fs,
    path: &Path,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> io::Result<()> {
    let files = entries.into_iter().map(Row::from).collect();
    let bytes = serde_json::to_vec(&Document { version: VERSION, files })?;
    parapet_fs::replace(fs, path, &bytes)
}

const VERSION: u32 = 1;

/// Far above what `max_files` entries take (about 300 bytes each).
const MAX_BYTES: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    files: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    dev: u64,
    ino: u64,
    fingerprint_len: u32,
    fingerprint: String,
    source: String,
    offset: u64,
    path: String,
    seen: i64,
}

impl From<&Entry> for Row {
    fn from(entry: &Entry) -> Self {
        Self {
            dev: entry.id.dev,
            ino: entry.id.ino,
            fingerprint_len: entry.fingerprint.len,
            fingerprint: hex::encode(entry.fingerprint.digest),
            source: format!("{:016x}", entry.source.0),
            offset: entry.offset,
            path: entry.path.clone(),
            seen: entry.seen,
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Entry>, serde_json::Error> {
    use serde::de::Error as _;
    let document: Document = serde_json::from_slice(bytes)?;
    if document.version != VERSION {
        return Err(serde_json::Error::custom(format!("version {} is not known", document.version)));
    }
    let entry = |row: Row| {
        let mut digest = [0; 16];
        hex::decode_to_slice(&row.fingerprint, &mut digest).map_err(serde_json::Error::custom)?;
        let source = u64::from_str_radix(&row.source, 16).map_err(serde_json::Error::custom)?;
        Ok(Entry {
            id: FileId { dev: row.dev, ino: row.ino },
            fingerprint: Fingerprint { len: row.fingerprint_len, digest },
            source: SourceId(source),
            offset: row.offset,
            path: row.path,
            seen: row.seen,
        })
    };
    document.files.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_anything_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint.json");
        let fs = parapet_fs::OsFs;
        assert_eq!(load(&fs, &path).unwrap(), []);
        let entry = Entry {
            id: FileId { dev: 1, ino: u64::MAX },
            fingerprint: Fingerprint { len: 9, digest: [7; 16] },
            source: SourceId(u64::MAX - 1),
            offset: 42,
            path: "/a".into(),
            seen: 5,
        };
        save(&fs, &path, [&entry]).unwrap();
        assert_eq!(load(&fs, &path).unwrap(), [entry]);
        for bad in ["", "{}", r#"{"version":2,"files":[]}"#, r#"{"version":1,"files":[],"x":1}"#] {
            std::fs::write(&path, bad).unwrap();
            assert!(load(&fs, &path).unwrap_err().is_damaged_checkpoint(), "{bad}");
        }
    }
}
