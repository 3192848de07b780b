//! An operator that dies in the middle of a write, or after Elasticsearch was told and before anything is written, again and
//! again: whoever comes after it ends where nobody died. `PARAPET_TEST_SEED` picks other moments.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt as _;
use parapet_api::Elasticsearch;
use parapet_scripted_elasticsearch::{Call, ScriptedElasticsearch};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::meddler::Verdict;
use crate::world::volumes::GROWS;
use crate::world::{Setup, World, is_ready};

/// How often it dies, in three clusters at the same time.
const DEATHS: usize = 30;

/// One specification: a version, how many masters and nodes with data, and how large the volumes of the latter are.
type Step = (&'static str, u32, u32, &'static str);

/// What becomes of the cluster. One master alone has no other version without an outage, so that it keeps its. Where volumes grow
/// the StatefulSet is made anew around its pods.
const STEPS: [Step; 6] = [
    ("8.15.3", 3, 2, "1Gi"),
    ("8.15.3", 3, 4, "1Gi"),
    ("8.15.3", 3, 4, "2Gi"),
    ("8.16.0", 3, 4, "2Gi"),
    ("8.17.0", 3, 3, "3Gi"),
    ("8.17.0", 1, 2, "3Gi"),
];

fn groups((_, masters, data, size): Step) -> [Group; 2] {
    [
        Group::new("masters", masters).with_roles(&["master"]).with_storage(GROWS, "1Gi"),
        Group::new("data", data).with_roles(&["data", "ingest"]).with_storage(GROWS, size),
    ]
}

/// Specifies the next step.
async fn specify(world: &World, step: Step) -> Result<()> {
    let spec = json!({ "spec": { "version": step.0, "nodeSets": node_sets(&groups(step)) } });
    world.merge::<Elasticsearch>(NAME, spec).await.map(drop)
}

async fn is_there(world: &World, (version, masters, data, size): Step) -> Result<Elasticsearch> {
    let nodes = i32::try_from(masters + data)?;
    let there = world
        .until::<Elasticsearch>(NAME, |es| {
            let runs = es.status.as_ref().and_then(|status| status.version.as_deref());
            let annotations = es.metadata.annotations.iter().flatten();
            let none_is_made_anew = annotations.into_iter().all(|(name, _)| !name.contains("/recreate-"));
            runs == Some(version) && none_is_made_anew && is_ready(es, nodes)
        })
        .await?;
    for ordinal in 0..data {
        let claim = format!("elasticsearch-data-quickstart-es-data-{ordinal}");
        let is_so = |claim: &PersistentVolumeClaim| {
            let requests = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
            requests.and_then(|all| all.get("storage")).is_some_and(|storage| storage.0 == size)
        };
        world.until::<PersistentVolumeClaim>(&claim, is_so).await?;
    }
    Ok(there)
}

/// A moment of death.
#[derive(Clone, Copy, Debug)]
enum Strike {
    /// At so many writes from now, of which the API server sees the last one or not.
    Write(usize, bool),
    /// After so many changes that Elasticsearch is asked for: it has them, and nothing is written any more.
    Call(usize),
}

impl Strike {
    fn pick(random: &mut StdRng) -> Self {
        match random.random_range(0..4) {
            0 => Self::Call(random.random_range(1..=2)),
            // Soon after the last death, or late in a step.
            1 => Self::Write(random.random_range(5..=40), random.random_bool(0.5)),
            _ => Self::Write(random.random_range(1..=4), random.random_bool(0.5)),
        }
    }

    /// Returns when the operator does nothing any more.
    async fn strikes(self, world: &World, es: &Arc<ScriptedElasticsearch>) -> Result<()> {
        let meddler = {
            let operator = world.operator().await;
            Arc::clone(&operator.as_ref().context("an operator")?.meddler)
        };
        match self {
            Self::Write(writes, last_is_sent) => {
                meddler.strike_after(writes, last_is_sent);
                meddler.struck().await;
            }
            Self::Call(calls) => {
                let last = changes(&es.calls()) + calls;
                let told = Arc::clone(es);
                meddler.rule(move |asked| match asked.writes() && changes(&told.calls()) >= last {
                    true => Verdict::Hang,
                    false => Verdict::Pass,
                });
                es.until_called(|calls| changes(calls) >= last).await;
            }
        }
        Ok(())
    }
}

fn changes(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.method != "GET").count()
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
    // On a busy machine a look that comes too late takes the phase away for a moment.
    let es = is_there(world, STEPS[STEPS.len() - 1]).await?;
    let status = es.status.unwrap_or_default();
    let names: Vec<String> = es.metadata.annotations.into_iter().flatten().map(|(name, _)| name).collect();
    add(
        "Elasticsearch",
        NAME.to_owned(),
        json!([names, status.phase, status.version, status.available_nodes]),
    );
    Ok(all)
}

/// Goes through all steps; the operator dies `deaths` times on the way, at moments that the seed picks.
async fn live(namespace: &'static str, deaths: usize, seed: u64) -> Result<Option<BTreeMap<String, Value>>> {
    let mut ended = None;
    scenario(namespace, Setup::default(), async |world| {
        let mut random = StdRng::seed_from_u64(seed);
        let mut died = 0;
        world.apply(&elasticsearch(STEPS[0].0, &groups(STEPS[0])).to_string()).await?;
        let es = world.elasticsearch(NAME).await?;
        for (number, step) in STEPS.into_iter().enumerate() {
            if number > 0 {
                specify(world, step).await?;
            }
            // All before the last step, which takes what others had no occasion for.
            let due = deaths.min(deaths * (number + 1) / (STEPS.len() - 1));
            while died < due {
                let strike = Strike::pick(&mut random);
                tokio::select! {
                    struck = strike.strikes(world, &es) => struck?,
                    // It came to an end before.
                    there = is_there(world, step) => {
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
            is_there(world, step).await?;
            if number == 0 {
                es.state(|state| state.create_index("logs", 2, 1));
            }
        }
        ensure!(died == deaths, "it died {died} times");
        es.until(|state| state.shutdowns.is_empty() && state.voting.exclusions().is_empty()).await;
        for (name, claim) in world.all::<PersistentVolumeClaim>().await? {
            let ordinal: u32 = name.rsplit('-').next().context("an ordinal")?.parse()?;
            let (_, masters, data, _) = STEPS[STEPS.len() - 1];
            if ordinal >= if name.contains("-masters-") { masters } else { data } {
                world.until_gone(&claim).await?;
            }
        }
        ended = Some(end_state(world).await?);
        Ok(())
    })
    .await
    .with_context(|| format!("with the seed {seed}"))?;
    Ok(ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_after_an_operator_that_died_ends_where_nobody_died() -> Result<()> {
    let seed = std::env::var("PARAPET_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (calm, one, two, three) = tokio::try_join!(
        live("killed-never", 0, 0),
        live("killed-one", DEATHS / 3, seed),
        live("killed-two", DEATHS / 3, seed + 1),
        live("killed-three", DEATHS / 3, seed + 2),
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
