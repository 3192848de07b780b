//! Other versions, restarts, pauses, and clusters that are broken.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt as _;
use parapet_api::{ConditionState, ConditionType, Elasticsearch, Phase, UpgradedNode};
use parapet_scripted_elasticsearch::ScriptedElasticsearch;
use serde_json::json;

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::nodes::Happened;
use crate::world::{Setup, World, is_ready};

/// The order in which nodes came back, if never more than one was away.
fn one_by_one(history: Vec<(String, Happened)>) -> Result<Vec<(String, String)>> {
    let mut away = BTreeSet::new();
    let mut back = Vec::new();
    for (node, what) in history {
        match what {
            Happened::Left => {
                away.insert(node);
                ensure!(away.len() == 1, "{away:?} were away together");
            }
            Happened::Joined(version) => {
                away.remove(&node);
                back.push((node, version));
            }
        }
    }
    Ok(back)
}

fn names_of(back: &[(String, String)]) -> BTreeSet<&str> {
    back.iter().map(|(name, _)| name.as_str()).collect()
}

/// Nodes that wait to be made anew, as the status has them.
fn waiting(es: &Elasticsearch) -> Vec<UpgradedNode> {
    let operations = es.status.as_ref().and_then(|status| status.in_progress_operations.clone());
    operations.unwrap_or_default().upgrade.nodes
}

/// Waits until nothing is left in Elasticsearch of what it was told on the way.
async fn nothing_is_left(es: &ScriptedElasticsearch) {
    let clean = |state: &parapet_scripted_elasticsearch::State| {
        state.shutdowns.is_empty() && state.voting.exclusions().is_empty() && state.health() == "green"
    };
    es.until(clean).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_reaches_one_node_at_a_time_and_masters_last() -> Result<()> {
    scenario("upgrade", Setup::default(), async |world| {
        let groups = [
            Group::new("masters", 3).with_roles(&["master"]),
            Group::new("data", 3).with_roles(&["data", "ingest"]),
        ];
        world.apply(&elasticsearch("8.15.3", &groups).to_string()).await?;
        world.until_ready(NAME, 6).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| state.create_index("logs", 3, 1));
        world.nodes.history(NAME);
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "version": "8.16.0" } })).await?;
        let done = world.until::<Elasticsearch>(NAME, |es| runs(es, "8.16.0") && is_ready(es, 6)).await?;
        let back = one_by_one(world.nodes.history(NAME))?;
        ensure!(back.len() == 6 && names_of(&back).len() == 6, "each node was made anew once: {back:?}");
        ensure!(back.iter().all(|(_, version)| version == "8.16.0"));
        let masters = back.iter().position(|(name, _)| name.contains("masters")).context("no master")?;
        ensure!(masters == 3, "masters come last: {back:?}");
        nothing_is_left(&es).await;
        let told = |call: &&parapet_scripted_elasticsearch::Call| {
            call.method == "PUT" && call.path.ends_with("/shutdown") && call.body.contains("\"restart\"")
        };
        ensure!(es.calls().iter().filter(told).count() == 6, "Elasticsearch knew of each");
        let desired = done.status.context("a status")?.conditions;
        let desired = desired.iter().find(|one| one.kind == ConditionType::RunningDesiredVersion);
        ensure!(desired.is_some_and(|one| one.status == ConditionState::True));
        Ok(())
    })
    .await
}

fn runs(es: &Elasticsearch, version: &str) -> bool {
    es.status.as_ref().and_then(|status| status.version.as_deref()) == Some(version)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_waits_for_replicas_and_says_by_which_rule() -> Result<()> {
    scenario("upgrade-rules", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 3)]).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| {
            state.create_index("logs", 3, 1);
            state.shards.set_held(true);
        });
        world.nodes.history(NAME);
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "version": "8.16.0" } })).await?;
        // The first node is back, and its copies aren't: whoever has the only other copy stays.
        let rule = "require_started_replica";
        let is_held = |node: &UpgradedNode| node.predicate.as_deref() == Some(rule);
        let said = world.until::<Elasticsearch>(NAME, |es| waiting(es).iter().any(is_held)).await?;
        for node in waiting(&said).iter().filter(|node| node.predicate.is_some()) {
            ensure!(node.message.as_ref().is_some_and(|text| !text.is_empty()), "{node:?} says why");
        }
        es.state(|state| {
            state.shards.set_held(false);
            state.settle();
        });
        world.until::<Elasticsearch>(NAME, |es| runs(es, "8.16.0") && is_ready(es, 3)).await?;
        ensure!(one_by_one(world.nodes.history(NAME))?.len() == 3);
        nothing_is_left(&es).await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_elasticsearch_is_upgraded_by_settings_instead_of_records() -> Result<()> {
    scenario("upgrade-older", Setup::default(), async |world| {
        world.apply(&elasticsearch("7.14.0", &[Group::new("default", 3)]).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| state.create_index("logs", 3, 1));
        world.nodes.history(NAME);
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "version": "7.17.0" } })).await?;
        world.until::<Elasticsearch>(NAME, |es| runs(es, "7.17.0") && is_ready(es, 3)).await?;
        ensure!(one_by_one(world.nodes.history(NAME))?.len() == 3);
        let enabled = |state: &mut parapet_scripted_elasticsearch::State| {
            state.persistent.get("cluster.routing.allocation.enable").is_none_or(|value| value == "all")
        };
        ensure!(es.state(enabled), "replicas are allocated again");
        nothing_is_left(&es).await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_asked_for_by_an_annotation() -> Result<()> {
    scenario("upgrade-restart", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 3)]).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        world.nodes.history(NAME);
        let trigger =
            json!({ "metadata": { "annotations": { "eck.k8s.elastic.co/restart-trigger": "monday" } } });
        world.merge::<Elasticsearch>(NAME, trigger).await?;
        let es = world.elasticsearch(NAME).await?;
        es.until_called(|calls| {
            calls.iter().any(|call| call.method == "PUT" && call.body.contains("monday"))
        })
        .await;
        restarted(world, 3).await?;
        world.until_ready(NAME, 3).await?;
        ensure!(one_by_one(world.nodes.history(NAME))?.len() == 3);
        nothing_is_left(&es).await;
        Ok(())
    })
    .await
}

