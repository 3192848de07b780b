//! Files that somebody else replaces: a mounted Secret, an agent's output, an administrator's copy.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::bundle::MAX_PEM_BYTES;
use crate::source::{Material, Source};
use crate::{Bundle, Pair, PkiError};

/// A writer that replaces files again and again while they are read is not waited for.
const ATTEMPTS: usize = 5;

/// Which files.
#[derive(Clone, Debug, Default)]
pub struct PairPaths {
    /// Certificate chain and private key.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// The authorities to trust.
    pub trust: Option<PathBuf>,
}

/// Files whose changes are noticed: by the system's notifications of their folders, where it has them (a mounted Secret's
/// `..data` link is such a change), and by being read again every so often.
#[derive(Debug)]
pub struct WatchedPair {
    paths: PairPaths,
    changed: Arc<Notify>,
    /// Dropped, it stops noticing.
    _watcher: Option<RecommendedWatcher>,
}

impl WatchedPair {
    /// Watches the folders of `paths`. A system that has no notifications is no error: then there is the reading.
    pub fn new(paths: PairPaths) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = match watch(&paths, &changed) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "files cannot be watched; they are read again every so often instead");
                None
            }
        };
        Self { paths, changed, _watcher: watcher }
    }
}

impl Source for WatchedPair {
    /// Reads until nothing changed meanwhile. A pair whose halves do not fit is read as a writer left it between writing
    /// one file and the other, so it is an error like any other: the next change or the next look finds the rest.
    fn read(&self) -> Result<Material, PkiError> {
        let PairPaths { pair, trust } = &self.paths;
        let paths: Vec<&Path> =
            pair.iter().flat_map(|(a, b)| [a, b]).chain(trust).map(PathBuf::as_path).collect();
        for _ in 0..ATTEMPTS {
            let before = stamps(&paths)?;
            let pair = match pair {
                Some((certificates, key)) => Some((read(certificates)?.to_vec(), read(key)?)),
                None => None,
            };
            let trust = trust.as_deref().map(read).transpose()?.map(|pem| pem.to_vec());
            if stamps(&paths)? == before {
                return Ok(Material { pair, trust });
            }
        }
        Err(PkiError::KeepsChanging(paths.first().map(|path| path.to_path_buf()).unwrap_or_default()))
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl PairPaths {
    /// Reads and parses the files once, naming the file that is at fault: for commands and start-up checks.
    pub fn load(&self) -> Result<(Option<Pair>, Option<Bundle>), PkiError> {
        let of = |path: &Path| {
            let path = path.to_owned();
            move |source| PkiError::File { path, source: Box::new(source) }
        };
        let pair = match &self.pair {
            Some((certificates, key)) => {
                Some(Pair::from_pem(&read(certificates)?, &read(key)?).map_err(of(certificates))?)
            }
            None => None,
        };
        let trust = match &self.trust {
            Some(path) => Some(Bundle::from_pem(&read(path)?).map_err(of(path))?),
            None => None,
        };
        Ok((pair, trust))
    }
}

fn watch(paths: &PairPaths, changed: &Arc<Notify>) -> Result<RecommendedWatcher, notify::Error> {
    let changed = Arc::clone(changed);
    let mut watcher = notify::recommended_watcher(move |event: Result<notify::Event, notify::Error>| {
        // Our own reading is an event too. An error means that events were lost.
        let reading = event.as_ref().is_ok_and(|event| {
            matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
        });
        if !reading {
            changed.notify_one();
        }
    })?;
    let files = paths.pair.iter().flat_map(|(a, b)| [a, b]).chain(&paths.trust);
    let mut folders: Vec<&Path> = files.map(|file| folder(file)).collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        // The folder, not the file: replacing a file by renaming leaves a watch on what was replaced.
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// What tells one version of a file from another: where its links lead, and what stands there.
type Stamp = (PathBuf, u64, u64, Option<SystemTime>);

fn stamps(paths: &[&Path]) -> Result<Vec<Stamp>, PkiError> {
    paths
        .iter()
        .map(|path| {
            let real = path.canonicalize()?;
            let metadata = real.metadata()?;
            Ok((real, metadata.ino(), metadata.len(), metadata.modified().ok()))
        })
        .zip(paths)
        .map(|(stamp, path): (io::Result<Stamp>, _)| stamp.map_err(PkiError::io("read", path)))
        .collect()
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let failed = |source| PkiError::io("read", path)(source);
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = MAX_PEM_BYTES as u64;
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() > MAX_PEM_BYTES { Err(failed(io::ErrorKind::FileTooLarge.into())) } else { Ok(bytes) }
}
