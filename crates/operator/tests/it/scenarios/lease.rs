//! Several operators and one lease: one works, and when it can't any more another one does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use parapet_api::{Elasticsearch, Kind};
use parapet_operator::ApplicationKey;
use parapet_operator::cluster;
use parapet_operator::controller::{Failed, Next, Reconcile};
use parapet_operator::elasticsearch::{Clusters, ElasticsearchMetrics};
use parapet_operator::lease::{LEASE, Times};
use parapet_operator::metrics::Metrics;
use parapet_operator::pass::Passes;
use parapet_operator::run::{Ended, Parts, Role, RunError, run};
use parapet_operator::settings::{Given, Settings};
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::meddler::{Asked, Meddler, Verdict};
use crate::world::operator::context;
use crate::world::{Setup, World};

/// Short, but in whole seconds, as the lease has them, and long enough for an API server that is busy with other tests: who
/// loses the lease for that isn't started again.
const TIMES: Times = Times {
    duration: Duration::from_secs(10),
    renew_deadline: Duration::from_secs(8),
    retry: Duration::from_millis(200),
};

/// Who is in a pass.
#[derive(Default)]
struct Working {
    now: Mutex<BTreeMap<&'static str, usize>>,
    together: Mutex<Vec<String>>,
}

impl Working {
    fn begins(self: &Arc<Self>, who: &'static str) -> Pass {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now.entry(who).or_default() += 1;
        let all: Vec<&str> = now.iter().filter(|(_, passes)| **passes > 0).map(|(who, _)| *who).collect();
        if all.len() > 1 {
            self.together.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{all:?}"));
        }
        Pass { of: Arc::clone(self), who }
    }
}

/// A pass that runs.
struct Pass {
    of: Arc<Working>,
    who: &'static str,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut now = self.of.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.entry(self.who).and_modify(|passes| *passes -= 1);
    }
}

/// Passes of one of the operators.
struct Noted {
    passes: Passes,
    who: &'static str,
    working: Arc<Working>,
    leads: Arc<watch::Sender<bool>>,
}

impl Reconcile for Noted {
    fn name(&self) -> &'static str {
        self.passes.name()
    }

    async fn pass(&self, key: &ApplicationKey) -> Result<Next, Failed> {
        let _running = self.working.begins(self.who);
        self.leads.send_replace(true);
        self.passes.pass(key).await
    }
}

/// One of the operators.
struct Candidate {
    meddler: Arc<Meddler>,
    leads: Arc<watch::Sender<bool>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Ended, RunError>>,
}

impl Candidate {
    async fn start(world: &World, who: &'static str, working: &Arc<Working>) -> Result<Self> {
        let flags = [
            ("operator-namespace", world.namespace.clone()),
            ("namespaces", world.namespace.clone()),
            ("metrics-port", "0".to_owned()),
            ("probes-bind-address", "0".to_owned()),
            ("enable-webhook", "false".to_owned()),
        ];
        let given = Given { flags: flags.into(), ..Given::default() };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let counted = ElasticsearchMetrics::register(&mut registry);
        let meddler = Meddler::new();
        let real = cluster::connect(Some(world.testbed.kubeconfig()), metrics.api.clone()).await?;
        let role = Role {
            settings: Settings::resolve(&given)?,
            given,
            client: meddler.client(real),
            registry: Arc::new(Mutex::new(registry)),
            metrics,
            host: who.to_owned(),
            times: TIMES,
        };
        let (nodes, working) = (world.nodes.clone(), Arc::clone(working));
        let leads = Arc::new(watch::Sender::new(false));
        let lead = Arc::clone(&leads);
        let passes = async move |parts: Parts| {
            let Parts { cluster, events, enqueue, .. } = parts;
            let clusters = Clusters::new(Arc::new(nodes), Arc::clone(&enqueue), counted);
            let cx = Arc::new(context(&Setup::default(), cluster, clusters, events, enqueue));
            let noted = |kind: Kind| {
                let passes = Passes::new(Arc::clone(&cx), kind);
                (kind, Noted { passes, who, working: Arc::clone(&working), leads: Arc::clone(&lead) })
            };
            Ok(Kind::ALL.map(noted).into())
        };
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(run(role, passes, stopped));
        Ok(Self { meddler, leads, stop, task })
    }

    /// Returns when it works.
    async fn leads(&self) {
        // The sender is in `self`, so it can't be gone.
        let _ = self.leads.subscribe().wait_for(|leads| *leads).await;
    }
}

/// Has the cluster get another size.
async fn grow(world: &World, nodes: u32) -> Result<()> {
    let groups = node_sets(&[Group::new("default", nodes)]);
    world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": groups } })).await?;
    world.until_ready(NAME, i32::try_from(nodes)?).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_operators_works_and_another_one_after_it() -> Result<()> {
    scenario("lease", Setup::default(), async |world| {
        world.operator().await.take().context("an operator")?.kill().await;
        let working = Arc::new(Working::default());
        let first = Candidate::start(world, "first", &working).await?;
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        first.leads().await;
        let second = Candidate::start(world, "second", &working).await?;
        world.until_ready(NAME, 1).await?;
        let pod = world.api::<Pod>().get("quickstart-es-default-0").await?;
        ensure!(!*second.leads.borrow(), "who has no lease doesn't work");

        // One dies: the other one takes over when the lease is over.
        first.task.abort();
        let died = first.task.await;
        ensure!(died.is_err_and(|error| error.is_cancelled()));
        second.leads().await;
        grow(world, 2).await?;

        // The lease is taken away: who worked ends at once, and another one begins when the thief is gone.
        let third = Candidate::start(world, "third", &working).await?;
        let stolen = json!({ "spec": {
            "holderIdentity": "a-thief", "leaseDurationSeconds": 2, "renewTime": MicroTime(Timestamp::now()),
        } });
        world.merge::<Lease>(LEASE, stolen).await?;
        ensure!(second.task.await?? == Ended::LeaseLost);
        third.leads().await;
        grow(world, 3).await?;

        // The lease can't be renewed: who worked ends before another one may begin.
        let fourth = Candidate::start(world, "fourth", &working).await?;
        third.meddler.rule(|asked: &Asked| match asked.path.contains("/leases") {
            true => Verdict::Status(500),
            false => Verdict::Pass,
        });
        ensure!(third.task.await?? == Ended::LeaseLost);
        fourth.leads().await;
        grow(world, 4).await?;

        // Who is told to end gives the lease back.
        let fifth = Candidate::start(world, "fifth", &working).await?;
        let _ = fourth.stop.send(());
        ensure!(fourth.task.await?? == Ended::Stopped);
        fifth.leads().await;
        grow(world, 3).await?;
        let _ = fifth.stop.send(());
        ensure!(fifth.task.await?? == Ended::Stopped);
        let lease = world.api::<Lease>().get(LEASE).await?;
        ensure!(lease.spec.and_then(|spec| spec.holder_identity).is_none_or(|holder| holder.is_empty()));

        let together = working.together.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(together.is_empty(), "{together:?} worked at the same time");
        let after = world.api::<Pod>().get("quickstart-es-default-0").await?;
        ensure!(after.uid() == pod.uid(), "no change of the operator restarts anything");
        Ok(())
    })
    .await
}
