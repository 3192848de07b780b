//! What a provider is to the store.

use async_trait::async_trait;

use crate::{Location, SecretError, Snapshot};

/// A place that secrets come from.
///
/// The store calls [`Provider::resolve`] for one location at a time, and for a bounded number of locations at once.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The secret as it is now. Dropping the future must leave nothing undone that matters: the store gives up after its deadline.
    async fn resolve(&self, location: &Location) -> Result<Snapshot, SecretError>;

    /// Returns when there is reason to believe that the last call of `resolve` for this location, however it ended, would
    /// end otherwise now. Providers that are not told of changes never return; the store asks them by time.
    async fn changed(&self, location: &Location) {
        let _ = location;
        std::future::pending::<()>().await;
    }

    /// Nobody asks for this location any more.
    async fn forget(&self, location: &Location) {
        let _ = location;
    }

    /// Runs beside all calls for as long as the store lives: renews what the provider itself lives on.
    async fn keep(&self) {
        std::future::pending::<()>().await;
    }

    /// Gives back what was borrowed. Called once, after the last call.
    async fn close(&self) {}
}
