//! What every part of the store works on, and the one way to change what is visible.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use parapet_fs::Fs;
use parapet_signal::{Signal, UnixNanos};
use tokio::sync::watch;
use ulid::Ulid;

use crate::config::Config;
use crate::error::StoreError;
use crate::manifest::{Change, Manifest};
use crate::metrics::Metrics;
use crate::rollup::DeltaCache;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::time::Clock;

/// The data folder without its WAL.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) visible: [watch::Sender<u64>; 4],
    manifest: Manifest,
    state: Mutex<State>,
    cache: Arc<DeltaCache>,
    failed: OnceLock<String>,
}

impl Core {
    pub(crate) fn new(options: crate::Options, manifest: Manifest, state: State, metrics: Metrics) -> Self {
        let crate::Options { fs, dir, config, clock } = options;
        let visible = Signal::ALL.map(|_| watch::Sender::new(0));
        Self {
            fs,
            dir,
            config,
            clock,
            metrics,
            visible,
            manifest,
            state: Mutex::new(state),
            cache: Arc::default(),
            failed: OnceLock::new(),
        }
    }

    /// The visible state. Held for moments only: never over I/O.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }

    /// Commits a change to the manifest, then shows it. Durable when this returns. After an error it is open what is on
    /// disk, so the store fails: nothing more is published until a restart has read the manifest again.
    pub(crate) fn publish(&self, change: &Change, show: impl FnOnce(&mut State)) -> Result<(), StoreError> {
        if let Some(reason) = self.failed() {
            return Err(StoreError::Failed(reason.to_owned()));
        }
        if let Err(error) = self.manifest.commit(change) {
            self.fail(&error.chain());
            return Err(error);
        }
        show(&mut self.state());
        Ok(())
    }

    /// Everything visible now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state().snapshot(|state, version| {
            Snapshot::new(state, version, Arc::clone(&self.fs), Arc::clone(&self.cache))
        })
    }

    /// Takes nothing more until a restart.
    pub(crate) fn fail(&self, reason: &str) {
        if self.failed.set(reason.to_owned()).is_ok() {
            tracing::error!(reason, "store failed, restart it");
        }
    }

    /// Why the store takes nothing more, if it does not.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    pub(crate) fn now(&self) -> UnixNanos {
        self.clock.now()
    }

    /// A name for a new file.
    pub(crate) fn new_id(&self) -> Ulid {
        let millis = u64::try_from(self.now().0 / 1_000_000).unwrap_or(0);
        Ulid::from_parts(millis, Ulid::new().random())
    }
}
