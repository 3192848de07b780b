//! Workers that take keys from a queue and run one pass for each.
//!
//! A pass never waits for Elasticsearch. One that fails is repeated, later each time; one that panics is a defect, counted
//! and repeated like a failure, and stops nothing else.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::ApplicationKey;
use crate::metrics::{ControllerMetrics, Ended};
use crate::queue::Queue;

/// What is to come after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something changes.
    Wait,
    /// Another pass in a while.
    After(Duration),
    /// Another pass soon, later each time that this is said: something is under way that nobody tells of.
    Soon,
}

impl Next {
    /// The one that comes first.
    pub fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Soon, _) | (_, Self::Soon) => Self::Soon,
            (Self::After(one), Self::After(two)) => Self::After(one.min(two)),
            (Self::After(one), Self::Wait) | (Self::Wait, Self::After(one)) => Self::After(one),
            (Self::Wait, Self::Wait) => Self::Wait,
        }
    }
}

/// A pass that failed.
#[derive(Debug)]
pub struct Failed {
    /// What is logged.
    pub error: Box<dyn std::error::Error + Send + Sync>,
    /// Whether the same pass can succeed later only if somebody changes something: it isn't logged as an error twice.
    pub expected: bool,
    /// Whether an answer came too late for it.
    pub late: bool,
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { error: error.into(), expected: false, late: false }
    }
}

/// What a controller does for each key.
pub trait Reconcile: Send + Sync + 'static {
    /// Its name, as metrics, events and logs have it.
    fn name(&self) -> &'static str;

    /// One pass. It reads what is there, writes what differs, and says when it wants to look again.
    fn pass(&self, key: &ApplicationKey) -> impl Future<Output = Result<Next, Failed>> + Send;
}

/// A controller: a queue and the workers of it.
pub struct Controller<R> {
    reconcile: Arc<R>,
    queue: Queue<ApplicationKey>,
    workers: usize,
    metrics: ControllerMetrics,
}

impl<R: Reconcile> Controller<R> {
    /// `workers`: how many passes may run at the same time (`max-concurrent-reconciles`).
    pub fn new(
        reconcile: Arc<R>,
        queue: Queue<ApplicationKey>,
        workers: usize,
        metrics: ControllerMetrics,
    ) -> Self {
        let workers = workers.max(1);
        metrics.workers(workers);
        Self { reconcile, queue, workers, metrics }
    }

    /// Works until `stop` ends; then finishes the passes that run.
    pub async fn run(self, stop: impl Future<Output = ()> + Clone + Send + 'static) {
        let mut workers = JoinSet::new();
        for _ in 0..self.workers {
            let (reconcile, queue) = (Arc::clone(&self.reconcile), self.queue.clone());
            let (metrics, stop) = (self.metrics.clone(), stop.clone());
            workers.spawn(async move {
                let mut stop = std::pin::pin!(stop);
                loop {
                    let key = tokio::select! {
                        biased;
                        () = &mut stop => return,
                        key = queue.next() => key,
                    };
                    one(&*reconcile, &queue, &metrics, &key).await;
                }
            });
        }
        while workers.join_next().await.is_some() {}
    }
}

impl<R> fmt::Debug for Controller<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("workers", &self.workers).finish_non_exhaustive()
    }
}

async fn one<R: Reconcile>(
    reconcile: &R,
    queue: &Queue<ApplicationKey>,
    metrics: &ControllerMetrics,
    key: &ApplicationKey,
) {
    let running = Running { queue, metrics, key };
    metrics.began();
    let since = Instant::now();
    let span = span_of(reconcile.name(), key, metrics.iteration());
    let ended = async {
        let ended = AssertUnwindSafe(reconcile.pass(key)).catch_unwind().await;
        settle(queue, metrics, key, ended)
    };
    let ended = ended.instrument(span.clone()).await;
    metrics.ended(ended, since.elapsed());
    drop(running);
    span.in_scope(|| tracing::debug!(result = ended.as_str(), "a pass ended"));
}

/// What becomes of the key.
fn settle(
    queue: &Queue<ApplicationKey>,
    metrics: &ControllerMetrics,
    key: &ApplicationKey,
    ended: Result<Result<Next, Failed>, Box<dyn std::any::Any + Send>>,
) -> Ended {
    match ended {
        Ok(Ok(Next::Wait)) => {
            queue.succeeded(key);
            Ended::Success
        }
        Ok(Ok(Next::After(after))) => {
            queue.succeeded(key);
            queue.add_after(key, after);
            Ended::RequeueAfter
        }
        Ok(Ok(Next::Soon)) => {
            queue.retry(key);
            Ended::Requeue
        }
        Ok(Err(Failed { error, expected, late })) => {
            if late {
                metrics.late();
            }
            let failures = queue.failures(key);
            let again = queue.retry(key);
            let error = Chain(&*error);
            if expected || failures > 0 {
                tracing::info!(%error, ?again, "a pass failed again and is repeated");
            } else {
                tracing::error!(%error, ?again, "a pass failed and is repeated");
            }
            Ended::Error
        }
        // The panic's message was printed by the hook, with its place.
        Err(_) => {
            metrics.panicked();
            let again = queue.retry(key);
            tracing::error!(?again, "a pass panicked and is repeated; this is a defect");
            Ended::Error
        }
    }
}

/// The span of a pass, with the fields that logs of the reference have.
fn span_of(controller: &'static str, key: &ApplicationKey, iteration: u64) -> tracing::Span {
    let (namespace, name) = (&*key.object.namespace, &*key.object.name);
    match key.kind {
        parapet_api::Kind::Elasticsearch => {
            tracing::info_span!("pass", log.logger = controller, iteration, namespace, es_name = name)
        }
        parapet_api::Kind::Kibana => {
            tracing::info_span!("pass", log.logger = controller, iteration, namespace, kibana_name = name)
        }
        parapet_api::Kind::ApmServer => {
            tracing::info_span!("pass", log.logger = controller, iteration, namespace, as_name = name)
        }
    }
}

/// Gives the key back, also if the pass is dropped in the middle.
struct Running<'a> {
    queue: &'a Queue<ApplicationKey>,
    metrics: &'a ControllerMetrics,
    key: &'a ApplicationKey,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.queue.done(self.key);
        self.metrics.idle();
    }
}

/// An error with its causes.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
