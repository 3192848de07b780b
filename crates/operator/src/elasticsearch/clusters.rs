//! All clusters that are looked at.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use super::metrics::ElasticsearchMetrics;
use super::{Access, Client, ClientError, Dial, Endpoint, Observer, Pace, Transport};
use crate::ApplicationKey;
use crate::cluster::Listener;

/// Where a cluster is, whom to trust there, and who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// From [`super::endpoints`]: the best first; none as long as no pod runs.
    pub endpoints: Vec<Endpoint>,
    /// PEM: the authority's certificate, and the leaf's where the authority is unknown.
    pub trusted: Option<String>,
    /// Who calls.
    pub access: Access,
    /// How often it is looked at.
    pub pace: Pace,
}

/// All clusters that are looked at, one task each. They end with this.
pub struct Clusters {
    dial: Arc<dyn Dial>,
    changed: Listener,
    metrics: ElasticsearchMetrics,
    all: Mutex<HashMap<ApplicationKey, Watched>>,
}

struct Watched {
    target: Target,
    transport: Transport,
    observer: Observer,
    task: AbortHandle,
}

impl Clusters {
    /// `changed` is told when something was seen that a pass should know; it must not block.
    pub fn new(dial: Arc<dyn Dial>, changed: Listener, metrics: ElasticsearchMetrics) -> Self {
        Self { dial, changed, metrics, all: Mutex::default() }
    }

    /// Looks at a cluster from now on, or at another place than before; to be called in every pass. A changed target, such
    /// as a pod that became ready, is looked at at once. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What is to be trusted can't be read. The cluster is looked at as before.
    pub fn observe(&self, key: &ApplicationKey, target: Target) -> Result<Observer, ClientError> {
        let mut all = self.lock();
        if let Some(watched) = all.get_mut(key) {
            if watched.target == target {
                return Ok(watched.observer.clone());
            }
            if watched.target.trusted != target.trusted {
                watched.transport = Transport::new(target.trusted.as_deref(), Arc::clone(&self.dial))?;
            }
            watched.observer.follow(self.clients(&watched.transport, &target), target.pace);
            watched.target = target;
            return Ok(watched.observer.clone());
        }
        let transport = Transport::new(target.trusted.as_deref(), Arc::clone(&self.dial))?;
        let observer = Observer::new(key.clone(), target.pace, self.metrics.clone());
        observer.follow(self.clients(&transport, &target), target.pace);
        let run = observer.inner().run(Arc::clone(&self.changed), rand::random());
        let task = tokio::spawn(run).abort_handle();
        self.metrics.observed(1);
        self.metrics.unreachable(1);
        all.insert(key.clone(), Watched { target, transport, observer: observer.clone(), task });
        Ok(observer)
    }

    /// What is known of a cluster, if it is looked at.
    pub fn get(&self, key: &ApplicationKey) -> Option<Observer> {
        self.lock().get(key).map(|watched| watched.observer.clone())
    }

    /// The cluster is gone.
    pub fn forget(&self, key: &ApplicationKey) {
        let watched = self.lock().remove(key);
        if let Some(watched) = watched {
            self.end(&watched);
        }
    }

    fn end(&self, watched: &Watched) {
        watched.task.abort();
        self.metrics.observed(-1);
        self.metrics.unreachable(-i64::from(!watched.observer.inner().reachable()));
    }

    fn clients(&self, transport: &Transport, target: &Target) -> Vec<Client> {
        let client = |endpoint: &Endpoint| {
            Client::new(transport.clone(), endpoint.clone(), &target.access, self.metrics.clone())
        };
        target.endpoints.iter().map(client).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ApplicationKey, Watched>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Clusters {
    fn drop(&mut self) {
        for watched in self.lock().values() {
            self.end(watched);
        }
    }
}

impl fmt::Debug for Clusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clusters").field("clusters", &self.lock().len()).finish_non_exhaustive()
    }
}
