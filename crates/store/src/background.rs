//! The thread that keeps house.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::StoreError;
use crate::store::Inner;

/// How often is looked what is due; short against every period that can be set.
const PERIOD: Duration = Duration::from_secs(1);

/// The thread, running. Dropping it ends and awaits it.
#[derive(Debug)]
pub(crate) struct Background {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts it. It holds the store weakly: it does not keep it open.
    pub(crate) fn start(inner: &Arc<Inner>) -> Result<Self, StoreError> {
        let (stop, stopped) = channel::<()>();
        let store: Weak<Inner> = Arc::downgrade(inner);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PERIOD) {
                    let Some(store) = store.upgrade() else { return };
                    store.tick();
                }
            })
            .map_err(StoreError::io("start a thread for", &inner.core.dir))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            // The thread itself may hold the last reference to the store.
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("store maintenance panicked");
        }
    }
}
