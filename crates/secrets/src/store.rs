//! The secrets in use: one task for each keeps its last good value fresh.

mod entry;
mod task;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

pub(crate) use entry::Entry;

use crate::{
    Location, Metrics, Need, Providers, Reason, Scope, SecretError, SecretRef, Subscription, Version,
};

/// How long a call to a provider may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long giving back leases and tokens may hold up the end of the process.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How fresh secrets are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often each is looked at.
    pub refresh_every: Duration,
    /// How old the last good value may get before [`Store::readiness`] fails.
    pub max_stale: Duration,
    /// How long [`Store::started`] waits.
    pub start_deadline: Duration,
    /// How long a call to a provider may take.
    pub resolve_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            refresh_every: Duration::from_secs(300),
            max_stale: Duration::from_secs(3600),
            start_deadline: Duration::from_secs(30),
            resolve_timeout: RESOLVE_TIMEOUT,
        }
    }
}

/// What the store is made of.
pub struct Options {
    /// Where secrets come from.
    pub providers: Providers,
    /// How fresh they are kept.
    pub settings: Settings,
    /// The time of day, for metrics.
    pub clock: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    /// A number between -1 and 1, evenly spread: moves the times of refreshes apart.
    pub chance: Arc<dyn Fn() -> f64 + Send + Sync>,
    /// Where it counts.
    pub metrics: Metrics,
}

impl Options {
    /// With the system's clock and randomness.
    pub fn new(providers: Providers, settings: Settings, metrics: Metrics) -> Self {
        Self {
            providers,
            settings,
            clock: Arc::new(jiff::Timestamp::now),
            chance: Arc::new(|| rand::random_range(-1.0..=1.0)),
            metrics,
        }
    }
}

/// Secrets by location. Clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) options: Options,
    entries: Mutex<HashMap<Location, Watched>>,
    upkeep: Mutex<Vec<JoinHandle<()>>>,
    closing: watch::Sender<bool>,
}

struct Watched {
    entry: Arc<Entry>,
    task: JoinHandle<()>,
}

impl Store {
    /// A store without secrets yet. Must be called on a tokio runtime.
    pub fn new(options: Options) -> Self {
        let keep = |provider: &Arc<dyn crate::Provider>| {
            let provider = Arc::clone(provider);
            tokio::spawn(async move { provider.keep().await })
        };
        let upkeep = options.providers.all().map(keep).collect();
        Self(Arc::new(Inner {
            options,
            entries: Mutex::default(),
            upkeep: Mutex::new(upkeep),
            closing: watch::Sender::new(false),
        }))
    }

    /// Starts to keep the secret that `reference` names, if nobody else has it watched already. `consumer` is the name of
    /// its user in the status. The secret is let go when the last subscription to it is dropped.
    ///
    /// # Errors
    /// There is no such provider, or `scope` may not ask it for this.
    pub fn watch(
        &self,
        scope: &Scope,
        reference: &SecretRef,
        need: Need,
        consumer: &str,
    ) -> Result<Subscription, SecretError> {
        let location = reference.location();
        let provider = self.0.options.providers.of(scope, &location)?;
        let mut entries = self.0.entries();
        let fresh = match entries.get(&location) {
            Some(watched) if !watched.task.is_finished() => None,
            _ => Some(Arc::new(Entry::new(location.clone()))),
        };
        // Subscribed before the task starts: it ends when nobody is.
        let entry = match &fresh {
            Some(entry) => Arc::clone(entry),
            None => Arc::clone(&entries[&location].entry),
        };
        let subscription =
            Subscription::new(entry, reference.clone(), need, consumer, self.0.options.metrics.clone());
        if let Some(entry) = fresh {
            let work = task::Task {
                inner: Arc::clone(&self.0),
                entry: Arc::clone(&entry),
                provider: Arc::clone(&provider.provider),
                permits: Arc::clone(&provider.permits),
            };
            let task = tokio::spawn(work.run());
            entries.insert(location, Watched { entry, task });
        }
        Ok(subscription)
    }

    /// Waits until every required secret has been read once.
    ///
    /// # Errors
    /// The deadline for the start passed; names what is missing and why.
    pub async fn started(&self) -> Result<(), NotReady> {
        let required: Vec<Arc<Entry>> = self.0.required();
        let all = async {
            for entry in &required {
                entry.resolved().await;
            }
        };
        match timeout(self.0.options.settings.start_deadline, all).await {
            Ok(()) => Ok(()),
            Err(_) => self.readiness(),
        }
    }

