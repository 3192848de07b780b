//! Wakes the engine when something changes. Notifications only hurry what polling would find anyway.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Directories watched at most; others are polled. Well under the kernel's usual `max_user_watches` of 8192.
const MAX_WATCHES: usize = 4096;

pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
    signal: Arc<Signal>,
}

#[derive(Default)]
struct Signal {
    wake: Notify,
    names_changed: AtomicBool,
}

impl Watch {
    /// Without notifications (no inotify instance left, say) polling goes on alone.
    pub(super) fn new() -> Self {
        let signal = Arc::new(Signal::default());
        let on_event = signal.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event.map(|event| event.kind) {
                Ok(EventKind::Access(_)) => return,
                Ok(EventKind::Modify(notify::event::ModifyKind::Data(_))) => {}
                Ok(_) | Err(_) => on_event.names_changed.store(true, Ordering::Relaxed),
            }
            on_event.wake.notify_one();
        });
        let watcher =
            watcher.inspect_err(|error| tracing::warn!(%error, "no file notifications, polling only")).ok();
        Self { watcher, watched: HashSet::new(), signal }
    }

    /// Watches these directories and no others.
    pub(super) fn follow(&mut self, directories: &HashSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        self.watched.retain(|dir| {
            let keep = directories.contains(dir);
            if !keep {
                // A directory that is gone has no watch any more.
                let _ = watcher.unwatch(dir);
            }
            keep
        });
        for dir in directories {
            if self.watched.len() < MAX_WATCHES && !self.watched.contains(dir) && is_dir(dir) {
                match watcher.watch(dir, RecursiveMode::NonRecursive) {
                    Ok(()) => drop(self.watched.insert(dir.clone())),
                    Err(error) => tracing::debug!(dir = %dir.display(), %error, "directory not watched"),
                }
            }
        }
    }

    /// Resolves when something has changed since the last call.
    pub(super) async fn changed(&self) {
        self.signal.wake.notified().await;
    }

    /// Whether names came or went since the last call.
    pub(super) fn take_names_changed(&self) -> bool {
        self.signal.names_changed.swap(false, Ordering::Relaxed)
    }
}

fn is_dir(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}
