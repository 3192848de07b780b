//! More nodes and fewer, other groups of nodes, larger volumes.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, Service};
use kube::ResourceExt as _;
use parapet_api::{Elasticsearch, Phase};
use serde_json::json;

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::volumes::{GROWS, STAYS};
use crate::world::{Setup, World};

fn replicas(set: &StatefulSet) -> Option<i32> {
    set.spec.as_ref()?.replicas
}

async fn claims(world: &World) -> Result<BTreeSet<String>> {
    Ok(world.all::<PersistentVolumeClaim>().await?.into_keys().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_at_once_and_leave_when_they_have_handed_over_their_data() -> Result<()> {
    scenario("scale", Setup::default(), async |world| {
        let of = |count| [Group::new("default", count).with_storage(GROWS, "1Gi")];
        world.apply(&elasticsearch("8.15.3", &of(3)).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| state.create_index("logs", 2, 1));
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(5)) } })).await?;
        world.until_ready(NAME, 5).await?;
        es.state(|state| state.create_index("metrics", 5, 1));
        ensure!(claims(world).await?.len() == 5);

        es.state(|state| state.shards.set_held(true));
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(2)) } })).await?;
        let waits = world
            .until::<Elasticsearch>(NAME, |es| {
                let status = es.status.as_ref();
                let operations = status.and_then(|status| status.in_progress_operations.as_ref());
                status.and_then(|status| status.phase) == Some(Phase::MigratingData)
                    && operations.is_some_and(|all| {
                        all.downscale
                            .nodes
                            .iter()
                            .filter(|node| node.shutdown_status == "IN_PROGRESS")
                            .count()
                            >= 2
                    })
            })
            .await?;
        let nodes =
            waits.status.and_then(|status| status.in_progress_operations).unwrap_or_default().downscale.nodes;
        let names: BTreeSet<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        ensure!(
            names
                == BTreeSet::from([
                    "quickstart-es-default-2",
                    "quickstart-es-default-3",
                    "quickstart-es-default-4"
                ]),
            "{names:?} leave"
        );
        let set = world.api::<StatefulSet>().get("quickstart-es-default").await?;
        ensure!(replicas(&set) == Some(5), "nobody goes while data moves");
        let told = |call: &&parapet_scripted_elasticsearch::Call| {
            call.method == "PUT" && call.path.ends_with("/shutdown") && call.body.contains("\"remove\"")
        };
        ensure!(es.calls().iter().filter(told).count() >= 3, "all are drained at once");

        es.state(|state| {
            state.shards.set_held(false);
            state.settle();
        });
        world.until_ready(NAME, 2).await?;
        ensure!(
            es.count("POST", "/_cluster/voting_config_exclusions") >= 3,
            "masters left the vote before they left"
        );
        es.until(|state| state.voting.exclusions().is_empty() && state.shutdowns.is_empty()).await;
        ensure!(es.state(|state| state.health()) == "green");
        for ordinal in 2..5 {
            let name = format!("elasticsearch-data-quickstart-es-default-{ordinal}");
            if let Some(claim) = world.api::<PersistentVolumeClaim>().get_opt(&name).await? {
                world.until_gone(&claim).await?;
            }
        }
        ensure!(claims(world).await?.len() == 2, "the claims of those that stay, stay");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_can_not_be_is_said_and_taken_back() -> Result<()> {
    scenario("scale-stalled", Setup::default(), async |world| {
        let of = |count| [Group::new("default", count)];
        world.apply(&elasticsearch("8.15.3", &of(3)).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| state.create_index("everywhere", 1, 2));
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(2)) } })).await?;
        let stalled = |es: &Elasticsearch| {
            let status = es.status.as_ref();
            status.and_then(|status| status.phase) == Some(Phase::Stalled)
                && status
                    .and_then(|status| status.in_progress_operations.as_ref())
                    .is_some_and(|all| all.downscale.nodes.iter().any(|node| node.explanation.is_some()))
        };
        world.until::<Elasticsearch>(NAME, stalled).await?;
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(3)) } })).await?;
        world.until_ready(NAME, 3).await?;
        es.until(|state| state.shutdowns.is_empty()).await;
        ensure!(world.nodes.history(NAME).len() == 3, "nobody left");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_another_name_takes_over_and_the_old_one_is_gone() -> Result<()> {
    scenario("scale-renamed", Setup::default(), async |world| {
        let old = [Group::new("old", 3).with_storage(GROWS, "1Gi")];
        let new = [Group::new("new", 3).with_storage(GROWS, "1Gi")];
        world.apply(&elasticsearch("8.15.3", &old).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| state.create_index("logs", 3, 1));
        let set = world.api::<StatefulSet>().get("quickstart-es-old").await?;
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&new) } })).await?;
        world.until_gone(&set).await?;
        world.until_ready(NAME, 3).await?;
        let names: Vec<String> = es.state(|state| state.nodes.keys().cloned().collect());
        ensure!(names == ["quickstart-es-new-0", "quickstart-es-new-1", "quickstart-es-new-2"], "{names:?}");
        for name in ["quickstart-es-old-es-config", "quickstart-es-old-es-transport-certs"] {
            if let Some(secret) = world.api::<Secret>().get_opt(name).await? {
                world.until_gone(&secret).await?;
            }
        }
        if let Some(service) = world.api::<Service>().get_opt("quickstart-es-old").await? {
            world.until_gone(&service).await?;
        }
        for (name, claim) in world.all::<PersistentVolumeClaim>().await? {
            if name.contains("-old-") {
                world.until_gone(&claim).await?;
            }
        }
        es.until(|state| state.voting.exclusions().is_empty() && state.shutdowns.is_empty()).await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn masters_alone_change_while_data_stays() -> Result<()> {
    scenario("scale-masters", Setup::default(), async |world| {
        let of = |masters| {
            [
                Group::new("masters", masters).with_roles(&["master"]),
                Group::new("data", 2).with_roles(&["data", "ingest"]),
            ]
        };
        world.apply(&elasticsearch("8.15.3", &of(1)).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| state.create_index("logs", 2, 1));
        for masters in [3, 2, 1, 3] {
            world
                .merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(masters)) } }))
                .await?;
            world.until_ready(NAME, 2 + i32::try_from(masters)?).await?;
            es.until(|state| state.voting.exclusions().is_empty()).await;
        }
        let data = |name: &String| name.contains("-data-");
        let moved = world.nodes.history(NAME).into_iter().filter(|(name, _)| data(name)).count();
        ensure!(moved == 2, "nodes with data only came, once each: {moved}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_grow_around_running_pods() -> Result<()> {
    scenario("scale-volumes", Setup::default(), async |world| {
        let of = |class, size| [Group::new("default", 3).with_storage(class, size)];
        world.apply(&elasticsearch("8.15.3", &of(GROWS, "1Gi")).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let pods = |all: std::collections::BTreeMap<String, Pod>| -> BTreeSet<String> {
            all.values().filter_map(kube::ResourceExt::uid).collect()
        };
        let before = pods(world.all::<Pod>().await?);
        let old = world.api::<StatefulSet>().get("quickstart-es-default").await?;
        world
            .merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(GROWS, "2Gi")) } }))
            .await?;
        world.until_gone(&old).await?;
        world
            .until::<StatefulSet>("quickstart-es-default", |set| {
                let templates = set.spec.as_ref().and_then(|spec| spec.volume_claim_templates.clone());
                templates.iter().flatten().all(|claim| storage(claim).as_deref() == Some("2Gi"))
            })
            .await?;
        for ordinal in 0..3 {
            let name = format!("elasticsearch-data-quickstart-es-default-{ordinal}");
            world
                .until::<PersistentVolumeClaim>(&name, |claim| storage(claim).as_deref() == Some("2Gi"))
                .await?;
        }
        world
            .until::<Elasticsearch>(NAME, |es| {
                let annotations = es.metadata.annotations.iter().flatten();
                annotations.into_iter().all(|(name, _)| !name.contains("/recreate-"))
                    && crate::world::is_ready(es, 3)
            })
            .await?;
        ensure!(pods(world.all::<Pod>().await?) == before, "no pod was made anew");
        for (name, pod) in world.all::<Pod>().await? {
            let owners: Vec<String> = pod.owner_references().iter().map(|owner| owner.kind.clone()).collect();
            ensure!(owners == ["StatefulSet"], "{name} belongs to {owners:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_that_can_not_change_are_said_and_stay() -> Result<()> {
    scenario("scale-volumes-stay", Setup::default(), async |world| {
        let of = |size, count| [Group::new("default", count).with_storage(STAYS, size)];
        world.apply(&elasticsearch("8.15.3", &of("2Gi", 1)).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        let set = world.api::<StatefulSet>().get("quickstart-es-default").await?;
        for (size, said) in [("3Gi", "doesn't allow it"), ("1Gi", "can't shrink")] {
            world
                .merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(size, 1)) } }))
                .await?;
            world.until::<Elasticsearch>(NAME, |es| super::says(es, said)).await?;
        }
        let after = world.api::<StatefulSet>().get("quickstart-es-default").await?;
        ensure!(after.uid() == set.uid(), "it wasn't made anew");
        let claim =
            world.api::<PersistentVolumeClaim>().get("elasticsearch-data-quickstart-es-default-0").await?;
        ensure!(storage(&claim).context("a size")? == "2Gi");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn other_volumes_cost_no_node() -> Result<()> {
    scenario("scale-volumes-other", Setup::default(), async |world| {
        let none = [Group::new("default", 2)];
        let some = [Group::new("default", 3).with_storage(GROWS, "1Gi")];
        world.apply(&elasticsearch("8.15.3", &none).to_string()).await?;
        world.until_ready(NAME, 2).await?;
        let before = world.all::<Pod>().await?;
        let spec = json!({ "spec": { "nodeSets": node_sets(&some) } });
        world.merge::<Elasticsearch>(NAME, spec).await?;
        world.until::<Elasticsearch>(NAME, |es| super::says(es, "only the requested storage")).await?;
        if let Some(operator) = &*world.operator().await {
            operator.look_at_all(3).await;
        }
        let spec = json!({ "spec": { "nodeSets": node_sets(&none) } });
        world.merge::<Elasticsearch>(NAME, spec).await?;
        world.until_ready(NAME, 2).await?;
        let after = world.all::<Pod>().await?;
        for (name, pod) in &before {
            ensure!(after.get(name).and_then(kube::ResourceExt::uid) == pod.uid(), "{name} was made anew");
        }
        Ok(())
    })
    .await
}

fn storage(claim: &PersistentVolumeClaim) -> Option<String> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|storage| storage.0.clone())
}
