//! An operator in this process, for one namespace of the real API server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Resource};
use parapet_api::Kind;
use parapet_elastic::users::Hasher;
use parapet_operator::cluster::{Cluster, Listener, Options, Scope, Watches};
use parapet_operator::controller::Controller;
use parapet_operator::elasticsearch::{Clusters, Dialling, ElasticsearchMetrics, SystemDial};
use parapet_operator::events::Recorder;
use parapet_operator::metrics::Metrics;
use parapet_operator::pass::{self, Context, Memory, Passes};
use parapet_operator::queue::Queue;
use parapet_operator::{ApplicationKey, certificates};
use parapet_testbed::Cluster as Testbed;
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

/// The operator, until it is dropped.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) testbed: &'static Testbed,
    _watches: Watches,
    _tasks: JoinSet<()>,
}

/// How its operator differs from the ordinary one.
pub(crate) struct Setup {
    /// How certificates are made.
    pub(crate) certificates: certificates::Policy,
    /// What time it is.
    pub(crate) now: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { certificates: certificates::Policy::default(), now: Arc::new(jiff::Timestamp::now) }
    }
}

impl World {
    /// Starts one in a namespace of its own; none where there is no API server.
    pub(crate) async fn start(namespace: &str) -> Result<Option<Self>> {
        Self::start_with(namespace, Setup::default()).await
    }

    /// The same with another clock or other settings.
    pub(crate) async fn start_with(namespace: &str, setup: Setup) -> Result<Option<Self>> {
        let Some(testbed) = Testbed::shared().await else { return Ok(None) };
        for crd in parapet_api::crds() {
            testbed.define(&serde_json::to_string(&crd)?).await?;
        }
        testbed.namespace(namespace).await?;
        let client = testbed.client().await?;
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let client = client.clone();
        let options = Options {
            scope: Scope::Namespaces(BTreeSet::from([namespace.to_owned()])),
            deadline: Duration::from_secs(60),
            network_policies: false,
        };
        let cluster = Cluster::new(client.clone(), options, metrics.watches.clone());
        let (events, write) = Recorder::new(client.clone(), "test", metrics.events.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(write);
        let queues = Kind::ALL.map(|kind| (kind, Queue::new(metrics.workers.queue(pass::controller(kind)))));
        let listeners = queues.clone();
        let listener: Listener = Arc::new(move |key: &ApplicationKey| {
            let queue = listeners.iter().find(|(kind, _)| *kind == key.kind);
            queue.expect("every kind has a queue").1.add(key);
        });
        let counted = ElasticsearchMetrics::register(&mut registry);
        let clusters = Clusters::new(Arc::new(SystemDial), Arc::clone(&listener), counted);
        let cx = Arc::new(Context {
            cluster: cluster.clone(),
            options: pass::Options {
                objects: parapet_elastic::Settings::default(),
                certificates: setup.certificates,
                rules: parapet_api::validate::Rules::default(),
                enforce_rbac_on_refs: false,
                validate_storage_class: false,
                dialling: Dialling::default(),
                elasticsearch_deadline: Duration::from_secs(10),
                observation_interval: Some(Duration::from_secs(10)),
            },
            clusters,
            events,
            hasher: Hasher::new(100),
            keys: certificates::KeyMaker::default(),
            authority: None,
            memory: Memory::default(),
            now: setup.now,
        });
        let watches = cluster.start(listener);
        cluster.synced().await;
        for (kind, queue) in queues {
            let passes = Arc::new(Passes::new(Arc::clone(&cx), kind));
            let controller =
                Controller::new(passes, queue, 3, metrics.workers.controller(pass::controller(kind)));
            tasks.spawn(controller.run(futures::future::pending()));
        }
        let namespace = namespace.to_owned();
        Ok(Some(Self { client, namespace, testbed, _watches: watches, _tasks: tasks }))
    }

    /// Applies a manifest.
    pub(crate) async fn apply(&self, manifest: &str) -> Result<()> {
        self.testbed.apply(manifest, &self.namespace).await.map(drop)
    }

    /// Waits until an object is as it should be.
    pub(crate) async fn until<K>(&self, name: &str, is_so: impl Fn(&K) -> bool) -> Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &self.namespace);
        let found = await_condition(api, name, |object: Option<&K>| object.is_some_and(&is_so)).await;
        found.with_context(|| format!("waiting for {name}"))?.with_context(|| format!("{name} is gone"))
    }
}
