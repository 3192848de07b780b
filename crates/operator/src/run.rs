//! The operator as a process: everything is made here once, and ended in order.
//!
//! Probes, metrics and the webhook are served by every replica; passes run where the lease is held. The process ends
//! cleanly on a signal and when its configuration has changed, and at once when it loses the lease.

mod wiring;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use kube::Client;
use parapet_api::Kind;
use parapet_guard::proxy::Readiness;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;

use crate::cluster::{self, Cluster, ClusterError, ConnectError, Scope};
use crate::controller::{Controller, Reconcile};
use crate::endpoint::{EndpointError, Endpoints, Serving};
use crate::events::Recorder;
use crate::lease::{Election, Times};
use crate::metrics::{Metrics, Steps};
use crate::queue::Queue;
use crate::settings::{self, Given, NetworkPolicies, SecurityContext, Settings};
use crate::webhook::{self, WebhookError};
use crate::{ApplicationKey, usage};

pub use wiring::{passes, passes_with};

/// For passes that run when the process is to end; the pod has ten seconds for everything.
const FINISH: Duration = Duration::from_secs(5);
/// The API group that only OpenShift has.
const OPENSHIFT: &str = "security.openshift.io";

/// What the process is started with.
#[derive(Clone)]
pub struct Role {
    /// Understood from `given`.
    pub settings: Settings,
    /// What was given, to notice changes of the file.
    pub given: Given,
    /// The API server's client.
    pub client: Client,
    /// Where its calls are counted, and everything else.
    pub registry: Arc<Mutex<Registry>>,
    /// What is counted.
    pub metrics: Metrics,
    /// The machine's or pod's name.
    pub host: String,
    /// How long the lease's things take.
    pub times: Times,
}

impl Role {
    /// Connects to the API server and registers what is counted.
    pub async fn new(
        settings: Settings,
        given: Given,
        kubeconfig: Option<PathBuf>,
        host: String,
    ) -> Result<Self, ConnectError> {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let client = cluster::connect(kubeconfig.as_deref(), metrics.api.clone()).await?;
        let registry = Arc::new(Mutex::new(registry));
        Ok(Self { settings, given, client, registry, metrics, host, times: Times::default() })
    }
}

/// What passes are made of.
#[derive(Clone)]
pub struct Parts {
    /// The configuration; the security context is decided.
    pub settings: Settings,
    /// The API server, everything listed.
    pub cluster: Cluster,
    /// Events.
    pub events: Recorder,
    /// Asks for a pass: for what changes outside of the API server.
    pub enqueue: cluster::Listener,
    /// Where more is registered to be counted.
    pub registry: Arc<Mutex<Registry>>,
    /// Parts of passes that are counted for themselves.
    pub steps: Steps,
    /// Ends when the process is to end.
    pub stop: Stop,
}

/// Ends when the process is to end. Clones are the same.
pub type Stop = Shared<BoxFuture<'static, ()>>;

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Its configuration has changed; whoever started it starts it again.
    ConfigurationChanged,
    /// Another operator may work now. Nothing was finished.
    LeaseLost,
}

