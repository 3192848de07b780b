//! A provider that says what a test tells it to, and counts how it is asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use parapet_secrets::{Location, Provider, SecretBytes, SecretError, Snapshot, Version};
use tokio::sync::watch;
use tokio::time::Instant;

type Answer = Arc<dyn Fn() -> Result<Snapshot, SecretError> + Send + Sync>;

/// Answers by path; what has none is not found.
#[derive(Default)]
pub(crate) struct Scripted {
    answers: Mutex<HashMap<String, Answer>>,
    takes: Mutex<Duration>,
    /// When it was asked, by path.
    asked: watch::Sender<Vec<(String, Instant)>>,
    under_way: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
    pub(crate) forgotten: watch::Sender<Vec<String>>,
    pub(crate) closed: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn says(
        &self,
        path: &str,
        answer: impl Fn() -> Result<Snapshot, SecretError> + Send + Sync + 'static,
    ) {
        self.answers.lock().unwrap().insert(path.to_owned(), Arc::new(answer));
    }

    /// Key `k` has this value in this version.
    pub(crate) fn has(&self, path: &str, version: &str, value: &str) {
        let (version, value) = (version.to_owned(), value.to_owned());
        self.says(path, move || Ok(snapshot(&version, &value)));
    }

    pub(crate) fn takes(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }

    /// The times it was asked for a path, counted from the first, in seconds.
    pub(crate) fn asked(&self, path: &str) -> Vec<u64> {
        let asked = self.asked.borrow();
        let times: Vec<Instant> =
            asked.iter().filter(|(asked, _)| asked == path).map(|(_, at)| *at).collect();
        times.iter().map(|at| at.duration_since(times[0]).as_secs()).collect()
    }

    /// Returns when it was asked for a path this often.
    pub(crate) async fn asked_times(&self, path: &str, times: usize) {
        let often =
            |asked: &Vec<(String, Instant)>| asked.iter().filter(|(asked, _)| asked == path).count() >= times;
        self.asked.subscribe().wait_for(often).await.unwrap();
    }
}

pub(crate) fn snapshot(version: &str, value: &str) -> Snapshot {
    let values = BTreeMap::from([("k".to_owned(), SecretBytes::from(value.as_bytes().to_vec()))]);
    Snapshot::new(values, Version::new(version)).unwrap()
}

#[async_trait]
impl Provider for Scripted {
    async fn resolve(&self, location: &Location) -> Result<Snapshot, SecretError> {
        let path = location.path.to_string();
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        self.asked.send_modify(|asked| asked.push((path.clone(), Instant::now())));
        let takes = *self.takes.lock().unwrap();
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().get(&path).cloned();
        answer.map_or(Err(SecretError::NotFound), |answer| answer())
    }

    async fn forget(&self, location: &Location) {
        self.forgotten.send_modify(|forgotten| forgotten.push(location.to_string()));
    }

    async fn close(&self) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}
