//! What users write wrongly, and what stands in the way: one clear sentence, nothing deleted, and all others served.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt as _;
use parapet_api::{Elasticsearch, Health, Kibana, Phase};
use serde_json::{Value, json};

use super::references::{told, told_of, told_that};
use super::{Group, NAME, elasticsearch, says, scenario};
use crate::world::{Setup, World};

fn named(name: &str, mut object: Value) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}

fn is_invalid(es: &Elasticsearch) -> bool {
    es.status.as_ref().and_then(|status| status.phase) == Some(Phase::Invalid)
}

async fn exists(world: &World, name: &str) -> Result<bool> {
    Ok(world.api::<StatefulSet>().get_opt(name).await?.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_can_not_be_read_stops_nobody_else() -> Result<()> {
    scenario("bad-unreadable", Setup::default(), async |world| {
        let one = [Group::new("default", 1)];
        let mut unreadable = named("unreadable", elasticsearch("8.15.3", &one));
        unreadable["spec"]["nodeSets"][0]["podTemplate"] = json!({ "spec": { "containers": 5 } });
        world.apply(&unreadable.to_string()).await?;
        // Its status can't be read typed either, as its specification can't.
        let resource = kube::core::ApiResource::erase::<Elasticsearch>(&());
        let api = kube::Api::<kube::core::DynamicObject>::namespaced_with(
            world.client.clone(),
            &world.namespace,
            &resource,
        );
        let invalid = |object: Option<&kube::core::DynamicObject>| {
            object.is_some_and(|object| object.data["status"]["phase"] == "Invalid")
        };
        let found = kube::runtime::wait::await_condition(api.clone(), "unreadable", invalid).await?;
        let found = found.context("it is there")?;
        let said = found.data["status"]["conditions"].as_array().context("conditions")?;
        let said = said.iter().find(|one| one["type"] == "ReconciliationComplete").context("a condition")?;
        ensure!(said["status"] == "False" && said["message"].as_str().is_some_and(|text| !text.is_empty()));
        told(world, &world.namespace, "Validation").await?;
        world.apply(&elasticsearch("8.15.3", &one).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        ensure!(!exists(world, "unreadable-es-default").await?);
        let repaired = json!({ "spec": { "nodeSets": super::node_sets(&one) } });
        api.patch("unreadable", &Default::default(), &kube::api::Patch::Merge(repaired)).await?;
        world.until_ready("unreadable", 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_cluster_outlives_a_specification_that_is_refused() -> Result<()> {
    scenario("bad-refused", Setup::default(), async |world| {
        let one = [Group::new("default", 2)];
        world.apply(&elasticsearch("8.15.3", &one).to_string()).await?;
        world.until_ready(NAME, 2).await?;
        let pods = world.all::<Pod>().await?;
        let with = |key: &str, value: Value| {
            let mut sets = super::node_sets(&one);
            sets[0][key] = value;
            json!({ "nodeSets": sets })
        };
        for (patch, words) in [
            (json!({ "version": "99.0.0" }), "version"),
            (json!({ "version": "eight" }), "version"),
            (json!({ "version": "7.17.0" }), "data can't go back"),
            (with("config", json!({ "node.roles": ["data"] })), "master"),
        ] {
            world.merge::<Elasticsearch>(NAME, json!({ "spec": patch })).await?;
            let es = world.until::<Elasticsearch>(NAME, |es| is_invalid(es) || says(es, words)).await?;
            ensure!(says(&es, words), "{patch}: {:?}", es.status.map(|status| status.conditions));
            let good = json!({ "spec": { "version": "8.15.3", "nodeSets": super::node_sets(&one) } });
            world.merge::<Elasticsearch>(NAME, good).await?;
            world.until_ready(NAME, 2).await?;
        }
        for (name, pod) in world.all::<Pod>().await? {
            ensure!(pods.get(&name).and_then(kube::ResourceExt::uid) == pod.uid(), "{name} was made anew");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_under_a_name_that_is_needed_is_left_alone() -> Result<()> {
    scenario("bad-foreign", Setup::default(), async |world| {
        for (kind, name, rest) in [
            ("Service", "quickstart-es-http", json!({ "spec": { "ports": [{ "port": 80 }] } })),
            ("ConfigMap", "quickstart-es-scripts", json!({ "data": { "mine": "yes" } })),
            (
                "StatefulSet",
                "quickstart-es-default",
                json!({ "spec": {
                    "serviceName": "x", "replicas": 0, "selector": { "matchLabels": { "a": "b" } },
                    "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } },
                } }),
            ),
        ] {
            let version = if kind == "StatefulSet" { "apps/v1" } else { "v1" };
            let mut object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name } });
            object["spec"] = rest["spec"].clone();
            object["data"] = rest["data"].clone();
            object.as_object_mut().context("an object")?.retain(|_, value| !value.is_null());
            world.apply(&object.to_string()).await?;
        }
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        // One after the other is in the way, is said, and goes.
        world.until::<Elasticsearch>(NAME, |es| says(es, "quickstart-es-scripts")).await?;
        ensure!(world.api::<ConfigMap>().get("quickstart-es-scripts").await?.data.context("data")?["mine"] == "yes");
        world.delete::<ConfigMap>("quickstart-es-scripts").await?;
        world.until::<Elasticsearch>(NAME, |es| says(es, "quickstart-es-http")).await?;
        let theirs = world.api::<Service>().get("quickstart-es-http").await?;
        ensure!(theirs.owner_references().is_empty() && theirs.labels().is_empty());
        world.delete::<Service>("quickstart-es-http").await?;
        world.until::<Elasticsearch>(NAME, |es| says(es, "quickstart-es-default")).await?;
        let theirs = world.api::<StatefulSet>().get("quickstart-es-default").await?;
        ensure!(theirs.owner_references().is_empty());
        world.delete::<StatefulSet>("quickstart-es-default").await?;
        world.until_ready(NAME, 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_are_damaged_or_gone_are_made_anew() -> Result<()> {
    scenario("bad-secrets", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 2)]).to_string()).await?;
        world.until_ready(NAME, 2).await?;
        let pods = world.all::<Pod>().await?;
        for name in [
            "quickstart-es-http-ca-internal",
            "quickstart-es-http-certs-internal",
            "quickstart-es-transport-ca-internal",
            "quickstart-es-default-es-transport-certs",
        ] {
            let broken =
                "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCm5vbnNlbnNlCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K";
            let secret = world.api::<Secret>().get(name).await?;
            let broken: serde_json::Map<String, Value> =
                secret.data.iter().flatten().map(|(key, _)| (key.clone(), json!(broken))).collect();
            let broken = world.merge::<Secret>(name, json!({ "data": broken })).await?;
            world.until::<Secret>(name, |secret| secret.data != broken.data).await?;
        }
        for name in [
            "quickstart-es-http-ca-internal",
            "quickstart-es-internal-users",
            "quickstart-es-xpack-file-realm",
        ] {
            let old = world.api::<Secret>().get(name).await?;
            world.delete::<Secret>(name).await?;
            world.until::<Secret>(name, |secret| secret.uid() != old.uid()).await?;
        }
        let es = world.elasticsearch(NAME).await?;
        es.forget_calls();
        es.until_called(|calls| calls.iter().filter(|call| call.status == 200).count() > 3).await;
        world.until_ready(NAME, 2).await?;
        for (name, pod) in world.all::<Pod>().await? {
            ensure!(pods.get(&name).and_then(kube::ResourceExt::uid) == pod.uid(), "{name} was made anew");
        }
        Ok(())
    })
    .await
}

/// How often each Secret was told of.
async fn told_of_secrets(world: &World) -> Result<BTreeMap<String, i32>> {
    let mut times = BTreeMap::new();
    for (_, event) in world.all::<Event>().await? {
        let Some(secret) = event.related.and_then(|related| related.name) else { continue };
        if event.action.as_deref() == Some("UserConfiguration") {
            *times.entry(secret).or_default() += event.series.map_or(1, |series| series.count);
        }
    }
    Ok(times)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_secrets_of_users_that_can_not_be_used_each_is_told_once() -> Result<()> {
    scenario("bad-users", Setup::default(), async |world| {
        let mut cluster = elasticsearch("8.15.3", &[Group::new("default", 1)]);
        cluster["spec"]["auth"] = json!({
            "fileRealm": [{ "secretName": "one" }, { "secretName": "two" }],
            "roles": [{ "secretName": "roles" }],
        });
        world.apply(&cluster.to_string()).await?;
        let is_told = async |secret: &str, times: i32| {
            told_of(world, &world.namespace, |event| {
                let about = event.related.as_ref().and_then(|related| related.name.as_deref());
                about == Some(secret)
                    && event.note.as_ref().is_some_and(|note| note.contains(secret))
                    && event.series.as_ref().map_or(1, |series| series.count) >= times
            })
            .await
        };
        for secret in ["one", "two", "roles"] {
            is_told(secret, 1).await?;
        }
        world.until_ready(NAME, 1).await?;
        world.operator().await.as_ref().context("an operator")?.look_at_all(3).await;
        let once = |all: [(&str, i32); 3]| BTreeMap::from(all.map(|(name, times)| (name.to_owned(), times)));
        let told = told_of_secrets(world).await?;
        ensure!(told == once([("one", 1), ("two", 1), ("roles", 1)]), "{told:?}");

        // One comes and goes: it is told again, and nobody else is.
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "one" },
            "stringData": { "username": "somebody", "password": "long-enough", "roles": "superuser" },
        });
        world.apply(&secret.to_string()).await?;
        let has_it = |realm: &Secret, wanted: bool| {
            let users = realm.data.as_ref().and_then(|data| data.get("users"));
            users.is_some_and(|users| String::from_utf8_lossy(&users.0).contains("somebody:") == wanted)
        };
        world.until::<Secret>("quickstart-es-xpack-file-realm", |realm| has_it(realm, true)).await?;
        world.delete::<Secret>("one").await?;
        world.until::<Secret>("quickstart-es-xpack-file-realm", |realm| has_it(realm, false)).await?;
        // The last thing told is written last.
        let words = "quickstart-es-default";
        let mut sets = super::node_sets(&[Group::new("default", 1)]);
        sets[0]["podTemplate"]["spec"]["volumes"] =
            json!([{ "name": "elasticsearch-data", "emptyDir": {} }, {}]);
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": sets } })).await?;
        told_that(world, &world.namespace, "ReconciliationError", words).await?;
        let told = told_of_secrets(world).await?;
        ensure!(told == once([("one", 2), ("two", 1), ("roles", 1)]), "{told:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_and_not_done_is_said_and_holds_nothing() -> Result<()> {
    scenario("bad-missing", Setup::default(), async |world| {
        let mut cluster = elasticsearch("8.15.3", &[Group::new("default", 1)]);
        let remote =
            json!([{ "name": "other", "elasticsearchRef": { "name": "other" }, "apiKey": { "access": {} } }]);
        cluster["spec"]["remoteClusters"] = remote;
        world.apply(&cluster.to_string()).await?;
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "k" },
            "spec": {
                "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME },
                "packageRegistryRef": { "name": "packages" },
            },
        });
        world.apply(&kibana.to_string()).await?;
        world.until_ready(NAME, 1).await?;
        world
            .until::<Kibana>("k", |kibana| {
                kibana.status.as_ref().is_some_and(|status| status.health == Some(Health::Green))
            })
            .await?;
        for words in [
            "spec.remoteClusters[0].apiKey: this operator makes no API keys",
            "spec.packageRegistryRef: this operator doesn't know that kind",
        ] {
            told_that(world, &world.namespace, "Validation", words).await?;
        }
        Ok(())
    })
    .await
}