/// Why it couldn't run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing can be served.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The webhook can't be served.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The API server.
    #[error("can't read or write what the operator itself needs")]
    Cluster(#[from] ClusterError),
    /// The first listing took too long.
    #[error("not everything could be listed within {} (cache-startup-timeout)", humantime::format_duration(*after))]
    Listing {
        /// How long was waited.
        after: Duration,
    },
    /// A watch ended, by a defect: without it the operator would go on and see nothing of its kind.
    #[error("a watch ended, and without it nothing is seen")]
    Watch,
    /// Nobody says what the API server has.
    #[error("can't ask which API groups there are")]
    Discovery(#[source] kube::Error),
    /// The passes can't be made.
    #[error("can't prepare for passes")]
    Passes(#[source] PassesError),
}

/// Runs until `stop` ends. `passes` makes, once everything is listed and this operator leads, what is done for each kind.
pub async fn run<R: Reconcile>(
    role: Role,
    passes: impl AsyncFnOnce(Parts) -> Result<Vec<(Kind, R)>, PassesError>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<Ended, RunError> {
    for warning in &role.settings.warnings {
        tracing::warn!(%warning, "this is how it was asked for");
    }
    let end = end_of(&role, stop).boxed().shared();
    let stopped: Stop = end.clone().map(drop).boxed().shared();
    let Role { settings, client, registry, metrics, host, times, .. } = role;
    let readiness = Readiness::not_yet("not everything is listed yet");
    let serving = Serving {
        metrics: settings.metrics.clone(),
        probes: settings.probes,
        reviewer: client.clone(),
        readiness: readiness.clone(),
    };
    let text = Arc::clone(&registry);
    let endpoints =
        Endpoints::serve(serving, metrics.endpoint.clone(), move || text_of(&text), stopped.clone()).await?;

    let cluster = Cluster::new(client.clone(), cluster_options(&settings), metrics.watches.clone());
    let queues = queues(&metrics);
    let listener = listener(&queues);
    let webhook = match &settings.webhook {
        Some(wanted) => {
            let serving = wiring::webhook(wanted, &settings, &cluster, &metrics);
            Some(webhook::serve(serving, stopped.clone()).await?)
        }
        None => None,
    };
    let served = Served { endpoints, webhook };
    // Who waits for the lease watches already, so that it can take over at once.
    let mut watches = cluster.start(Arc::clone(&listener));
    let (events, writing) = Recorder::new(client.clone(), &host, metrics.events.clone());
    let mut background = JoinSet::new();
    background.spawn(writing);
    background.spawn({
        let (cluster, readiness) = (cluster.clone(), readiness.clone());
        async move {
            cluster.synced().await;
            readiness.set_ready();
            tracing::info!("everything is listed");
        }
    });

    let mut election = settings.leader_election.then(|| {
        let identity = format!("{host}_{}", usage::new_uuid());
        Election::new(client.clone(), &settings.operator_namespace, identity, times)
    });
    if let Some(election) = &mut election {
        metrics.leader.holds(false);
        tokio::select! {
            biased;
            ended = end.clone() => {
                served.finish().await;
                return Ok(ended);
            }
            () = election.acquire() => metrics.leader.holds(true),
        }
    }
    let steps = metrics.steps.clone();
    let parts =
        Parts { settings, cluster, events, enqueue: listener, registry, steps, stop: stopped.clone() };
    let work = work(parts, passes, queues, &metrics);
    let cut = async {
        stopped.clone().await;
        tokio::time::sleep(FINISH).await;
    };
    let lost = async {
        match &mut election {
            Some(election) => election.hold().await,
            None => std::future::pending().await,
        }
    };
    let worked = tokio::select! {
        biased;
        () = lost => {
            metrics.leader.holds(false);
            return Ok(Ended::LeaseLost);
        }
        worked = work => worked,
        () = watches.one_ended() => Err(RunError::Watch),
        () = cut => {
            tracing::warn!("some passes didn't finish in time; the next process begins them anew");
            Ok(())
        }
    };
    drop(watches);
    if let Some(election) = election {
        election.release().await;
    }
    worked?;
    served.finish().await;
    Ok(end.await)
}

/// What couldn't be made of the parts.
pub type PassesError = Box<dyn std::error::Error + Send + Sync>;

fn end_of(
    role: &Role,
    stop: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = Ended> + Send + 'static {
    let (given, watched) = (role.given.clone(), role.settings.watch_config);
    async move {
        let changed = async {
            match given.file.as_ref().filter(|_| watched) {
                Some((path, _)) => settings::changed(path.clone(), given.clone(), settings::LOOK_EVERY).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop => Ended::Stopped,
            () = changed => {
                tracing::info!("the configuration has changed; ending to be started again with it");
                Ended::ConfigurationChanged
            }
        }
    }
}

/// All that the leader does, until the stop.
async fn work<R: Reconcile>(
    parts: Parts,
    passes: impl AsyncFnOnce(Parts) -> Result<Vec<(Kind, R)>, PassesError>,
    queues: Queues,
    metrics: &Metrics,
) -> Result<(), RunError> {
    let Parts { settings, cluster, stop, .. } = &parts;
    let listed = async {
        match settings.cache_startup_timeout {
            None => {
                cluster.synced().await;
                Ok(())
            }
            Some(after) => {
                tokio::time::timeout(after, cluster.synced()).await.map_err(|_| RunError::Listing { after })
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.clone() => return Ok(()),
        listed = listed => listed?,
    }
    let uuid = usage::uuid(cluster, &settings.operator_namespace).await?;
    metrics.leader.leads(&settings.operator_namespace, &uuid);
    let channel = settings.distribution_channel.clone();
    let mut settings = settings.clone();
    settings.elastic.default_security_context = security_context(&settings, cluster).await?;
    let (workers, stop) = (settings.max_concurrent_reconciles, stop.clone());
    let mut tasks = JoinSet::new();
    let report = usage::report(cluster.clone(), settings.operator_namespace.clone(), metrics.usage.clone());
    let reporting = tasks.spawn(report);
    let mut controllers = JoinSet::new();
    for (kind, reconcile) in passes(Parts { settings, ..parts }).await.map_err(RunError::Passes)? {
        let reconcile = Arc::new(reconcile);
        let counted = metrics.workers.controller(reconcile.name());
        let queue = queues[index(kind)].clone();
        controllers.spawn(Controller::new(reconcile, queue, workers, counted).run(stop.clone()));
    }
    tracing::info!(uuid, version = env!("CARGO_PKG_VERSION"), channel, "working");
    while controllers.join_next().await.is_some() {}
    reporting.abort();
    Ok(())
}

type Queues = [Queue<ApplicationKey>; Kind::ALL.len()];

fn queues(metrics: &Metrics) -> Queues {
    Kind::ALL.map(|kind| Queue::new(metrics.workers.queue(crate::pass::controller(kind))))
}

fn index(kind: Kind) -> usize {
    match kind {
        Kind::Elasticsearch => 0,
        Kind::Kibana => 1,
        Kind::ApmServer => 2,
    }
}

fn listener(queues: &Queues) -> cluster::Listener {
    let queues = queues.clone();
    Arc::new(move |who: &ApplicationKey| queues[index(who.kind)].add(who))
}

/// Which part of the API server is looked at, and how.
pub(crate) fn cluster_options(settings: &Settings) -> cluster::Options {
    let within = settings.namespaces.clone();
    let scope = match &settings.namespace_selector {
        Some(selector) => Scope::Labelled { selector: selector.clone(), within },
        None if within.is_empty() => Scope::All,
        None => Scope::Namespaces(within),
    };
    cluster::Options {
        scope,
        deadline: settings.kube_client_timeout,
        network_policies: settings.network_policies != NetworkPolicies::Off,
    }
}

/// Whether pods get a default security context: OpenShift has its own ways, which it would be in.
pub(crate) async fn security_context(settings: &Settings, cluster: &Cluster) -> Result<bool, RunError> {
    match settings.security_context {
        SecurityContext::Set(set) => Ok(set),
        SecurityContext::AutoDetect => {
            let groups = cluster.client().list_api_groups();
            let groups = tokio::time::timeout(settings.kube_client_timeout, groups).await;
            match groups {
                Ok(Ok(groups)) => Ok(!groups.groups.iter().any(|group| group.name == OPENSHIFT)),
                Ok(Err(error)) => Err(RunError::Discovery(error)),
                Err(_) => Err(RunError::Discovery(kube::Error::Service("no answer in time".into()))),
            }
        }
    }
}

/// What every replica serves.
struct Served {
    endpoints: Endpoints,
    webhook: Option<webhook::Served>,
}

impl Served {
    /// What is in flight may finish, for a while.
    async fn finish(self) {
        let all = async {
            self.endpoints.ended().await;
            if let Some(webhook) = self.webhook {
                webhook.ended().await;
            }
        };
        let _ = tokio::time::timeout(FINISH, all).await;
    }
}

fn text_of(registry: &Mutex<Registry>) -> String {
    let mut text = String::new();
    let registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
    // Writing into a string fails never; a metric that can't be written is one that isn't seen.
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &registry) {
        tracing::error!(%error, "metrics can't be written");
    }
    text
}
