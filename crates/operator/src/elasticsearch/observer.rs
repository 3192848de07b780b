//! The task that looks at one cluster.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parapet_api::Health;
use parapet_orchestrate::{Observed, Plan, State};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::metrics::ElasticsearchMetrics;
use super::patience::Pause;
use super::read::look;
use super::{Client, ClientError, Patience, Snapshot};
use crate::ApplicationKey;
use crate::cluster::Listener;

/// How often a cluster is looked at while a pass waits for nodes, shards or records, if that is more often than else.
const CLOSELY: Duration = Duration::from_secs(2);
/// A call of a look may take as long as the interval, but no less than this: whoever wants to be told soon doesn't take a node that
/// collects garbage for one that is gone.
const PATIENCE: Duration = Duration::from_secs(2);
/// A cluster that doesn't answer is looked at less often, up to this many intervals. A pod of it that becomes ready is seen
/// by the watch, and ends the pause.
const LONGEST_PAUSE: u32 = 6;

/// How often a cluster is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The interval (`elasticsearch-observation-interval`, or the annotation). `None`: only when a pass asks.
    pub interval: Option<Duration>,
}

/// What is known of one cluster, and the task that finds it out. Clones are the same.
#[derive(Clone, Debug)]
pub struct Observer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    key: ApplicationKey,
    metrics: ElasticsearchMetrics,
    last: watch::Sender<Arc<Snapshot>>,
    wish: Mutex<Wish>,
    wake: Notify,
}

/// What the task is to do.
#[derive(Debug)]
struct Wish {
    clients: Vec<Client>,
    pace: Pace,
    closely: bool,
    /// When the cluster was last changed by us: what was seen before says nothing.
    acted: Instant,
    /// When the last look began that saw nodes, shards and records.
    looked_closely: Option<Instant>,
    voting_exclusions: Option<bool>,
    /// Whether somebody waits for the first look, whatever it sees.
    first: bool,
    pause: Pause,
}

impl Observer {
    pub(super) fn new(key: ApplicationKey, pace: Pace, metrics: ElasticsearchMetrics) -> Self {
        let now = Instant::now();
        // The first look is a close one: an earlier operator may have left something half done.
        let wish = Wish {
            clients: Vec::new(),
            pace,
            closely: true,
            acted: now,
            looked_closely: None,
            voting_exclusions: None,
            first: false,
            pause: Pause::default(),
        };
        let last = watch::Sender::new(Arc::new(Snapshot::nothing(now)));
        let inner = Inner { key, metrics, last, wish: Mutex::new(wish), wake: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn follow(&self, clients: Vec<Client>, pace: Pace) {
        let mut wish = self.inner.wish();
        wish.clients = clients;
        wish.pace = pace;
        drop(wish);
        self.inner.wake.notify_one();
    }

    /// What was last seen.
    pub fn last(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.last.borrow())
    }

    /// Nodes, shards and records as last seen. All is unknown if that was before the cluster was last changed
    /// ([`Observer::acted`]), or if nobody asked for it ([`Observer::watch_closely`]).
    pub fn details(&self) -> Observed {
        let last = self.last();
        let wish = self.inner.wish();
        match last.details.as_deref().filter(|_| last.begun >= wish.acted) {
            Some(details) => Observed { voting_exclusions: wish.voting_exclusions, ..details.clone() },
            None => Observed::default(),
        }
    }

    /// A client of the best endpoint; `None` as long as no pod runs.
    pub fn client(&self) -> Option<Client> {
        self.inner.wish().clients.first().cloned()
    }

    /// How long passes don't call the cluster, and which call it didn't answer: it let an earlier one wait in vain.
    pub fn is_let_be(&self) -> Option<(Duration, String)> {
        self.inner.wish().pause.left().map(|(left, why)| (left, why.to_owned()))
    }

    /// A pass ends that had this patience. If it waited in vain, no other one calls the cluster for a while.
    pub fn let_be(&self, patience: &Patience) {
        self.inner.wish().pause.after(patience);
    }

    /// Whether nodes, shards and records are to be looked at too, and more often. Whoever waits for them is told when they
    /// change. Where the cluster is looked at only when a pass asks, this asks.
    pub fn watch_closely(&self, closely: bool) {
        let mut wish = self.inner.wish();
        let begins = closely && (!wish.closely || wish.pace.interval.is_none());
        wish.closely = closely;
        drop(wish);
        if begins {
            self.inner.wake.notify_one();
        }
    }

    /// Looks closely as long as a plan isn't empty, or a pod isn't where it shall be; else the health is enough.
    pub fn attend(&self, state: &State, plan: &Plan) {
        let all_healthy = state.pods.iter().all(|pod| state.healthy(pod));
        self.watch_closely(!(plan.is_empty() && state.observed.reachable() && all_healthy));
    }

    /// The cluster, or its pods, were changed: what was seen before is void, and it is looked at at once.
    pub fn acted(&self) {
        let mut wish = self.inner.wish();
        wish.acted = Instant::now();
        wish.closely = true;
        drop(wish);
        self.inner.wake.notify_one();
    }

    /// Whether nobody has seen nodes, shards and records since the last change. A look at the health alone, or one that was cut
    /// off after it, says nothing of them.
    pub fn is_void(&self) -> bool {
        let wish = self.inner.wish();
        wish.looked_closely.is_none_or(|looked| looked < wish.acted)
    }

    /// The first look, if it isn't over yet, is told of whatever it sees, also that nobody answers.
    pub fn await_first_look(&self) {
        self.inner.wish().first = true;
    }

    /// Voting exclusions were added (`true`) or cleared.
    pub fn set_voting_exclusions(&self, some: bool) {
        self.inner.wish().voting_exclusions = Some(some);
    }

    /// Returns with what the next look sees.
    pub async fn next(&self) -> Arc<Snapshot> {
        let mut last = self.inner.last.subscribe();
        // The sender is kept by `self`.
        let _ = last.changed().await;
        let next = last.borrow();
        Arc::clone(&next)
    }

    pub(super) fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner)
    }
}

