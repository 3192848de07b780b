//! Elasticsearch that doesn't answer, or badly, at every step: what doesn't need it goes on, what needs it waits, and nothing
//! is lost.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::ResourceExt;
use parapet_api::{ConditionState, ConditionType, Elasticsearch};
use parapet_scripted_elasticsearch::Fault;
use serde_json::json;

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::{Setup, World, is_ready};

/// Every call on the way of a cluster that shrinks and is upgraded, as far as paths tell them apart.
const CALLS: [&str; 8] = [
    "/_cluster/health",
    "/_nodes/_all",
    "/_nodes/shutdown",
    "/_nodes/node-",
    "/_cat/shards",
    "/_cluster/voting_config_exclusions",
    "/_cluster/settings",
    "/",
];

/// A cluster shrinks and is upgraded while each of its calls fails twice.
async fn badly(namespace: &'static str, fault: Fault) -> Result<()> {
    scenario(namespace, Setup::impatient(), async |world| {
        let of = |count| [Group::new("default", count)];
        world.apply(&elasticsearch("8.15.3", &of(4)).to_string()).await?;
        world.until_ready(NAME, 4).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| state.create_index("logs", 2, 1));
        let arm = || {
            for call in CALLS {
                for _ in 0..2 {
                    es.fail_next(call, fault.clone());
                }
            }
        };
        arm();
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(3)) } })).await?;
        world.until_ready(NAME, 3).await?;
        arm();
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "version": "8.16.0" } })).await?;
        world
            .until::<Elasticsearch>(NAME, |es| {
                let version = es.status.as_ref().and_then(|status| status.version.as_deref());
                version == Some("8.16.0") && is_ready(es, 3)
            })
            .await?;
        es.until(|state| state.shutdowns.is_empty() && state.voting.exclusions().is_empty()).await;
        ensure!(es.state(|state| state.health()) == "green");
        ensure!(es.state(|state| state.nodes.values().all(|node| node.version == "8.16.0")));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_cut_off() -> Result<()> {
    badly("calls-down", Fault::Down).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_answered_with_503() -> Result<()> {
    badly("calls-503", Fault::unavailable()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_hang() -> Result<()> {
    badly("calls-hang", Fault::Hang).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_answered_with_nonsense() -> Result<()> {
    badly("calls-garbage", Fault::Garbage).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_may_end_in_the_middle() -> Result<()> {
    badly("calls-cut", Fault::CutShort).await
}

/// Waits until the status says that Elasticsearch doesn't answer, with these words.
async fn is_missed(world: &World, words: &str) -> Result<()> {
    world
        .until::<Elasticsearch>(NAME, |es| {
            let conditions = es.status.iter().flat_map(|status| &status.conditions);
            conditions.into_iter().any(|one| {
                one.kind == ConditionType::ElasticsearchIsReachable
                    && one.status == ConditionState::False
                    && one.message.as_ref().is_some_and(|text| text.contains(words))
            })
        })
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_answer_goes_on_and_what_needs_one_waits() -> Result<()> {
    scenario("unreachable", Setup::impatient(), async |world| {
        let of = |count| [Group::new("default", count)];
        world.apply(&elasticsearch("8.15.3", &of(3)).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let es = world.elasticsearch(NAME).await?;
        es.state(|state| state.create_index("logs", 2, 1));
        for fault in [Fault::Down, Fault::unavailable(), Fault::Hang, Fault::AnotherCertificate] {
            // A node that has left has a pod for a moment still.
            world.rests().await?;
            let before: Vec<Option<String>> = world.all::<Pod>().await?.values().map(ResourceExt::uid).collect();
            ensure!(before.len() == 3, "{fault:?}: {} pods at rest", before.len());
            if fault == Fault::AnotherCertificate {
                // Connections that are open have seen the right one.
                es.set_fault(Some(Fault::Down));
                is_missed(world, "can't be reached").await?;
            }
            es.set_fault(Some(fault.clone()));
            is_missed(world, if fault == Fault::AnotherCertificate { "certificate" } else { "" }).await?;
            // Services, certificates and users need no answer.
            let label = format!("{fault:?}").chars().filter(char::is_ascii_alphabetic).take(20).collect::<String>();
            world
                .merge::<Elasticsearch>(
                    NAME,
                    json!({ "spec": { "http": { "service": { "metadata": { "labels": { "during": label } } } } } }),
                )
                .await?;
            world
                .until::<Service>("quickstart-es-http", |service| service.labels().get("during") == Some(&label))
                .await?;
            let old = world.api::<Secret>().get("quickstart-es-http-certs-public").await?;
            world.delete::<Secret>("quickstart-es-http-certs-public").await?;
            world
                .until::<Secret>("quickstart-es-http-certs-public", |secret| secret.uid() != old.uid())
                .await?;
            // Nodes come …
            world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": node_sets(&of(4)) } })).await?;
            es.until(|state| state.nodes.len() == 4).await;
            // … and none goes, nor is any made anew.
            world
                .merge::<Elasticsearch>(
                    NAME,
                    json!({
                        "metadata": { "annotations": { "eck.k8s.elastic.co/restart-trigger": label } },
                        "spec": { "nodeSets": node_sets(&of(3)) },
                    }),
                )
                .await?;
            world
                .until::<StatefulSet>("quickstart-es-default", |set| {
                    let template = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
                    let annotations = template.and_then(|template| template.annotations.as_ref());
                    annotations.and_then(|all| all.get("eck.k8s.elastic.co/restart-trigger")) == Some(&label)
                })
                .await?;
            if let Some(operator) = &*world.operator().await {
                operator.look_at_all(3).await;
            }
            let after: Vec<Option<String>> = world.all::<Pod>().await?.values().map(ResourceExt::uid).collect();
            ensure!(after.len() == 4 && after.starts_with(&before), "{fault:?}: nodes went without an answer");
            es.set_fault(None);
            world
                .until::<Elasticsearch>(NAME, |es| {
                    is_ready(es, 3) && es.annotations().values().any(|value| *value == label)
                })
                .await?;
            es.until(|state| state.nodes.len() == 3 && state.shutdowns.is_empty()).await;
            for ordinal in 0..3 {
                world
                    .until::<Pod>(&format!("quickstart-es-default-{ordinal}"), |pod| {
                        pod.annotations().get("eck.k8s.elastic.co/restart-trigger") == Some(&label)
                    })
                    .await?;
            }
            world.until_ready(NAME, 3).await?;
        }
        Ok(())
    })
    .await
}
