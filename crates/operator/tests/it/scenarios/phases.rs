//! What the status says of the phase, from a cluster's first moment to its last node: once a specification is carried out, it stays
//! so until somebody wants something else.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use kube::ResourceExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};
use parapet_api::{ConditionType, Elasticsearch, ElasticsearchStatus, Phase};
use parapet_scripted_elasticsearch::{Call, Fault, ScriptedElasticsearch};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::{Setup, World, is_ready};

const TRIGGER: &str = "eck.k8s.elastic.co/restart-trigger";

/// One version of the object.
#[derive(Clone, Debug)]
struct Told {
    version: String,
    /// What its user wants: the generation, and the annotation that has nodes restarted.
    wish: (i64, Option<String>),
    status: ElasticsearchStatus,
}

impl Told {
    fn of(es: Elasticsearch) -> Self {
        Self {
            version: es.resource_version().unwrap_or_default(),
            wish: (es.metadata.generation.unwrap_or_default(), es.annotations().get(TRIGGER).cloned()),
            status: es.status.unwrap_or_default(),
        }
    }
}

/// What was told after it had been ready, of one wish after the other.
fn relapses(all: &[Told]) -> Vec<String> {
    let mut found = Vec::new();
    let (mut wish, mut status) = (None, ElasticsearchStatus::default());
    // Whether it was ready; `None` as long as what is told may be of the wish before, which an annotation doesn't show.
    let mut ready: Option<bool> = Some(false);
    for told in all {
        if wish.as_ref() != Some(&told.wish) {
            let same = wish.replace(told.wish.clone()).is_some_and(|before| before.0 == told.wish.0);
            ready = (!same).then_some(false);
        }
        let is_news = told.status != status;
        status = told.status.clone();
        if !is_news || status.observed_generation != Some(told.wish.0) {
            continue;
        }
        match (status.phase, ready) {
            (Some(Phase::Ready), Some(_)) => ready = Some(true),
            (Some(Phase::Ready), None) => {}
            // On a busy machine a look may be late, which is told, rightly.
            (_, Some(true)) if is_late(&status) => ready = Some(false),
            (phase, Some(true)) => {
                found.push(format!(
                    "{phase:?} after it was ready, of {:?}: {:?}",
                    told.wish, status.conditions
                ));
                ready = Some(false);
            }
            (_, Some(false) | None) => ready = Some(false),
        }
    }
    found
}

/// Whether Elasticsearch didn't answer in time, neither one node nor the other that was asked after it.
fn is_late(status: &ElasticsearchStatus) -> bool {
    let reachable = status.conditions.iter().find(|one| one.kind == ConditionType::ElasticsearchIsReachable);
    let message = reachable.and_then(|condition| condition.message.as_deref()).unwrap_or_default();
    message.contains("didn't answer within")
}

/// Keeps every version of the object, for ever.
async fn follow(world: &World, all: &watch::Sender<Vec<Told>>) -> Result<()> {
    let config = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
    let mut objects = watcher(world.api::<Elasticsearch>(), config).applied_objects().boxed();
    loop {
        let object = objects.next().await.context("the watch goes on")?.context("failed to watch")?;
        all.send_modify(|all| all.push(Told::of(object)));
    }
}

/// Waits until it is as specified, and until what comes after that is over.
async fn settles(world: &World, es: &ScriptedElasticsearch, version: &str, nodes: u32) -> Result<()> {
    let nodes = i32::try_from(nodes)?;
    world
        .until::<Elasticsearch>(NAME, |es| {
            let runs = es.status.as_ref().and_then(|status| status.version.as_deref());
            runs == Some(version) && is_ready(es, nodes)
        })
        .await?;
    es.until(|state| state.shutdowns.is_empty() && state.voting.exclusions().is_empty()).await;
    look(world).await
}

async fn look(world: &World) -> Result<()> {
    world.operator().await.as_ref().context("an operator")?.look_at_all(3).await;
    Ok(())
}

async fn specify(world: &World, patch: Value) -> Result<()> {
    world.merge::<Elasticsearch>(NAME, patch).await.map(drop)
}

