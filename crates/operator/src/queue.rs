//! Keys that wait for a worker. A key waits once however often it is added, and never runs twice at the same time.
//!
//! First come, first served: a key that comes again while it runs goes to the end. A key has one timer, the earliest that
//! was asked for; a pass that begins makes it void, as it decides anew when to look again.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics::{QueueMetrics, Work};

/// How long a key waits after its first failure; doubled with each that follows. Conflicts are the most frequent one,
/// and gone as soon as the watch has caught up.
const FIRST_RETRY: Duration = Duration::from_millis(20);
/// The longest that a key waits after failures: what was repaired shall go on within a minute.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Keys that wait. Clones are the same queue.
#[derive(Debug)]
pub struct Queue<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

#[derive(Debug)]
struct Inner<K> {
    state: Mutex<State<K>>,
    wake: Notify,
    metrics: QueueMetrics,
}

#[derive(Debug)]
struct State<K> {
    ready: VecDeque<K>,
    /// Those in `ready`, and since when.
    waiting: HashMap<K, Instant>,
    running: HashMap<K, Work>,
    /// Those that came while they ran.
    again: HashSet<K>,
    timers: BTreeSet<(Instant, K)>,
    timer_of: HashMap<K, Instant>,
    failures: HashMap<K, u32>,
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// An empty queue.
    pub fn new(metrics: QueueMetrics) -> Self {
        let state = State {
            ready: VecDeque::new(),
            waiting: HashMap::new(),
            running: HashMap::new(),
            again: HashSet::new(),
            timers: BTreeSet::new(),
            timer_of: HashMap::new(),
            failures: HashMap::new(),
        };
        Self { inner: Arc::new(Inner { state: Mutex::new(state), wake: Notify::new(), metrics }) }
    }

    /// Asks for a pass, as soon as a worker is free.
    pub fn add(&self, key: &K) {
        let mut state = self.lock();
        self.inner.metrics.added();
        state.add(key.clone());
        self.changed(state);
    }

    /// Asks for a pass in a while, if none comes before.
    pub fn add_after(&self, key: &K, after: Duration) {
        let mut state = self.lock();
        state.time(key.clone(), Instant::now() + after);
        self.changed(state);
    }

    /// Asks for a pass after a failed one, later with each failure.
    pub(crate) fn retry(&self, key: &K) -> Duration {
        let mut state = self.lock();
        let failures = state.failures.entry(key.clone()).or_default();
        let after = FIRST_RETRY.saturating_mul(1 << (*failures).min(16)).min(LAST_RETRY);
        *failures += 1;
        self.inner.metrics.retried();
        state.time(key.clone(), Instant::now() + after);
        self.changed(state);
        after
    }

    /// Forgets that it failed.
    pub(crate) fn succeeded(&self, key: &K) {
        self.lock().failures.remove(key);
    }

    /// How often it failed since it succeeded.
    pub fn failures(&self, key: &K) -> u32 {
        self.lock().failures.get(key).copied().unwrap_or_default()
    }

    /// The next key, which runs from now until [`Queue::done`].
    pub(crate) async fn next(&self) -> K {
        loop {
            let wake = self.inner.wake.notified();
            let timer = {
                let mut state = self.lock();
                state.due(Instant::now(), &self.inner.metrics);
                let next = state.next(&self.inner.metrics);
                let timer = state.timers.first().map(|(at, _)| *at);
                let more = !state.ready.is_empty();
                self.changed_without_waking(state);
                if let Some(key) = next {
                    if more {
                        self.inner.wake.notify_one();
                    }
                    return key;
                }
                timer
            };
            match timer {
                Some(at) => drop(tokio::time::timeout_at(at, wake).await),
                None => wake.await,
            }
        }
    }

    /// The pass is over; the key may run again.
    pub(crate) fn done(&self, key: &K) {
        let mut state = self.lock();
        drop(state.running.remove(key));
        if state.again.remove(key) {
            state.add(key.clone());
        }
        self.changed(state);
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, state: MutexGuard<'_, State<K>>) {
        self.changed_without_waking(state);
        self.inner.wake.notify_one();
    }