    /// Whether every required secret is there, not older than its limit, and not past its end.
    ///
    /// # Errors
    /// Names what is not, and why.
    pub fn readiness(&self) -> Result<(), NotReady> {
        let now = Instant::now();
        let max_stale = self.0.options.settings.max_stale;
        let failing: Vec<_> = self
            .0
            .required()
            .iter()
            .map(|entry| entry.status(now, max_stale))
            .filter(|status| status.stale)
            .map(|status| (status.secret, status.last_failure))
            .collect();
        if failing.is_empty() { Ok(()) } else { Err(NotReady(failing)) }
    }

    /// What there is to say of each secret, in order; nothing of the values.
    pub fn status(&self) -> Vec<SecretStatus> {
        let (now, max_stale) = (Instant::now(), self.0.options.settings.max_stale);
        let mut status: Vec<SecretStatus> =
            self.0.entries().values().map(|watched| watched.entry.status(now, max_stale)).collect();
        status.sort_by(|one, other| one.secret.cmp(&other.secret));
        status
    }

    /// Looks at every secret now. Failed ones don't wait for their next attempt.
    pub fn refresh_now(&self) {
        for watched in self.0.entries().values() {
            watched.entry.refresh.notify_one();
        }
    }

    /// Ends all tasks and gives back leases and tokens, within a few seconds. Subscriptions keep their last value.
    pub async fn close(&self) {
        self.0.closing.send_replace(true);
        let tasks: Vec<_> = self.0.entries().drain().map(|(_, watched)| watched.task).collect();
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "the task of a secret failed");
            }
        }
        let upkeep = std::mem::take(&mut *self.0.upkeep.lock().unwrap_or_else(PoisonError::into_inner));
        for task in upkeep {
            task.abort();
        }
        let closing = self.0.options.providers.all().map(|provider| provider.close());
        if timeout(CLOSE_TIMEOUT, futures::future::join_all(closing)).await.is_err() {
            tracing::warn!("leases were not given back in time; they end by themselves");
        }
    }
}

impl Inner {
    fn entries(&self) -> MutexGuard<'_, HashMap<Location, Watched>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn required(&self) -> Vec<Arc<Entry>> {
        let entries = self.entries();
        entries
            .values()
            .map(|watched| Arc::clone(&watched.entry))
            .filter(|entry| entry.is_required())
            .collect()
    }

    /// Resolves when the store closes.
    pub(crate) async fn closed(&self) {
        // The sender is in `self`: it can't be gone.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Lets go of an entry that nobody is subscribed to; false if somebody came meanwhile.
    pub(crate) fn release(&self, entry: &Arc<Entry>) -> bool {
        let mut entries = self.entries();
        if entry.is_watched() {
            return false;
        }
        if entries.get(&entry.location).is_some_and(|watched| Arc::ptr_eq(&watched.entry, entry)) {
            entries.remove(&entry.location);
            self.options.metrics.forget(&entry.location);
        }
        true
    }
}

/// What there is to say of a secret: names, times and versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecretStatus {
    /// Provider and path.
    pub secret: String,
    /// The version that was read last.
    pub version: Option<Version>,
    /// Seconds since it was last read.
    pub age_seconds: Option<u64>,
    /// Not there, older than the limit, or past its end.
    pub stale: bool,
    /// Whether somebody can't do without it.
    pub required: bool,
    /// Failures since it was last read.
    pub failures: u32,
    /// What the last failure was, if it has not been read since.
    pub last_failure: Option<Reason>,
    /// Who uses it.
    pub consumers: Vec<ConsumerStatus>,
}

/// What a user of a secret did with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConsumerStatus {
    /// Its name.
    pub name: String,
    /// The version that it uses.
    pub applied: Option<Version>,
    /// Why it didn't take a newer one.
    pub refused: Option<&'static str>,
}

/// Required secrets that are not there, or too old.
#[derive(Clone, Debug, PartialEq)]
pub struct NotReady(pub Vec<(String, Option<Reason>)>);

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("secrets are missing or too old: ")?;
        for (position, (secret, reason)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{secret} ({})", reason.map_or("no answer yet", Reason::as_str))?;
        }
        Ok(())
    }
}

impl std::error::Error for NotReady {}