/// Everything that may be wanted of a cluster, one after the other.
async fn life(world: &World, [first, second]: [&str; 2]) -> Result<()> {
    let groups = |masters, data| {
        [
            Group::new("masters", masters).with_roles(&["master"]),
            Group::new("data", data).with_roles(&["data", "ingest"]),
        ]
    };
    let sized = |masters, data| json!({ "spec": { "nodeSets": node_sets(&groups(masters, data)) } });
    world.apply(&elasticsearch(first, &groups(3, 2)).to_string()).await?;
    let es = world.elasticsearch(NAME).await?;
    settles(world, &es, first, 5).await?;
    es.state(|state| state.create_index("logs", 2, 1));
    specify(world, sized(3, 3)).await?;
    settles(world, &es, first, 6).await?;
    specify(world, json!({ "spec": { "version": second } })).await?;
    settles(world, &es, second, 6).await?;
    // What concerns no node.
    specify(world, json!({ "spec": { "http": { "service": { "metadata": { "labels": { "a": "b" } } } } } }))
        .await?;
    settles(world, &es, second, 6).await?;
    // A node that doesn't answer once.
    es.forget_calls();
    es.fail_next("/_cluster/health", Fault::Down);
    is_looked_at(&es).await;
    look(world).await?;
    specify(world, json!({ "metadata": { "annotations": { TRIGGER: "monday" } } })).await?;
    let restarts =
        |es: &Elasticsearch| es.status.as_ref().is_some_and(|status| status.phase != Some(Phase::Ready));
    world.until::<Elasticsearch>(NAME, restarts).await?;
    settles(world, &es, second, 6).await?;
    specify(world, sized(1, 2)).await?;
    settles(world, &es, second, 3).await?;
    // Somebody else looks after it, and finds nothing to do.
    es.forget_calls();
    world.restart_operator().await?;
    is_looked_at(&es).await;
    look(world).await
}

async fn is_looked_at(es: &ScriptedElasticsearch) {
    let looks = |calls: &[Call]| calls.iter().filter(|call| call.path == "/_cluster/health").count();
    es.until_called(|calls| looks(calls) > 2).await;
}

async fn stays_ready(namespace: &'static str, versions: [&'static str; 2]) -> Result<()> {
    let setup = Setup { observation_interval: Duration::from_millis(500), ..Setup::default() };
    scenario(namespace, setup, async |world| {
        let all = watch::Sender::new(Vec::new());
        let lived = async {
            life(world, versions).await?;
            let last = world.api::<Elasticsearch>().get(NAME).await?.resource_version();
            let has_it = |all: &Vec<Told>| all.iter().any(|told| Some(&told.version) == last.as_ref());
            all.subscribe().wait_for(has_it).await.map(drop).context("the sender is here")
        };
        tokio::select! {
            ended = follow(world, &all) => ended?,
            lived = lived => lived?,
        }
        let relapses = relapses(&all.borrow());
        ensure!(relapses.is_empty(), "{relapses:#?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_ready_stays_so_until_somebody_wants_something_else() -> Result<()> {
    tokio::try_join!(
        stays_ready("phases", ["8.15.3", "8.16.0"]),
        stays_ready("phases-older", ["7.14.0", "7.17.0"]),
    )
    .map(drop)
}

#[test]
fn relapses_are_told_from_new_wishes() {
    let told = |generation, trigger: Option<&str>, observed, phase| Told {
        version: String::new(),
        wish: (generation, trigger.map(str::to_owned)),
        status: ElasticsearchStatus {
            observed_generation: Some(observed),
            phase: Some(phase),
            ..ElasticsearchStatus::default()
        },
    };
    let (ready, applying) = (Phase::Ready, Phase::ApplyingChanges);
    let grown = [
        told(1, None, 1, applying),
        told(1, None, 1, ready),
        told(2, None, 1, ready),
        told(2, None, 2, applying),
        told(2, None, 2, ready),
        told(2, Some("now"), 2, ready),
        told(2, Some("now"), 2, applying),
        told(2, Some("now"), 2, ready),
    ];
    assert_eq!(relapses(&grown), Vec::<String>::new());
    let again = [told(1, None, 1, ready), told(1, None, 1, applying), told(1, None, 1, ready)];
    assert_eq!(relapses(&again).len(), 1);
    let early = [told(2, None, 1, ready), told(2, None, 2, ready), told(2, None, 2, applying)];
    assert_eq!(relapses(&early).len(), 1);
}
