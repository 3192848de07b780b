//! One operator in this process, until it is dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use parapet_api::Kind;
use parapet_elastic::users::Hasher;
use parapet_operator::cluster::{self, Cluster, Scope, Watches};
use parapet_operator::controller::{Controller, Failed, Next, Reconcile};
use parapet_operator::elasticsearch::{Clusters, ElasticsearchMetrics};
use parapet_operator::events::Recorder;
use parapet_operator::metrics::{CertificateMetrics, Metrics, Steps};
use parapet_operator::network::OperatorPods;
use parapet_operator::pass::{self, Context, Memory, Passes, Surroundings};
use parapet_operator::queue::Queue;
use parapet_operator::settings::NetworkPolicies;
use parapet_operator::{ApplicationKey, certificates};
use parapet_testbed::Cluster as Testbed;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Setup;
use super::meddler::Meddler;
use super::nodes::Nodes;

/// How many passes each application had.
type Passed = watch::Sender<HashMap<ApplicationKey, u64>>;

/// The operator.
pub(crate) struct Operator {
    pub(crate) meddler: Arc<Meddler>,
    pub(crate) cluster: Cluster,
    passed: Arc<Passed>,
    queues: [(Kind, Queue<ApplicationKey>); Kind::ALL.len()],
    registry: Registry,
    watches: Watches,
    tasks: JoinSet<()>,
}

impl Operator {
    /// Starts one, and returns when it has listed everything. `strike`: it dies at so many writes, of which the API server sees the
    /// last one or not.
    pub(crate) async fn start(
        testbed: &Testbed,
        namespaces: &BTreeSet<String>,
        setup: &Setup,
        nodes: &Nodes,
        strike: Option<(usize, bool)>,
    ) -> Result<Self> {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let meddler = Meddler::new();
        if let Some((writes, last_is_sent)) = strike {
            meddler.strike_after(writes, last_is_sent);
        }
        let real = cluster::connect(Some(testbed.kubeconfig()), metrics.api.clone()).await?;
        let client = meddler.client(real);
        let options = cluster::Options {
            scope: match setup.selector {
                None => Scope::Namespaces(namespaces.clone()),
                Some(selector) => {
                    Scope::Labelled { selector: selector.to_owned(), within: namespaces.clone() }
                }
            },
            deadline: setup.deadline,
            network_policies: setup.network_policies != NetworkPolicies::Off,
        };
        let cluster = Cluster::new(client.clone(), options, metrics.watches.clone());
        let (events, write) = Recorder::new(client, "test", metrics.events.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(write);
        let queues = Kind::ALL.map(|kind| (kind, Queue::new(metrics.workers.queue(pass::controller(kind)))));
        let listeners = queues.clone();
        let listener: cluster::Listener = Arc::new(move |key: &ApplicationKey| {
            let queue = listeners.iter().find(|(kind, _)| *kind == key.kind);
            queue.expect("every kind has a queue").1.add(key);
        });
        let counted = ElasticsearchMetrics::register(&mut registry);
        let clusters = Clusters::new(Arc::new(nodes.clone()), Arc::clone(&listener), counted);
        let cx = Arc::new(context(setup, cluster.clone(), clusters, events, Arc::clone(&listener)));
        let watches = cluster.start(listener);
        cluster.synced().await;
        let passed = Arc::new(Passed::default());
        for (kind, queue) in queues.clone() {
            let passes = Counted { passes: Passes::new(Arc::clone(&cx), kind), passed: Arc::clone(&passed) };
            let counted = metrics.workers.controller(pass::controller(kind));
            let controller = Controller::new(Arc::new(passes), queue, 3, counted);
            tasks.spawn(controller.run(futures::future::pending()));
        }
        Ok(Self { meddler, cluster, passed, queues, registry, watches, tasks })
    }

    /// Ends it as a signal that nothing can catch: nothing is finished.
    pub(crate) async fn kill(mut self) {
        drop(self.watches);
        self.tasks.shutdown().await;
    }

    /// Has every application looked at again, and waits until each was looked at `times`.
    pub(crate) async fn look_at_all(&self, times: u64) {
        let keys: Vec<ApplicationKey> = self.passed.borrow().keys().cloned().collect();
        for _ in 0..times {
            let before = self.passed.borrow().clone();
            for key in &keys {
                let queue = self.queues.iter().find(|(kind, _)| *kind == key.kind);
                queue.expect("every kind has a queue").1.add(key);
            }
            let all = |now: &HashMap<_, _>| keys.iter().all(|key| now.get(key) > before.get(key));
            // The sender is in `self`, so it can't be gone.
            let _ = self.passed.subscribe().wait_for(all).await;
        }
    }

    /// Returns when a whole round of passes has written nothing.
    pub(crate) async fn rests(&self) {
        loop {
            let before = self.meddler.writes().len();
            self.look_at_all(1).await;
            if self.meddler.writes().len() == before {
                return;
            }
        }
    }

    /// Waits until so many applications had so many passes each.
    pub(crate) async fn passed(&self, applications: usize, times: u64) {
        let all =
            |now: &HashMap<_, u64>| now.values().filter(|count| **count >= times).count() >= applications;
        // The sender is in `self`, so it can't be gone.
        let _ = self.passed.subscribe().wait_for(all).await;
    }

    /// How many applications had a pass.
    pub(crate) fn applications(&self) -> usize {
        self.passed.borrow().len()
    }

    /// How many passes one application had; those of all namespaces of the operator that have one of that name.
    pub(crate) fn passes_of(&self, kind: Kind, name: &str) -> u64 {
        let all = self.passed.borrow();
        all.iter()
            .filter(|(key, _)| key.kind == kind && &*key.object.name == name)
            .map(|(_, count)| count)
            .sum()
    }

    /// What must never happen and did: a pass that panicked.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("metrics are text");
        let panics =
            text.lines().filter(|line| line.starts_with("controller_runtime_reconcile_panics_total"));
        panics.filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
    }
}

