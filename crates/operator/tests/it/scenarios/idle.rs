//! An operator that has nothing to do writes nothing, whatever it looks at.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::PostParams;
use parapet_api::{Elasticsearch, Health, Kibana};
use parapet_scripted_elasticsearch::Fault;
use serde_json::json;

use super::{Group, NAME, elasticsearch, says, scenario};
use crate::world::{Setup, World};

/// How many clusters there are.
const CLUSTERS: usize = 100;
/// How often each is looked at, by passes and by its observer.
const LOOKS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clusters_that_rest_cause_no_write() -> Result<()> {
    // The ordinary operator's: a look that isn't answered in time on a busy machine would be told of, rightly.
    let setup = Setup {
        elasticsearch_deadline: Duration::from_secs(10),
        observation_interval: Duration::from_secs(10),
        ..Setup::default()
    };
    // An API server of its own: what it counts has no name of who asked.
    let Some(world) = World::alone("idle", setup).await? else { return Ok(()) };
    world.testbed.kwok().await?;
    let names: Vec<String> = (0..CLUSTERS).map(|number| format!("cluster-{number}")).collect();
    for name in &names {
        let mut cluster = elasticsearch("8.15.3", &[Group::new("default", 1)]);
        cluster["metadata"]["name"] = name.as_str().into();
        let cluster: Elasticsearch = serde_json::from_value(cluster)?;
        world.api::<Elasticsearch>().create(&PostParams::default(), &cluster).await?;
    }
    stream::iter(&names)
        .map(|name| world.until_ready(name, 1))
        .buffer_unordered(4)
        .try_collect::<Vec<_>>()
        .await?;
    let operator = world.operator().await;
    let operator = operator.as_ref().context("an operator")?;
    // What was under way when the last one became ready may end, with the operator and with the controllers.
    let mut before = writes(&world).await?;
    loop {
        operator.rests().await;
        let now = writes(&world).await?;
        if std::mem::replace(&mut before, now) == before {
            break;
        }
    }
    let asked = operator.meddler.writes().len();
    for name in &names {
        world.elasticsearch(name).await?.forget_calls();
    }
    operator.look_at_all(LOOKS as u64).await;
    ensure!(operator.applications() == CLUSTERS);
    for name in &names {
        let es = world.elasticsearch(name).await?;
        es.until_called(|calls| calls.iter().filter(|call| call.path == "/_cluster/health").count() >= LOOKS)
            .await;
    }
    let after = writes(&world).await?;
    let more: BTreeMap<&String, u64> = after
        .iter()
        .map(|(what, count)| (what, count - before.get(what).copied().unwrap_or_default()))
        .filter(|(_, count)| *count > 0)
        .collect();
    let asked = operator.meddler.writes().split_off(asked);
    ensure!(more.is_empty(), "written while nothing changed: {more:#?}, by the operator: {asked:#?}");
    ensure!(operator.violations().is_empty() && world.nodes.violations().is_empty());
    Ok(())
}

/// Writes that the API server counted, by their labels; without the leases of its controllers, and the node that kwok keeps up.
async fn writes(world: &World) -> Result<BTreeMap<String, u64>> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let text = world.client.request_text(request).await?;
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let Some(counted) = line.strip_prefix("apiserver_request_total{") else { continue };
        let (labels, count) = counted.rsplit_once("} ").context("labels and a number")?;
        let is_write = ["APPLY", "DELETE", "DELETECOLLECTION", "PATCH", "POST", "PUT"]
            .iter()
            .any(|verb| labels.contains(&format!("verb=\"{verb}\"")));
        let is_others = ["leases", "nodes", "subjectaccessreviews", "tokenreviews"]
            .iter()
            .any(|resource| labels.contains(&format!("resource=\"{resource}\"")));
        if is_write && !is_others {
            found.insert(labels.to_owned(), count.parse::<f64>()? as u64);
        }
    }
    ensure!(!found.is_empty(), "the API server counts requests");
    Ok(found)
}

/// What must not be written when an operator begins: anything.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_begins_writes_nothing_until_it_sees_something_new() -> Result<()> {
    // A look that isn't answered in time on a busy machine would be told of, rightly.
    let setup = Setup {
        elasticsearch_deadline: Duration::from_secs(10),
        observation_interval: Duration::from_secs(2),
        ..Setup::default()
    };
    scenario("idle-begins", setup, async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 3)]).to_string()).await?;
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "k" },
            "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME } },
        });
        world.apply(&kibana.to_string()).await?;
        world.until_ready(NAME, 3).await?;
        world
            .until::<Kibana>("k", |kibana| {
                kibana.status.as_ref().is_some_and(|status| status.health == Some(Health::Green))
            })
            .await?;
        let es = world.elasticsearch(NAME).await?;
        world.operator().await.as_ref().context("an operator")?.rests().await;
        let before = world.api::<Elasticsearch>().get(NAME).await?.status;

        // Its first passes come before its first look, as they are what begins it.
        es.forget_calls();
        world.restart_operator().await?;
        let asked = {
            let operator = world.operator().await;
            let operator = operator.as_ref().context("an operator")?;
            operator.passed(2, 1).await;
            es.until_called(|calls| {
                calls.iter().any(|call| call.path == "/_cluster/health" && call.status == 200)
            })
            .await;
            operator.look_at_all(2).await;
            operator.meddler.writes()
        };
        ensure!(asked.is_empty(), "written while nothing changed: {asked:#?}");
        ensure!(world.api::<Elasticsearch>().get(NAME).await?.status == before);

        // A cluster that was lost meanwhile is said to be so, by the first look.
        es.set_fault(Some(Fault::Down));
        world.restart_operator().await?;
        world
            .until::<Elasticsearch>(NAME, |es| {
                es.status.as_ref().is_some_and(|status| status.health == Some(Health::Unknown))
                    && says(es, "Waiting for Elasticsearch to answer")
            })
            .await?;
        es.set_fault(None);
        world.until_ready(NAME, 3).await?;
        Ok(())
    })
    .await
}
