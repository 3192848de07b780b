//! The store: opens a data folder, takes deliveries, shows snapshots.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use parapet_fs::Fs;
use parapet_signal::{Delivery, DeliveryError, Receipt, Signal, Sink, SourceId};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use crate::config::Config;
use crate::error::StoreError;
use crate::snapshot::Snapshot;
use crate::time::Clock;

/// What a store needs to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where files are.
    pub fs: Arc<dyn Fs>,
    /// The data folder.
    pub dir: PathBuf,
    /// Limits and periods.
    pub config: Config,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What was found at the start.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Recovery {}

/// A data folder, open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    #[expect(dead_code, reason = "skeleton")]
    options: Options,
    visible: watch::Sender<u64>,
}

impl Store {
    /// Opens a data folder.
    pub fn open(options: Options, _registry: &mut Registry) -> Result<(Self, Recovery), StoreError> {
        let inner = Inner { options, visible: watch::Sender::new(0) };
        Ok((Self { inner: Arc::new(inner) }, Recovery::default()))
    }

    /// Everything visible now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::empty()
    }

    /// The `seq` of the last visible row of a table, as it rises.
    pub fn subscribe(&self, _signal: Signal) -> watch::Receiver<u64> {
        self.inner.visible.subscribe()
    }
}

impl Sink for Store {
    fn deliver(&self, _delivery: Delivery) -> BoxFuture<'_, Result<Receipt, DeliveryError>> {
        Box::pin(async { Err(DeliveryError::ShuttingDown) })
    }

    fn high_water(&self, _source: SourceId) -> Option<u64> {
        None
    }
}