/// What passes work with, in a test.
pub(crate) fn context(
    setup: &Setup,
    cluster: Cluster,
    clusters: Clusters,
    events: Recorder,
    enqueue: cluster::Listener,
) -> Context {
    let options = pass::Options {
        objects: parapet_elastic::Settings::default(),
        certificates: setup.certificates,
        rules: setup.rules.clone(),
        enforce_rbac_on_refs: setup.enforce_rbac_on_refs,
        validate_storage_class: setup.validate_storage_class,
        network_policies: setup.network_policies,
        operator: OperatorPods { namespace: "elastic-system".to_owned(), labels: BTreeMap::new() },
        webhook_port: 9443,
        dialling: setup.dialling,
        elasticsearch_deadline: setup.elasticsearch_deadline,
        observation_interval: Some(setup.observation_interval),
    };
    Context {
        cluster,
        options,
        clusters,
        events,
        hasher: Hasher::new(1000),
        keys: certificates::KeyMaker::default(),
        authority: None,
        surroundings: Surroundings::default(),
        enqueue,
        memory: Memory::default(),
        steps: Steps::default(),
        certificate_metrics: CertificateMetrics::default(),
        now: Arc::clone(&setup.now),
    }
}

/// Passes that are counted.
struct Counted {
    passes: Passes,
    passed: Arc<Passed>,
}

impl Reconcile for Counted {
    fn name(&self) -> &'static str {
        self.passes.name()
    }

    async fn pass(&self, key: &ApplicationKey) -> Result<Next, Failed> {
        let ended = self.passes.pass(key).await;
        self.passed.send_modify(|all| *all.entry(key.clone()).or_default() += 1);
        ended
    }
}

impl Setup {
    /// One that doesn't wait long for a call that nobody answers.
    pub(crate) fn impatient() -> Self {
        Self { elasticsearch_deadline: Self::IMPATIENT, ..Self::default() }
    }

    /// Long enough for a machine that is busy with other tests: what isn't answered in time is told of, and asked for again.
    pub(crate) const ELASTICSEARCH_DEADLINE: Duration = Duration::from_secs(10);
    /// For calls that nobody answers.
    pub(crate) const IMPATIENT: Duration = Duration::from_millis(500);
    /// Often enough for a test.
    pub(crate) const OBSERVATION_INTERVAL: Duration = Duration::from_millis(200);
}
