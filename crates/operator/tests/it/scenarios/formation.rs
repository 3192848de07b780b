//! How a cluster begins: with the masters that were written down before the first pod was made, and never again.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt as _;
use parapet_api::annotations::{CLUSTER_UUID, INITIAL_MASTER_NODES};
use parapet_api::{Elasticsearch, names};
use parapet_scripted_elasticsearch::Fault;
use serde_json::json;

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::{Setup, World};

const MASTERS: &[&str] = &["master"];
const FIRST: [&str; 3] = ["quickstart-es-masters-0", "quickstart-es-masters-1", "quickstart-es-masters-2"];

/// Three masters at first, to which others come. `late`: the name of the last group.
fn groups(masters: u32, late: &'static str) -> [Group; 3] {
    [
        Group::new("masters", masters).with_roles(MASTERS),
        Group::new(late, 1).with_roles(MASTERS),
        Group::new("data", 1).with_roles(&["data"]),
    ]
}

fn config(group: &str) -> String {
    names::elasticsearch::config(&names::stateful_set(NAME, group))
}

/// What a configuration says of the first masters; nothing where it doesn't.
fn first_masters(config: &Secret) -> Option<Vec<String>> {
    let yml = config.data.as_ref().and_then(|data| data.get("elasticsearch.yml"))?;
    let text = String::from_utf8(yml.0.clone()).ok()?;
    let (_, after) = text.split_once("initial_master_nodes:")?;
    let items = after.lines().skip(1).map_while(|line| line.trim_start().strip_prefix("- "));
    Some(items.map(|name| name.trim_matches('"').to_owned()).collect())
}

async fn begins_with(world: &World, group: &str) -> Result<Option<Vec<String>>> {
    Ok(first_masters(&world.api::<Secret>().get(&config(group)).await?))
}

async fn look(world: &World) -> Result<()> {
    world.operator().await.as_ref().context("an operator")?.look_at_all(2).await;
    Ok(())
}

async fn exists(world: &World, group: &str) -> Result<()> {
    world.until::<StatefulSet>(&names::stateful_set(NAME, group), |_| true).await.map(drop)
}

async fn pods(world: &World) -> Result<BTreeMap<String, Option<String>>> {
    Ok(world.all::<Pod>().await?.into_iter().map(|(name, pod)| (name, pod.uid())).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_masters_are_pinned_and_a_formed_cluster_is_given_none() -> Result<()> {
    scenario("formation", Setup::default(), async |world| {
        let es = world.elasticsearch(NAME).await?;
        es.set_fault(Some(Fault::unavailable()));
        let three = [Group::new("masters", 3).with_roles(MASTERS)];
        world.apply(&elasticsearch("8.15.3", &three).to_string()).await?;
        exists(world, "masters").await?;
        let first = Some(FIRST.map(str::to_owned).to_vec());
        let pinned = |es: &Elasticsearch| es.annotations().get(INITIAL_MASTER_NODES).cloned();
        let is_pinned = |es: &Elasticsearch| pinned(es) == Some(FIRST.join(","));
        world.until::<Elasticsearch>(NAME, is_pinned).await?;
        ensure!(begins_with(world, "masters").await? == first);

        // Before it is formed others come, and the operator dies: those that were written down stay the first.
        let changed = json!({ "spec": { "nodeSets": node_sets(&groups(4, "more")) } });
        world.merge::<Elasticsearch>(NAME, changed).await?;
        for _ in 0..2 {
            for group in ["masters", "more", "data"] {
                exists(world, group).await?;
            }
            look(world).await?;
            for group in ["masters", "more"] {
                ensure!(begins_with(world, group).await? == first, "{group}");
            }
            ensure!(begins_with(world, "data").await?.is_none(), "only masters elect");
            ensure!(is_pinned(&world.api::<Elasticsearch>().get(NAME).await?));
            world.restart_operator().await?;
        }

        // Once it is formed nobody is told any more, and no node is made anew for that.
        es.until(|state| state.nodes.len() == 6).await;
        let before = pods(world).await?;
        es.set_fault(None);
        let formed = world.until_ready(NAME, 6).await?;
        let uuid = formed.annotations().get(CLUSTER_UUID).cloned();
        ensure!(uuid.is_some() && pinned(&formed).is_none(), "{:?}", formed.annotations());
        for group in ["masters", "more", "data"] {
            world.until::<Secret>(&config(group), |secret| first_masters(secret).is_none()).await?;
        }
        ensure!(pods(world).await? == before, "none was made anew");

        // Its annotations are lost while nobody answers and no operator is there, and a group is renamed in the same moment: the
        // masters that come must not elect one of their own.
        es.set_fault(Some(Fault::Down));
        if let Some(operator) = world.operator().await.take() {
            operator.kill().await;
        }
        let lost = json!({
            "metadata": { "annotations": { CLUSTER_UUID: null, INITIAL_MASTER_NODES: null } },
            "spec": { "nodeSets": node_sets(&groups(4, "others")) },
        });
        world.merge::<Elasticsearch>(NAME, lost).await?;
        world.restart_operator().await?;
        exists(world, "others").await?;
        look(world).await?;
        let existing: BTreeSet<String> =
            before.keys().filter(|name| !name.contains("-data-")).cloned().collect();
        for group in ["masters", "others"] {
            let told = begins_with(world, group).await?.unwrap_or_default();
            ensure!(
                told.iter().cloned().collect::<BTreeSet<_>>() == existing,
                "{group} begins with {told:?}"
            );
        }
        es.set_fault(None);
        world
            .until::<Elasticsearch>(NAME, |es| {
                es.annotations().get(CLUSTER_UUID) == uuid.as_ref() && pinned(es).is_none()
            })
            .await?;
        for group in ["masters", "others", "data"] {
            world.until::<Secret>(&config(group), |secret| first_masters(secret).is_none()).await?;
        }
        world.until_ready(NAME, 6).await?;
        let more = names::stateful_set(NAME, "more");
        ensure!(world.api::<StatefulSet>().get_opt(&more).await?.is_none(), "the renamed group is gone");
        Ok(())
    })
    .await
}
