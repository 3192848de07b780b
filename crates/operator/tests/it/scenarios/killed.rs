//! An operator that dies in the middle of a write, again and again: whoever comes after it ends where nobody died.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt as _;
use parapet_api::Elasticsearch;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::volumes::GROWS;
use crate::world::{Setup, World, is_ready};

/// How often it dies, in three clusters at the same time.
const DEATHS: usize = 30;

/// What becomes of the cluster: versions, and how many masters and nodes with data. One master alone has no other version
/// without an outage, so that it keeps its.
const STEPS: [(&str, u32, u32); 5] =
    [("8.15.3", 3, 2), ("8.15.3", 3, 4), ("8.16.0", 3, 4), ("8.17.0", 3, 3), ("8.17.0", 1, 2)];

fn groups(masters: u32, data: u32) -> [Group; 2] {
    [
        Group::new("masters", masters).with_roles(&["master"]).with_storage(GROWS, "1Gi"),
        Group::new("data", data).with_roles(&["data", "ingest"]).with_storage(GROWS, "1Gi"),
    ]
}

/// Specifies the next step.
async fn specify(world: &World, (version, masters, data): (&str, u32, u32)) -> Result<i32> {
    let spec = json!({ "spec": { "version": version, "nodeSets": node_sets(&groups(masters, data)) } });
    world.merge::<Elasticsearch>(NAME, spec).await?;
    Ok(i32::try_from(masters + data)?)
}

async fn is_there(world: &World, version: &str, nodes: i32) -> Result<Elasticsearch> {
    world
        .until::<Elasticsearch>(NAME, |es| {
            let runs = es.status.as_ref().and_then(|status| status.version.as_deref());
            runs == Some(version) && is_ready(es, nodes)
        })
        .await
}

/// What there is in the end, without what differs from one namespace to the next.
async fn end_state(world: &World) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    let mut add = |kind: &str, name: String, says: Value| {
        let text = says.to_string().replace(&world.namespace, "NAMESPACE");
        let says = serde_json::from_str(&text).expect("names of namespaces need no escaping");
        all.insert(format!("{kind} {name}"), says);
    };
    for (name, set) in world.all::<StatefulSet>().await? {
        let mut spec = json!(set.spec);
        // The hash is one of the configuration, in which the namespace's name stands.
        let annotations = spec.pointer_mut("/template/metadata/annotations").and_then(Value::as_object_mut);
        annotations.context("annotations")?.retain(|key, _| !key.ends_with("/config-hash"));
        add("StatefulSet", name, spec);
    }
    for (name, service) in world.all::<Service>().await? {
        let spec = service.spec.unwrap_or_default();
        add("Service", name, json!([service.metadata.labels, spec.ports, spec.selector]));
    }
    for (name, secret) in world.all::<Secret>().await? {
        let keys: Vec<String> = secret.data.iter().flatten().map(|(key, _)| key.clone()).collect();
        add("Secret", name, json!([secret.labels(), keys]));
    }
    for (name, map) in world.all::<ConfigMap>().await? {
        // The addresses of pods are each other's business.
        let data =
            if name.ends_with("unicast-hosts") || name == "kube-root-ca.crt" { None } else { map.data };
        add("ConfigMap", name, json!(data));
    }
    for (name, claim) in world.all::<PersistentVolumeClaim>().await? {
        add("PersistentVolumeClaim", name, json!(claim.spec.and_then(|spec| spec.resources)));
    }
    for (name, budget) in world.all::<PodDisruptionBudget>().await? {
        add("PodDisruptionBudget", name, json!(budget.spec));
    }
    // Clearing up after the last node makes another pass, which may have something under way for a moment.
    let (version, masters, data) = STEPS[STEPS.len() - 1];
    let es = is_there(world, version, i32::try_from(masters + data)?).await?;
    let status = es.status.unwrap_or_default();
    let names: Vec<String> = es.metadata.annotations.into_iter().flatten().map(|(name, _)| name).collect();
    add(
        "Elasticsearch",
        NAME.to_owned(),
        json!([names, status.phase, status.version, status.available_nodes]),
    );
    Ok(all)
}

/// Goes through all steps; the operator dies `deaths` times on the way, at writes that the seed picks.
async fn live(namespace: &'static str, deaths: usize, seed: u64) -> Result<Option<BTreeMap<String, Value>>> {
    let mut ended = None;
    scenario(namespace, Setup::default(), async |world| {
        let mut random = StdRng::seed_from_u64(seed);
        let mut died = 0;
        world.apply(&elasticsearch(STEPS[0].0, &groups(STEPS[0].1, STEPS[0].2)).to_string()).await?;
        let es = world.elasticsearch(NAME).await?;
        for (number, step) in STEPS.into_iter().enumerate() {
            let nodes =
                if number == 0 { i32::try_from(step.1 + step.2)? } else { specify(world, step).await? };
            let due = deaths * (number + 1) / STEPS.len();
            while died < due {
                let meddler = {
                    let operator = world.operator().await;
                    std::sync::Arc::clone(&operator.as_ref().context("an operator")?.meddler)
                };
                meddler.strike_after(random.random_range(1..=4), random.random_bool(0.5));
                tokio::select! {
                    () = meddler.struck() => {}
                    // It came to an end before the next write.
                    there = is_there(world, step.0, nodes) => {
                        there?;
                        break;
                    }
                }
                died += 1;
                world.restart_operator().await?;
            }
            // A strike that didn't come to pass would come in the next step, uncounted.
            if died > 0 {
                world.restart_operator().await?;
            }
            is_there(world, step.0, nodes).await?;
            if number == 0 {
                es.state(|state| state.create_index("logs", 2, 1));
            }
        }
        ensure!(died == deaths, "it died {died} times");
        es.until(|state| state.shutdowns.is_empty() && state.voting.exclusions().is_empty()).await;
        for (name, claim) in world.all::<PersistentVolumeClaim>().await? {
            let ordinal: u32 = name.rsplit('-').next().context("an ordinal")?.parse()?;
            let (_, masters, data) = STEPS[STEPS.len() - 1];
            if ordinal >= if name.contains("-masters-") { masters } else { data } {
                world.until_gone(&claim).await?;
            }
        }
        ended = Some(end_state(world).await?);
        Ok(())
    })
    .await?;
    Ok(ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_after_an_operator_that_died_ends_where_nobody_died() -> Result<()> {
    let (calm, one, two, three) = tokio::try_join!(
        live("killed-never", 0, 0),
        live("killed-one", DEATHS / 3, 1),
        live("killed-two", DEATHS / 3, 2),
        live("killed-three", DEATHS / 3, 3),
    )?;
    for killed in [&one, &two, &three] {
        for (name, says) in calm.iter().flatten() {
            let other = killed.as_ref().and_then(|killed| killed.get(name));
            ensure!(other == Some(says), "{name}:\n{says:#}\nafter deaths:\n{other:#?}");
        }
        ensure!(calm.as_ref().map(BTreeMap::len) == killed.as_ref().map(BTreeMap::len));
    }
    Ok(())
}