/// Waits until so many pods have the annotation of a restart.
async fn restarted(world: &World, pods: u32) -> Result<()> {
    for ordinal in 0..pods {
        world
            .until::<Pod>(&format!("quickstart-es-default-{ordinal}"), |pod| {
                pod.annotations()
                    .get("eck.k8s.elastic.co/restart-trigger")
                    .is_some_and(|value| value == "monday")
            })
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_stays_as_it_is_until_it_is_not() -> Result<()> {
    scenario("upgrade-paused", Setup::default(), async |world| {
        let of = |count| [Group::new("default", count)];
        world.apply(&elasticsearch("8.15.3", &of(3)).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let set = world.api::<StatefulSet>().get("quickstart-es-default").await?;
        world
            .merge::<Elasticsearch>(
                NAME,
                json!({
                    "metadata": { "annotations": { "eck.k8s.elastic.co/pause-orchestration": "true" } },
                    "spec": {
                        "version": "8.16.0", "nodeSets": node_sets(&of(4)),
                        "http": { "service": { "metadata": { "labels": { "seen": "yes" } } } },
                    },
                }),
            )
            .await?;
        world
            .until::<Elasticsearch>(NAME, |es| {
                condition(es, ConditionType::OrchestrationPaused) == Some(true)
            })
            .await?;
        world.until::<Service>("quickstart-es-http", |service| service.labels().contains_key("seen")).await?;
        world.operator().await.as_ref().context("an operator")?.look_at_all(2).await;
        let same = world.api::<StatefulSet>().get("quickstart-es-default").await?;
        ensure!(same.metadata.generation == set.metadata.generation, "its nodes stay as they are");

        world
            .merge::<Elasticsearch>(
                NAME,
                json!({ "metadata": { "annotations": {
                    "eck.k8s.elastic.co/pause-orchestration": null, "eck.k8s.elastic.co/managed": "false",
                } } }),
            )
            .await?;
        world.operator().await.as_ref().context("an operator")?.look_at_all(2).await;
        let same = world.api::<StatefulSet>().get("quickstart-es-default").await?;
        ensure!(same.metadata.generation == set.metadata.generation, "what isn't managed isn't touched");

        let managed = json!({ "metadata": { "annotations": { "eck.k8s.elastic.co/managed": null } } });
        world.merge::<Elasticsearch>(NAME, managed).await?;
        world.until::<Elasticsearch>(NAME, |es| runs(es, "8.16.0") && is_ready(es, 4)).await?;
        Ok(())
    })
    .await
}

fn condition(es: &Elasticsearch, kind: ConditionType) -> Option<bool> {
    let conditions = es.status.as_ref().map(|status| &status.conditions)?;
    conditions.iter().find(|one| one.kind == kind).map(|one| one.status == ConditionState::True)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_never_came_up_is_repaired_without_asking_it() -> Result<()> {
    scenario("upgrade-broken", Setup::default(), async |world| {
        let mut broken = elasticsearch("8.15.3", &[Group::new("default", 3)]);
        broken["spec"]["nodeSets"][0]["podTemplate"]["spec"]["nodeSelector"] = json!({ "no": "such-node" });
        world.apply(&broken.to_string()).await?;
        let pending =
            |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending");
        for ordinal in 0..3 {
            world.until::<Pod>(&format!("quickstart-es-default-{ordinal}"), pending).await?;
        }
        world
            .until::<Elasticsearch>(NAME, |es| {
                es.status.as_ref().and_then(|status| status.phase) == Some(Phase::ApplyingChanges)
            })
            .await?;
        let groups = node_sets(&[Group::new("default", 3)]);
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": groups } })).await?;
        world.until_ready(NAME, 3).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_can_not_start_is_repaired_while_the_others_serve() -> Result<()> {
    scenario("upgrade-half-broken", Setup::default(), async |world| {
        let groups = [Group::new("good", 3), Group::new("bad", 2).with_roles(&["data"])];
        let mut broken = elasticsearch("8.15.3", &groups);
        broken["spec"]["nodeSets"][1]["podTemplate"]["spec"]["nodeSelector"] = json!({ "no": "such-node" });
        world.apply(&broken.to_string()).await?;
        let es = world.elasticsearch(NAME).await?;
        es.until(|state| state.nodes.len() == 3).await;
        es.state(|state| state.create_index("logs", 2, 1));
        world.nodes.history(NAME);
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&groups) } })).await?;
        world.until_ready(NAME, 5).await?;
        let back = one_by_one(world.nodes.history(NAME))?;
        ensure!(back.iter().all(|(name, _)| name.contains("-bad-")), "nobody else was touched: {back:?}");
        Ok(())
    })
    .await
}
