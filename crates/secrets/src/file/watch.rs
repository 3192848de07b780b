//! Notifications of changes to folders. They only make polling unnecessary most of the time; nothing depends on them.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

/// One system watcher for all folders of a provider: the system allows few watchers and many folders.
pub(super) struct Watch {
    watcher: Option<Mutex<RecommendedWatcher>>,
    changes: watch::Sender<u64>,
}

/// Tells of changes after it was made.
pub(super) struct Events(watch::Receiver<u64>);

impl Watch {
    pub(super) fn new() -> Self {
        let changes = watch::Sender::new(0_u64);
        let told = changes.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event.map(|event| event.kind) {
                // Our own reading.
                Ok(EventKind::Access(_)) => {}
                // An error too is a reason to look.
                Ok(_) | Err(_) => told.send_modify(|changes| *changes = changes.wrapping_add(1)),
            }
        });
        let watcher = watcher
            .inspect_err(
                |error| tracing::warn!(%error, "the system tells of no changes to files; polling alone"),
            )
            .ok();
        Self { watcher: watcher.map(Mutex::new), changes }
    }

    /// Watches `folder`, and `root` so that a folder that isn't there yet is seen to come. Repeated for each look: a folder
    /// that was removed and made again is another one to the system.
    pub(super) fn add(&self, root: &Path, folder: &Path) {
        let Some(watcher) = &self.watcher else { return };
        let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        for path in [root, folder] {
            if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
                tracing::debug!(path = %path.display(), %error, "a folder can't be watched; polling alone");
            }
        }
    }

    pub(super) fn remove(&self, folder: &Path) {
        let Some(watcher) = &self.watcher else { return };
        // It may never have been there.
        let _ = watcher.lock().unwrap_or_else(PoisonError::into_inner).unwatch(folder);
    }

    pub(super) fn events(&self) -> Events {
        Events(self.changes.subscribe())
    }
}

impl Events {
    pub(super) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
