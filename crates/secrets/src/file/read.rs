//! One folder of files, read as one version or not at all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::{MAX_SECRET_BYTES, SecretBytes, SecretError, SecretKey, Snapshot, Version, WorldReadable};

/// The link that kubelet and CSI drivers swap.
const DATA_LINK: &str = "..data";
/// A file that changed this recently may still be written to. Longer than writers pause between two calls, shorter than
/// anybody waits for a rotation.
const SETTLED_AFTER: Duration = Duration::from_millis(200);
/// Reads of a folder whose link moves meanwhile.
const ATTEMPTS: u32 = 5;
/// More keys than any secret has; a folder with more was named by mistake.
const MOST_FILES: usize = 1000;

const OTHERS_READ: u32 = 0o004;
const OTHERS_WRITE: u32 = 0o002;
const OTHERS_ENTER: u32 = 0o001;

/// A secret's folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
    pub(super) path: PathBuf,
    pub(super) world_readable: WorldReadable,
}

/// What a folder looks like from outside: equal traces, equal contents, but for a change within one tick of the file
/// system's clock that keeps the size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    data: Option<PathBuf>,
    files: Vec<(OsString, Stamp)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Changes with permissions too.
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Folder {
    /// A look without reading.
    pub(super) fn trace(&self) -> Result<Trace, SecretError> {
        let folder = self.inside()?;
        let data = data_link(&folder);
        let from = data.as_ref().map_or_else(|| folder.clone(), |link| folder.join(link));
        let mut files = Vec::new();
        for name in names(&from)? {
            let metadata = std::fs::metadata(from.join(&name)).map_err(SecretError::io("look at a file"))?;
            if metadata.is_file() {
                files.push((name, Stamp::of(&metadata)));
            }
        }
        Ok(Trace { data, files })
    }

    /// All keys, of one version.
    pub(super) fn read(&self) -> Result<Snapshot, SecretError> {
        for _ in 0..ATTEMPTS {
            let before = self.trace()?;
            let folder = self.inside()?;
            let values = match &before.data {
                Some(link) => self.values(&folder, &folder.join(link), true),
                None => self.values(&folder, &folder, false),
            };
            // A version that is taken away while it is read gives any error; only what stood still counts.
            if self.trace()? != before {
                continue;
            }
            let values = values?;
            if values.is_empty() {
                return Err(SecretError::NotFound);
            }
            return Snapshot::new(values, version(&before, &folder));
        }
        Err(SecretError::Incomplete)
    }

    /// The folder itself, links resolved; an error if they lead out of the root.
    fn inside(&self) -> Result<PathBuf, SecretError> {
        let root = self.root.canonicalize().map_err(SecretError::io("find the root folder"))?;
        let folder = root.join(&self.path).canonicalize().map_err(SecretError::io("find the folder"))?;
        if !folder.starts_with(&root) {
            return Err(SecretError::Unsafe("the folder is a link that leads out of the root"));
        }
        if folder.is_dir() { Ok(folder) } else { Err(SecretError::NotFound) }
    }

    fn values(
        &self,
        folder: &Path,
        from: &Path,
        swapped: bool,
    ) -> Result<BTreeMap<String, SecretBytes>, SecretError> {
        let root = self.root.canonicalize().map_err(SecretError::io("find the root folder"))?;
        let reachable = reachable_by_all(&root, folder)?;
        let mut values = BTreeMap::new();
        let mut left = MAX_SECRET_BYTES;
        for name in names(from)? {
            let path = from.join(&name).canonicalize().map_err(SecretError::io("find a file"))?;
            if !path.starts_with(&root) {
                return Err(SecretError::Unsafe("a file is a link that leads out of the root"));
            }
            let Some(key) = name.into_string().ok().and_then(|name| SecretKey::try_from(name).ok()) else {
                continue;
            };
            // Looked at before it is opened: opening a pipe would wait for its writer.
            if !std::fs::metadata(&path).map_err(SecretError::io("look at a file"))?.is_file() {
                continue;
            }
            let file = File::open(&path).map_err(SecretError::io("open a file"))?;
            let metadata = file.metadata().map_err(SecretError::io("look at a file"))?;
            self.permit(&metadata, reachable, swapped)?;
            if !swapped && still_written(&metadata) {
                return Err(SecretError::Incomplete);
            }
            let value = contents(file, left)?;
            left -= value.len();
            values.insert(key.as_str().to_owned(), value);
        }
        Ok(values)
    }

    fn permit(&self, metadata: &Metadata, reachable: bool, swapped: bool) -> Result<(), SecretError> {
        let mode = metadata.permissions().mode();
        if reachable && mode & OTHERS_WRITE != 0 {
            return Err(SecretError::Unsafe("every user of this machine can write the file; chmod o-w"));
        }
        let allowed = swapped || self.world_readable == WorldReadable::Allow;
        if reachable && mode & OTHERS_READ != 0 && !allowed {
            return Err(SecretError::Unsafe(
                "every user of this machine can read the file; chmod o-r, or worldReadable: allow",
            ));
        }
        Ok(())
    }
}

/// Where `..data` leads, if there is one and it leads to a folder beside it.
fn data_link(folder: &Path) -> Option<PathBuf> {
    let link = std::fs::read_link(folder.join(DATA_LINK)).ok()?;
    // One name: the version's folder. Anything else was not made by those who use this layout.
    (link.components().count() == 1 && link.is_relative()).then_some(link)
}

/// Names of what may be keys, in order.
fn names(folder: &Path) -> Result<Vec<OsString>, SecretError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(SecretError::io("list the folder"))? {
        let name = entry.map_err(SecretError::io("list the folder"))?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(name);
        }
        if names.len() > MOST_FILES {
            return Err(SecretError::TooLarge);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether every user of the machine can enter the folder, as far as the root and what is below it say.
fn reachable_by_all(root: &Path, folder: &Path) -> Result<bool, SecretError> {
    for part in folder.ancestors().take_while(|part| part.starts_with(root)) {
        let metadata = std::fs::metadata(part).map_err(SecretError::io("look at the folder"))?;
        if metadata.permissions().mode() & OTHERS_ENTER == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn still_written(metadata: &Metadata) -> bool {
    let recent =
        metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    // A time in the future says nothing; the comparison before and after reading still holds.
    metadata.len() == 0 || recent.is_some_and(|age| age < SETTLED_AFTER)
}

fn contents(file: File, most: usize) -> Result<SecretBytes, SecretError> {
    let size = file.metadata().map_err(SecretError::io("look at a file"))?.len();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > most {
        return Err(SecretError::TooLarge);
    }
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    file.take(size as u64 + 1).read_to_end(&mut bytes).map_err(SecretError::io("read a file"))?;
    if bytes.len() > size { Err(SecretError::Incomplete) } else { Ok(bytes.into()) }
}

/// Names a version by when it was written: nothing of the contents is in it.
fn version(trace: &Trace, folder: &Path) -> Version {
    if let Some(data) = &trace.data {
        return Version::new(data.to_string_lossy().trim_start_matches('.'));
    }
    // The folder's own time moves when files come and go.
    let own = std::fs::metadata(folder).ok().map(|metadata| (metadata.mtime(), metadata.mtime_nsec()));
    let newest = trace.files.iter().map(|(_, stamp)| stamp.modified).chain(own).max().unwrap_or_default();
    let nanos = i32::try_from(newest.1).unwrap_or_default();
    jiff::Timestamp::new(newest.0, nanos)
        .map_or_else(|_| Version::new("undated"), |at| Version::new(at.to_string()))
}