impl Inner {
    fn wish(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the cluster until the task is ended. `jitter` is taken at random from 0 to 1, once: it spreads the looks at
    /// many clusters over the interval.
    pub(super) async fn run(self: Arc<Self>, changed: Listener, jitter: f64) {
        let mut failures = 0u32;
        let mut first = true;
        loop {
            let (client, other, pace, closely) = {
                let wish = self.wish();
                // The best endpoint; after a failure the next one.
                let at = failures as usize % wish.clients.len().max(1);
                let within = |client: &Client| {
                    wish.pace
                        .interval
                        .map_or(client.clone(), |interval| client.within(interval.max(PATIENCE)))
                };
                let client = wish.clients.get(at).map(within);
                (client, second(&wish.clients, at).map(within), wish.pace, wish.closely)
            };
            let before = Arc::clone(&self.last.borrow());
            let seen = match (&client, other.filter(|_| before.failure.is_none())) {
                (Some(client), Some(other)) => {
                    let seen = look(client, &before, closely).await;
                    if seen.failure.is_none() {
                        seen
                    } else {
                        better(seen, look(&other, &before, closely).await)
                    }
                }
                (Some(client), None) => look(client, &before, closely).await,
                (None, _) => unreachable_yet(&before),
            };
            failures = if seen.failure.is_none() { 0 } else { failures.saturating_add(1) };
            let waited_for = self.publish(&before, seen);
            if waited_for {
                changed(&self.key);
            }
            let pause = pause(pace, closely, failures, client.is_none());
            let pause = pause.map(|pause| if first { pause.mul_f64(jitter) } else { pause });
            first = client.is_none() && first;
            match pause {
                Some(pause) => drop(tokio::time::timeout(pause, self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
    }

    /// Keeps what was seen; whether somebody should know.
    fn publish(&self, before: &Snapshot, seen: Snapshot) -> bool {
        let acted = {
            let mut wish = self.wish();
            if seen.details.is_some() {
                wish.looked_closely = Some(seen.begun);
            }
            wish.acted
        };
        let awaited = seen.details.is_some()
            && (before.begun < acted || before.details.is_none())
            && seen.begun >= acted;
        let differs = awaited || seen.differs(before);
        match (before.health, seen.health) {
            (Health::Unknown, Health::Unknown) => {}
            (_, Health::Unknown) => self.metrics.unreachable(1),
            (Health::Unknown, _) => self.metrics.unreachable(-1),
            _ => {}
        }
        self.log(before, &seen);
        self.last.send_replace(Arc::new(seen));
        let awaited = std::mem::take(&mut self.wish().first);
        differs || (awaited && !before.is_look())
    }

    fn log(&self, before: &Snapshot, seen: &Snapshot) {
        let (namespace, name) = (&*self.key.object.namespace, &*self.key.object.name);
        match &seen.failure {
            Some(error) if seen.failure != before.failure && before.reachable() => {
                tracing::warn!(namespace, es_name = name, %error, "elasticsearch doesn't answer any more");
            }
            Some(error) if seen.failure != before.failure => {
                tracing::info!(namespace, es_name = name, %error, "elasticsearch doesn't answer");
            }
            None if !before.reachable() => {
                tracing::info!(namespace, es_name = name, "elasticsearch answers");
            }
            _ => {}
        }
    }

    pub(super) fn reachable(&self) -> bool {
        self.last.borrow().reachable()
    }
}

/// Who is asked when one doesn't answer: a node that goes says nothing about the cluster.
fn second(clients: &[Client], at: usize) -> Option<&Client> {
    let next = (at + 1) % clients.len().max(1);
    clients.get(next).filter(|_| next != at)
}

/// What one saw, unless the other, who was asked after it, saw more.
fn better(one: Snapshot, other: Snapshot) -> Snapshot {
    if other.failure.is_none() || !one.reachable() { other } else { one }
}

/// Nobody can be asked: no pod runs.
fn unreachable_yet(before: &Snapshot) -> Snapshot {
    let known = Snapshot {
        cluster_uuid: before.cluster_uuid.clone(),
        version: before.version.clone(),
        ..Snapshot::nothing(Instant::now())
    };
    Snapshot { failure: Some(NOBODY.to_owned()), ..known }
}

const NOBODY: &str = "no pod of the cluster runs";

/// How long until the next look; `None` until somebody asks.
fn pause(pace: Pace, closely: bool, failures: u32, nobody: bool) -> Option<Duration> {
    let interval = pace.interval.filter(|_| !nobody)?;
    Some(match failures {
        0 if closely => interval.min(CLOSELY),
        0 => interval,
        _ => interval * (1 << (failures - 1).min(8)).min(LONGEST_PAUSE),
    })
}

/// A change that Elasticsearch was asked for, and what is to be remembered of it.
impl Observer {
    /// Takes masters out of the vote before they go.
    ///
    /// # Errors
    /// They must stay.
    pub async fn exclude_from_voting(&self, client: &Client, names: &[String]) -> Result<(), ClientError> {
        self.set_voting_exclusions(true);
        client.exclude_from_voting(names).await
    }

    /// Lets all masters vote again.
    ///
    /// # Errors
    /// The next pass tries again.
    pub async fn clear_voting_exclusions(&self, client: &Client) -> Result<(), ClientError> {
        client.clear_voting_exclusions().await?;
        self.set_voting_exclusions(false);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn without_an_interval_every_pass_that_waits_has_it_looked_at() {
        let key = ApplicationKey::new(parapet_api::Kind::Elasticsearch, "ns", "a");
        let observer = Observer::new(key, Pace { interval: None }, ElasticsearchMetrics::default());
        let mut looks = observer.inner.last.subscribe();
        let task = tokio::spawn(observer.inner().run(Arc::new(|_: &ApplicationKey| {}), 0.5));
        looks.changed().await.unwrap();
        for _ in 0..3 {
            observer.watch_closely(true);
            tokio::time::timeout(Duration::from_secs(3600), looks.changed()).await.unwrap().unwrap();
        }
        observer.watch_closely(false);
        assert!(tokio::time::timeout(Duration::from_secs(3600), looks.changed()).await.is_err());
        task.abort();
    }

    #[test]
    fn who_does_not_answer_is_asked_less_often_up_to_a_bound() {
        let pace = Pace { interval: Some(Duration::from_secs(10)) };
        let seconds = |failures| pause(pace, false, failures, false).unwrap().as_secs();
        assert_eq!([0, 1, 2, 3, 4, 5, 40].map(seconds), [10, 10, 20, 40, 60, 60, 60]);
        assert_eq!(pause(pace, true, 0, false), Some(CLOSELY));
        assert_eq!(pause(pace, true, 3, false), Some(Duration::from_secs(40)));
        assert_eq!(pause(pace, false, 0, true), None, "a pod that comes wakes the task");
        assert_eq!(pause(Pace { interval: None }, true, 0, false), None);
    }
}
