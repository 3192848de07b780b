//! Licences: ensured once, replaced, ended and refused.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt as _};
use parapet_api::{ConditionType, Elasticsearch, Phase};
use parapet_scripted_elasticsearch::{Call, Fault};
use serde_json::{Value, json};

use super::references::told_that;
use super::{Group, NAME, elasticsearch, says, scenario};
use crate::world::{Setup, World};

/// In the year 2100, in milliseconds.
const LATER: i64 = 4_102_444_800_000;
/// In the year 2001.
const LONG_AGO: i64 = 1_000_000_000_000;

/// The Secret as the reference's controller of licences leaves it.
fn secret(uid: &str, ends: i64, signature: &str) -> Value {
    let licence = json!({ "license": {
        "uid": uid, "type": "enterprise", "expiry_date_in_millis": ends, "signature": signature,
    } });
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "quickstart-es-license",
            "labels": {
                "common.k8s.elastic.co/type": "elasticsearch",
                "elasticsearch.k8s.elastic.co/cluster-name": NAME,
            },
        },
        "stringData": { "license": licence.to_string() },
    })
}

fn changes(calls: &[Call]) -> Vec<String> {
    let of_licences = calls.iter().filter(|call| call.path.starts_with("/_license") && call.method != "GET");
    of_licences.map(|call| format!("{} {}", call.method, call.path)).collect()
}

/// The notes of all events about licences.
async fn notes(world: &World) -> Result<Vec<String>> {
    let events = Api::<Event>::namespaced(world.client.clone(), &world.namespace);
    let events = events.list(&Default::default()).await?.items;
    let of_licences = events.into_iter().filter(|event| event.reason.as_deref() == Some("InvalidLicense"));
    Ok(of_licences.filter_map(|event| event.note).collect())
}

async fn told(world: &World, words: &str) -> Result<()> {
    told_that(world, &world.namespace, "InvalidLicense", words).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_licence_is_given_replaced_ended_and_refused() -> Result<()> {
    scenario("licence", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        let es = world.elasticsearch(NAME).await?;
        es.until_called(|calls| calls.iter().any(|call| call.path == "/_license")).await;
        ensure!(changes(&es.calls()).is_empty(), "a basic licence is enough: {:?}", changes(&es.calls()));

        // Of a licence that nobody here gave a basic one is made; a trial is its user's.
        for (kind, expected) in [("trial", vec![]), ("platinum", vec!["POST /_license/start_basic"])] {
            es.forget_calls();
            es.state(|state| state.licence["type"] = json!(kind));
            world.restart_operator().await?;
            es.until_called(|calls| {
                calls.iter().any(|call| call.path == "/_license") && changes(calls) == expected
            })
            .await;
            world.until_ready(NAME, 1).await?;
            ensure!(changes(&es.calls()) == expected, "{kind}: {:?}", changes(&es.calls()));
        }
        ensure!(es.state(|state| state.licence["type"] == "basic"));
        ensure!(notes(world).await?.is_empty());

        // Given, and another one in its place: each once.
        for uid in ["first", "second"] {
            es.forget_calls();
            world.apply(&secret(uid, LATER, "real").to_string()).await?;
            es.until(|state| state.licence["uid"] == uid).await;
            world.operator().await.as_ref().expect("it runs").look_at_all(2).await;
            ensure!(changes(&es.calls()) == ["PUT /_license"], "{uid}: {:?}", changes(&es.calls()));
        }

        // One that Elasticsearch doesn't take is said, and the one before stays.
        world.apply(&secret("third", LATER, "forged").to_string()).await?;
        world.until::<Elasticsearch>(NAME, |es| says(es, "quickstart-es-license: it is invalid")).await?;
        told(world, "it is invalid").await?;
        ensure!(es.state(|state| state.licence["uid"] == "second"));

        // One that is over, or that nobody can read, is said: Elasticsearch knows itself when its licence ends.
        world.apply(&secret("fourth", LONG_AGO, "real").to_string()).await?;
        told(world, "ended at 2001-09-09").await?;
        let mut unreadable = secret("fifth", LATER, "real");
        unreadable["stringData"] = json!({ "license": "{", "other": "x" });
        world.apply(&unreadable.to_string()).await?;
        told(world, "no licence under the key license that can be read").await?;
        world.operator().await.as_ref().expect("it runs").look_at_all(2).await;
        ensure!(es.state(|state| state.licence["uid"] == "second"));

        // Nor does one that has lost its labels take away what was paid for, whether it can be read or not.
        let unlabelled = json!({ "metadata": { "labels": {
            "common.k8s.elastic.co/type": null, "elasticsearch.k8s.elastic.co/cluster-name": null,
        } } });
        world.merge::<Secret>("quickstart-es-license", unlabelled).await?;
        es.forget_calls();
        world.restart_operator().await?;
        es.until_called(|calls| calls.iter().any(|call| call.path == "/_license")).await;
        world.operator().await.as_ref().expect("it runs").look_at_all(2).await;
        ensure!(changes(&es.calls()).is_empty(), "{:?}", changes(&es.calls()));
        world.delete::<Secret>("quickstart-es-license").await?;
        let mut readable = secret("sixth", LATER, "real");
        readable["metadata"].as_object_mut().expect("it has some").remove("labels");
        world.apply(&readable.to_string()).await?;
        world.restart_operator().await?;
        es.until(|state| state.licence["uid"] == "sixth").await;

        // Without its Secret the cluster gets a basic one.
        world.delete::<Secret>("quickstart-es-license").await?;
        world.restart_operator().await?;
        es.until(|state| state.licence["type"] == "basic").await;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_distribution_is_refused() -> Result<()> {
    scenario("licence-none", Setup::default(), async |world| {
        let es = world.elasticsearch(NAME).await?;
        for _ in 0..3 {
            let unknown = json!({ "error": "Incorrect HTTP method for uri [/_license]", "status": 405 });
            es.fail_next("/_license", Fault::Status(405, unknown.to_string()));
        }
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        let refused = |es: &Elasticsearch| {
            let status = es.status.as_ref();
            let said = status.into_iter().flat_map(|status| &status.conditions).any(|one| {
                one.kind == ConditionType::ReconciliationComplete
                    && one.message.as_ref().is_some_and(|text| text.contains("not the default distribution"))
            });
            said && status.is_some_and(|status| status.phase == Some(Phase::Invalid))
        };
        let api = world.api::<Elasticsearch>();
        await_condition(api, NAME, |es: Option<&Elasticsearch>| es.is_some_and(&refused)).await?;
        // The answer was another one's: the pass is repeated, and all is well.
        let es = world.until_ready(NAME, 1).await?;
        ensure!(es.name_any() == NAME);
        Ok(())
    })
    .await
}
