//! The store: opens a data folder, takes deliveries, shows snapshots, keeps house.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use parapet_fs::Fs;
use parapet_signal::Signal;
use parapet_wal::Wal;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::background::Background;
use crate::config::Config;
use crate::core::Core;
use crate::deliver::{InFlight, Pending};
use crate::error::StoreError;
use crate::lock::Lock;
use crate::maintenance::Maintenance;
use crate::metrics::Metrics;
use crate::recovery::{Opened, Recovery, open};
use crate::schema;
use crate::snapshot::Snapshot;
use crate::status::Status;
use crate::time::Clock;

/// What a store needs to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where files are.
    pub fs: Arc<dyn Fs>,
    /// The data folder; made if it does not exist.
    pub dir: PathBuf,
    /// Limits and periods.
    pub config: Config,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A data folder, open. Cheap to clone; the last clone that goes closes it as a crash would: acknowledged rows are in the
/// WAL and are found at the next start. [`Store::close`] leaves less to find.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    // Fields are dropped in this order: the background thread and the WAL's thread end before the folder is free.
    background: Mutex<Option<Background>>,
    pub(crate) wal: Wal<Pending>,
    pub(crate) core: Arc<Core>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) closed: AtomicBool,
    maintenance: Mutex<Maintenance>,
    _lock: Lock,
}

impl Store {
    /// Opens a data folder: takes its lock, reads the manifest, removes orphans, replays the WAL. Rows that were
    /// acknowledged are all visible when this returns.
    pub fn open(options: Options, registry: &mut Registry) -> Result<(Self, Recovery), StoreError> {
        options.config.check().map_err(StoreError::Config)?;
        let metrics = Metrics::register(registry);
        let wal_metrics = parapet_wal::Metrics::register(registry);
        let Opened { core, wal, lock, recovery } = open(options, metrics, wal_metrics)?;
        let inner = Inner {
            background: Mutex::new(None),
            wal,
            core,
            in_flight: Arc::default(),
            closed: AtomicBool::new(false),
            maintenance: Mutex::default(),
            _lock: lock,
        };
        Ok((Self { inner: Arc::new(inner) }, recovery))
    }

    /// Everything visible now.
    pub fn snapshot(&self) -> Snapshot {
        self.inner.core.snapshot()
    }

    /// The `seq` of the last visible row of a table, as it rises; 0 before the first.
    pub fn subscribe(&self, signal: Signal) -> watch::Receiver<u64> {
        self.inner.core.visible[schema::index(signal)].subscribe()
    }

    /// How the store is doing.
    pub fn status(&self) -> Status {
        Status::of(&self.inner)
    }

    /// What the store counts.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.core.metrics
    }

    /// Does what is due: flushes, rollups, compaction, retention, and releasing WAL files. A step that fails is logged,
    /// counted and tried again by the next call. Blocks; [`Store::start_background`] calls it.
    pub fn tick(&self) {
        self.inner.maintenance().tick(&self.inner);
    }

    /// Writes all rows that are in memory to segments. Durable when this returns.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.inner.maintenance().flush_all(&self.inner)
    }

    /// Starts a thread that calls [`Store::tick`] every second, until the store is closed or its last clone goes.
    pub fn start_background(&self) -> Result<(), StoreError> {
        let mut background = self.inner.background.lock().expect("no code panics while it holds this lock");
        if background.is_none() {
            *background = Some(Background::start(&self.inner)?);
        }
        Ok(())
    }

    /// Takes nothing more, finishes what is under way, and writes all rows to segments, so that the next start has
    /// nothing to replay. An error leaves them in the WAL. Snapshots stay readable.
    pub fn close(&self) -> Result<(), StoreError> {
        self.inner.closed.store(true, Ordering::Release);
        let background =
            self.inner.background.lock().expect("no code panics while it holds this lock").take();
        drop(background);
        self.inner.wal.close()?;
        self.flush()
    }
}

impl Inner {
    /// Whoever holds this is the only one that publishes.
    fn maintenance(&self) -> MutexGuard<'_, Maintenance> {
        // A panic in a step leaves files that are orphans at worst.
        self.maintenance.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// For the background thread.
    pub(crate) fn tick(&self) {
        self.maintenance().tick(self);
    }
}
