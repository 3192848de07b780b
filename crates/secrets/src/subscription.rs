//! A secret's user: sees each version, checks it, and says which one it uses.

use std::sync::Arc;

use tokio::sync::watch;

use crate::store::Entry;
use crate::{Metrics, SecretBytes, SecretError, SecretRef, Snapshot, Version};

/// What the absence of a secret means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The process isn't ready without it.
    Required,
    /// The process can do without it.
    Optional,
}

/// Why a version is not taken. A constant text, so that nothing of a value can be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub &'static str);

/// A secret in use. Dropping it lets the secret go.
pub struct Subscription {
    entry: Arc<Entry>,
    reference: SecretRef,
    number: u64,
    versions: watch::Receiver<Option<Arc<Snapshot>>>,
    metrics: Metrics,
}

impl Subscription {
    pub(crate) fn new(
        entry: Arc<Entry>,
        reference: SecretRef,
        need: Need,
        consumer: &str,
        metrics: Metrics,
    ) -> Self {
        let (number, versions) = entry.subscribe(consumer, need);
        Self { entry, reference, number, versions, metrics }
    }

    /// The last good version with all its keys; `None` until the first.
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.versions.borrow().clone()
    }

    /// The value that the reference names, in the last good version; `None` until the first.
    ///
    /// # Errors
    /// The secret is there but has no such key.
    pub fn value(&self) -> Result<Option<SecretBytes>, SecretError> {
        let Some(snapshot) = self.latest() else { return Ok(None) };
        let key = self.reference.key.as_str();
        snapshot.get(key).cloned().map(Some).ok_or_else(|| SecretError::MissingKey {
            location: self.reference.location(),
            key: key.to_owned(),
        })
    }

    /// Returns when there is a version that [`Subscription::apply`] hasn't seen.
    pub async fn changed(&mut self) {
        if self.versions.changed().await.is_err() {
            // The sender is in `self.entry`; without it there would be no change to come.
            std::future::pending::<()>().await;
        }
    }

    /// Offers the last good version to `take`, which checks it first and only then uses it. What it took is reported as
    /// applied; what it refused is counted and logged, and whatever it used before stays in use. `None` if there is no
    /// version yet.
    pub fn apply(
        &mut self,
        take: impl FnOnce(&Snapshot) -> Result<(), Refused>,
    ) -> Option<Result<Version, Refused>> {
        let snapshot = self.versions.borrow_and_update().clone()?;
        let outcome = take(&snapshot).map(|()| snapshot.version().clone());
        self.metrics.apply(outcome.is_ok());
        self.entry.report(self.number, outcome.clone());
        let (secret, version) = (&self.entry.location, snapshot.version());
        match &outcome {
            Ok(_) => tracing::info!(%secret, %version, "secret applied"),
            Err(why) => {
                tracing::error!(%secret, %version, %why, "a new version of a secret is unusable; the old one stays");
            }
        }
        Some(outcome)
    }

    /// Applies each version as it comes; ends only by being dropped.
    pub async fn keep_applied(mut self, mut take: impl FnMut(&Snapshot) -> Result<(), Refused>) {
        loop {
            self.changed().await;
            self.apply(&mut take);
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.entry.unsubscribe(self.number);
    }
}