    fn changed_without_waking(&self, state: MutexGuard<'_, State<K>>) {
        self.inner.metrics.depth(state.ready.len());
    }
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    fn add(&mut self, key: K) {
        if self.running.contains_key(&key) {
            self.again.insert(key);
        } else if !self.waiting.contains_key(&key) {
            self.waiting.insert(key.clone(), Instant::now());
            self.ready.push_back(key);
        }
    }

    /// One timer per key: the earlier one stays.
    fn time(&mut self, key: K, at: Instant) {
        match self.timer_of.get(&key) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                self.timers.remove(&(*later, key.clone()));
            }
            None => {}
        }
        self.timer_of.insert(key.clone(), at);
        self.timers.insert((at, key));
    }

    fn due(&mut self, now: Instant, metrics: &QueueMetrics) {
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.timers.pop_first() else { return };
            self.timer_of.remove(&key);
            metrics.added();
            self.add(key);
        }
    }

    fn next(&mut self, metrics: &QueueMetrics) -> Option<K> {
        let key = self.ready.pop_front()?;
        if let Some(since) = self.waiting.remove(&key) {
            metrics.waited(since.elapsed());
        }
        if let Some(at) = self.timer_of.remove(&key) {
            self.timers.remove(&(at, key.clone()));
        }
        self.running.insert(key.clone(), metrics.begins());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn queue() -> Queue<&'static str> {
        Queue::new(QueueMetrics::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_and_runs_once_at_a_time() {
        let queue = queue();
        queue.add(&"a");
        queue.add(&"a");
        queue.add(&"b");
        assert_eq!(queue.next().await, "a");
        queue.add(&"a");
        queue.add(&"a");
        assert_eq!(queue.next().await, "b");
        assert!(queue.next().now_or_never().is_none(), "it runs");
        queue.done(&"b");
        queue.done(&"a");
        assert_eq!(queue.next().await, "a", "what came while it ran is not lost");
        queue.done(&"a");
        assert!(queue.next().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_comes_again_and_again_leaves_room_for_others() {
        let queue = queue();
        queue.add(&"busy");
        queue.add(&"quiet");
        assert_eq!(queue.next().await, "busy");
        queue.add(&"busy");
        queue.done(&"busy");
        assert_eq!(queue.next().await, "quiet");
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_timer_of_a_key_counts_and_a_pass_makes_it_void() {
        let queue = queue();
        let start = Instant::now();
        queue.add_after(&"a", Duration::from_secs(3600));
        queue.add_after(&"a", Duration::from_secs(10));
        queue.add_after(&"a", Duration::from_secs(60));
        assert_eq!(queue.next().await, "a");
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        queue.add_after(&"a", Duration::from_secs(30));
        queue.done(&"a");
        queue.add(&"a");
        assert_eq!(queue.next().await, "a");
        queue.done(&"a");
        assert!(tokio::time::timeout(Duration::from_secs(7200), queue.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn retries_come_later_each_time_up_to_a_minute_until_it_succeeds() {
        let queue = queue();
        let after: Vec<u128> = (0..14).map(|_| queue.retry(&"a").as_millis()).collect();
        assert_eq!(after[..4], [20, 40, 80, 160]);
        assert_eq!(after[13], 60_000);
        assert_eq!(queue.failures(&"a"), 14);
        queue.succeeded(&"a");
        assert_eq!(queue.retry(&"a"), FIRST_RETRY);
        let start = Instant::now();
        queue.next().await;
        assert_eq!(start.elapsed(), FIRST_RETRY);
    }

    #[tokio::test(start_paused = true)]
    async fn every_waiting_worker_is_woken() {
        let queue = queue();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        for key in ["a", "b", "c"] {
            queue.add(&key);
        }
        let mut got = Vec::new();
        for worker in workers {
            got.push(worker.await.unwrap());
        }
        got.sort_unstable();
        assert_eq!(got, ["a", "b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_keys_that_are_through() {
        let queue = queue();
        for _ in 0..3 {
            queue.add(&"a");
            queue.add_after(&"a", Duration::from_secs(1));
            queue.next().await;
            queue.retry(&"a");
            queue.done(&"a");
            queue.next().await;
            queue.succeeded(&"a");
            queue.done(&"a");
        }
        let state = queue.lock();
        assert!(state.waiting.is_empty() && state.running.is_empty() && state.again.is_empty());
        assert!(state.timers.is_empty() && state.timer_of.is_empty() && state.failures.is_empty());
    }
}
