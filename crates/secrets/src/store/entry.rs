//! One secret as the store, its task and its subscribers see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::{ConsumerStatus, Location, Need, Reason, Refused, SecretStatus, Snapshot, Version};

pub(crate) struct Entry {
    pub(crate) location: Location,
    pub(crate) refresh: Notify,
    latest: watch::Sender<Option<Arc<Snapshot>>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_success: Option<Instant>,
    failures: u32,
    last_failure: Option<Reason>,
    consumers: BTreeMap<u64, Consumer>,
    next_consumer: u64,
}

struct Consumer {
    name: String,
    need: Need,
    applied: Option<Version>,
    refused: Option<Refused>,
}

impl Entry {
    pub(crate) fn new(location: Location) -> Self {
        Self { location, refresh: Notify::new(), latest: watch::Sender::new(None), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a new consumer, and where it sees each version.
    pub(crate) fn subscribe(&self, name: &str, need: Need) -> (u64, watch::Receiver<Option<Arc<Snapshot>>>) {
        let mut state = self.state();
        let number = state.next_consumer;
        state.next_consumer += 1;
        let consumer = Consumer { name: name.to_owned(), need, applied: None, refused: None };
        state.consumers.insert(number, consumer);
        let mut versions = self.latest.subscribe();
        if versions.borrow().is_some() {
            // New to this consumer.
            versions.mark_changed();
        }
        (number, versions)
    }

    pub(crate) fn unsubscribe(&self, number: u64) {
        self.state().consumers.remove(&number);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.latest.receiver_count() > 0
    }

    /// Resolves when nobody is subscribed.
    pub(crate) async fn abandoned(&self) {
        self.latest.closed().await;
    }

    pub(crate) fn is_required(&self) -> bool {
        self.state().consumers.values().any(|consumer| consumer.need == Need::Required)
    }

    /// Resolves when there is a value.
    pub(crate) async fn resolved(&self) {
        let mut receiver = self.latest.subscribe();
        // The sender is in `self`: it can't be gone.
        let _ = receiver.wait_for(Option::is_some).await;
    }

    pub(crate) fn latest(&self) -> Option<Arc<Snapshot>> {
        self.latest.borrow().clone()
    }

    /// Takes what the provider gave; true if it is another than before.
    pub(crate) fn succeed(&self, snapshot: Snapshot) -> bool {
        {
            let mut state = self.state();
            state.last_success = Some(Instant::now());
            state.failures = 0;
            state.last_failure = None;
        }
        let new = Arc::new(snapshot);
        let mut changed = false;
        self.latest.send_if_modified(|latest| {
            changed = latest.as_ref().is_none_or(|old| old.differs(&new));
            // A renewed lease has the same values and a later end: kept, but nobody is woken for it.
            *latest = Some(new);
            changed
        });
        changed
    }

    /// Counts a failure; how many there were since the last success.
    pub(crate) fn fail(&self, reason: Reason) -> u32 {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        state.last_failure = Some(reason);
        state.failures
    }

    pub(crate) fn report(&self, number: u64, outcome: Result<Version, Refused>) {
        let mut state = self.state();
        let Some(consumer) = state.consumers.get_mut(&number) else { return };
        match outcome {
            Ok(version) => {
                consumer.applied = Some(version);
                consumer.refused = None;
            }
            Err(refused) => consumer.refused = Some(refused),
        }
    }

    pub(crate) fn status(&self, now: Instant, max_stale: Duration) -> SecretStatus {
        let latest = self.latest();
        let ended = latest.as_ref().and_then(|latest| latest.expires_at).is_some_and(|end| end <= now);
        let state = self.state();
        let age = state.last_success.map(|at| now.saturating_duration_since(at));
        SecretStatus {
            secret: self.location.to_string(),
            version: latest.map(|latest| latest.version().clone()),
            age_seconds: age.map(|age| age.as_secs()),
            stale: ended || age.is_none_or(|age| age > max_stale),
            required: state.consumers.values().any(|consumer| consumer.need == Need::Required),
            failures: state.failures,
            last_failure: state.last_failure,
            consumers: state
                .consumers
                .values()
                .map(|consumer| ConsumerStatus {
                    name: consumer.name.clone(),
                    applied: consumer.applied.clone(),
                    refused: consumer.refused.map(|refused| refused.0),
                })
                .collect(),
        }
    }
}
