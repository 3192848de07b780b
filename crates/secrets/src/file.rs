//! Secrets in files: Secret volumes, CSI drivers, agents that write files. A secret is a folder below the root, a key is a
//! file in it; names that start with a dot are nobody's keys.
//!
//! Writers differ in how whole a reader finds things. Kubelet and CSI drivers put each version into a folder of its own
//! and swap the link `..data` to it: all keys are read through where the link led, and again if it moved meanwhile. Others
//! write in place or rename file by file: a folder whose files changed while they were read, changed a moment ago, or are
//! empty is "still being written", and looked at again. What a writer leaves half-done for longer than that can't be told
//! from a value; the user of the secret checks it.

mod read;
mod watch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::{FileConfig, Location, Provider, SecretError, Snapshot, WorldReadable};
use read::{Folder, Trace};
use watch::Watch;

/// How often is looked where nothing tells of changes; a look is a few calls of `stat`.
const POLL: Duration = Duration::from_secs(10);

/// How long a writer gets to finish before its work is called incomplete; several times what counts as settled.
const WRITERS_GET: Duration = Duration::from_secs(1);
/// How often is looked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Secrets below a folder.
pub struct FileProvider {
    root: PathBuf,
    poll: Duration,
    world_readable: WorldReadable,
    watch: Watch,
    /// What the last look at each secret found, be it a value or not.
    traces: Mutex<HashMap<Location, Option<Trace>>>,
}

impl FileProvider {
    /// Reads below the configured root, which need not be there yet.
    pub fn new(config: &FileConfig) -> Self {
        let FileConfig { root, poll, world_readable, tenants: _, concurrency: _ } = config;
        Self {
            root: root.clone(),
            poll: poll.map_or(POLL, |poll| poll.0),
            world_readable: *world_readable,
            watch: Watch::new(),
            traces: Mutex::default(),
        }
    }

    fn folder(&self, location: &Location) -> Folder {
        Folder {
            root: self.root.clone(),
            path: location.path.as_str().into(),
            world_readable: self.world_readable,
        }
    }

    fn remember(&self, location: &Location, trace: Option<Trace>) {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).insert(location.clone(), trace);
    }

    fn remembered(&self, location: &Location) -> Option<Trace> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).get(location).cloned().flatten()
    }
}

#[async_trait]
impl Provider for FileProvider {
    async fn resolve(&self, location: &Location) -> Result<Snapshot, SecretError> {
        if location.version.is_some() {
            return Err(SecretError::Unsupported("files have no versions to choose from"));
        }
        let folder = Arc::new(self.folder(location));
        // Watched first: what changes from now on is told.
        self.watch.add(&folder.root, &folder.root.join(&folder.path));
        let give_up = tokio::time::Instant::now() + WRITERS_GET;
        loop {
            let (trace, result) = blocking(&folder, |folder| (folder.trace().ok(), folder.read())).await?;
            if matches!(result, Err(SecretError::Incomplete)) && tokio::time::Instant::now() < give_up {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            self.remember(location, trace);
            return result;
        }
    }

    async fn changed(&self, location: &Location) {
        let folder = Arc::new(self.folder(location));
        let seen = self.remembered(location);
        let mut events = self.watch.events();
        loop {
            // Looked at before waiting: the change may have come between the last look and here.
            match blocking(&folder, |folder| folder.trace().ok()).await {
                Ok(now) if now == seen => {}
                Ok(_) | Err(_) => return,
            }
            tokio::select! {
                () = events.next() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    async fn forget(&self, location: &Location) {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).remove(location);
        self.watch.remove(&self.root.join(location.path.as_str()));
    }
}

/// Files can be slow: on network drives, or on a disk that fails.
async fn blocking<T: Send + 'static>(
    folder: &Arc<Folder>,
    work: impl FnOnce(&Folder) -> T + Send + 'static,
) -> Result<T, SecretError> {
    let folder = Arc::clone(folder);
    tokio::task::spawn_blocking(move || work(&folder))
        .await
        .map_err(|error| SecretError::Unreachable { step: "read files", source: Box::new(error) })
}
