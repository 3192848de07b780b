//! Whether requests should be sent here.

use std::sync::Arc;

use tokio::sync::watch;

/// Shared by what serves, what reports and what decides. Clones are the same readiness.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// Why not; None: ready.
    state: Arc<watch::Sender<Option<&'static str>>>,
}

impl Readiness {
    /// Not ready yet, for this reason.
    pub fn not_yet(reason: &'static str) -> Self {
        Self { state: Arc::new(watch::Sender::new(Some(reason))) }
    }

    /// Ready from now on.
    pub fn set_ready(&self) {
        self.state.send_replace(None);
    }

    /// Not ready from now on, for this reason.
    pub fn set_unready(&self, reason: &'static str) {
        self.state.send_replace(Some(reason));
    }

    /// Why not; None: ready.
    pub fn reason(&self) -> Option<&'static str> {
        *self.state.borrow()
    }

    /// Resolves when it is ready.
    pub async fn ready(&self) {
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(Option::is_none).await;
    }
}
