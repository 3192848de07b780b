//! Everything that is refused, once: the webhook says so to whoever writes it, and the status to whoever wrote it where there is
//! no webhook.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Secret, Service};
use parapet_api::validate::Rules;
use parapet_api::{ApmServer, Condition, ConditionState, ConditionType, Elasticsearch, Kibana, Kind, Phase};
use serde_json::{Value, json};

use crate::scenarios::references::told_that;
use crate::world::{Setup, World};

/// An object that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    metadata: Value,
    spec: Value,
    /// What is said of it.
    pub(crate) words: &'static str,
}

impl Row {
    /// The object, under that name unless its name is what is wrong with it.
    pub(crate) fn object(&self, name: &str) -> Value {
        let mut metadata = json!({ "name": name });
        let own = self.metadata.as_object().expect("metadata is an object").clone();
        metadata.as_object_mut().expect("it is one").extend(own);
        json!({
            "apiVersion": format!("{}/v1", self.kind.group()), "kind": self.kind.name(),
            "metadata": metadata, "spec": self.spec,
        })
    }
}

fn annotated(key: &str, value: &str) -> Value {
    json!({ "annotations": { key: value } })
}

fn row(kind: Kind, metadata: Value, spec: Value, words: &'static str) -> Row {
    Row { kind, metadata, spec, words }
}

const PAUSE: &str = "eck.k8s.elastic.co/pause-orchestration";
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What every installation refuses.
pub(crate) fn rows() -> Vec<Row> {
    [elasticsearch(), kibana(), apm_server()].concat()
}

/// What is refused where only images on UBI may be used, and there is an enterprise licence.
pub(crate) fn strict_rows() -> Vec<Row> {
    let es = |spec| move |words| row(Kind::Elasticsearch, json!({}), spec, words);
    let tls = json!({ "client": { "authentication": true }, "selfSignedCertificate": { "disabled": true } });
    let mut without_tls = one("8.15.3");
    without_tls["http"] = json!({ "tls": tls });
    vec![es(one("7.9.3"))("7.10.0"), es(without_tls)("while TLS is off")]
}

/// The rules of [`strict_rows`].
pub(crate) fn strict() -> Rules {
    Rules { ubi_only: true, enterprise: true, ..Rules::default() }
}

/// A specification with one node.
fn one(version: &str) -> Value {
    json!({ "version": version, "nodeSets": [{ "name": "default", "count": 1 }] })
}

fn elasticsearch() -> Vec<Row> {
    let sets = |sets: Value| json!({ "version": "8.15.3", "nodeSets": sets });
    let config = |config: Value| sets(json!([{ "name": "default", "count": 1, "config": config }]));
    let with = |version: &str, key: &str, value: Value| {
        let mut spec = one(version);
        spec[key] = value;
        spec
    };
    let to = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "name": name })).collect() };
    let zones_against_affinity = json!([{
        "name": "a", "count": 1, "zoneAwareness": { "zones": ["x"] },
        "podTemplate": { "spec": { "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "topology.kubernetes.io/zone", "operator": "In", "values": ["y"] },
            ] }],
        } } } } },
    }]);
    let specs = [
        (one("latest"), "spec.version"),
        (one("6.8.0"), "is not supported"),
        (one("10.0.0"), "is not supported"),
        (
            sets(json!([{ "name": "a", "count": 1 }, { "name": "a", "count": 1 }])),
            "spec.nodeSets[1].name: Duplicate value",
        ),
        (sets(json!([{ "name": "A", "count": 1 }])), "spec.nodeSets[0].name"),
        (sets(json!([{ "name": "a", "count": 0 }])), "master"),
        (config(json!({ "node.roles": ["data"] })), "master"),
        (config(json!({ "node.roles": ["master", "voting_only"] })), "master"),
        (config(json!({ "node.roles": ["master"], "node.data": true })), "node.data"),
        (config(json!({ "node.roles": 1 })), "must be a list"),
        (config(json!({ "node": 1, "node.roles": ["master"] })), "settings below it"),
        (
            json!({ "version": "7.8.0", "nodeSets": [{ "name": "a", "count": 1, "config": { "node.roles": ["master"] } }] }),
            "7.9.0",
        ),
        (
            with(
                "8.15.3",
                "http",
                json!({ "tls": { "selfSignedCertificate": { "subjectAltNames": [{ "ip": "x" }] } } }),
            ),
            "is not an IP address",
        ),
        (
            with("8.15.3", "transport", json!({ "tls": { "subjectAltNames": [{ "ip": "x" }] } })),
            "spec.transport.tls.subjectAltNames[0].ip",
        ),
        (with("8.15.3", "http", json!({ "tls": { "client": { "authentication": true } } })), "enterprise"),
        (
            sets(
                json!([{ "name": "a", "count": 1, "volumeClaimTemplates": [{ "metadata": { "name": "x" }, "spec": {} }] }]),
            ),
            "no container mounts",
        ),
        (
            sets(json!([
                { "name": "a", "count": 1, "zoneAwareness": {} },
                { "name": "b", "count": 1, "zoneAwareness": { "topologyKey": "rack" } },
            ])),
            "one label",
        ),
        (sets(zones_against_affinity), "node affinity allows none of these zones"),
        (with("7.13.0", "monitoring", json!({ "logs": { "elasticsearchRefs": to(&["m"]) } })), "7.14.0"),
        (
            with("8.15.3", "monitoring", json!({ "metrics": { "elasticsearchRefs": to(&["m", "n"]) } })),
            "there can be one cluster at most",
        ),
        (with("8.9.0", "remoteClusterServer", json!({ "enabled": true })), "8.10.0"),
        (
            with(
                "8.9.0",
                "remoteClusters",
                json!([{ "name": "a", "elasticsearchRef": { "name": "n" }, "apiKey": { "access": {} } }]),
            ),
            "spec.remoteClusters[0].apiKey",
        ),
        (
            with(
                "8.15.3",
                "remoteClusters",
                json!([{ "name": "a", "elasticsearchRef": { "namespace": "x" } }]),
            ),
            "names nothing",
        ),
    ];
    let long_set = json!({ "version": "8.15.3", "nodeSets": [{ "name": "b".repeat(13), "count": 1 }] });
    let objects = [
        (json!({ "name": "a".repeat(37) }), one("8.15.3"), "longer than 36"),
        (json!({ "name": "a".repeat(36) }), long_set, "52 are the most"),
        (annotated(PAUSE, "yes"), one("8.15.3"), "pause-orchestration"),
        (annotated("eck.k8s.elastic.co/license", "enterprise"), one("8.15.3"), "licence"),
        (annotated("elasticsearch.alpha.elastic.co/autoscaling-spec", "{}"), one("8.15.3"), "autoscaling"),
        (annotated(APPLIED, r#"{"spec":{"verison":"8.15.3"}}"#), one("8.15.3"), "spec.verison"),
    ];
    let of_specs = specs.into_iter().map(|(spec, words)| row(Kind::Elasticsearch, json!({}), spec, words));
    let of_objects =
        objects.into_iter().map(|(metadata, spec, words)| row(Kind::Elasticsearch, metadata, spec, words));
    of_specs.chain(of_objects).collect()
}

fn kibana() -> Vec<Row> {
    let spec = |version: &str, more: Value| {
        let mut spec = json!({ "version": version, "count": 1 });
        spec.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        spec
    };
    let metrics = |names: &[&str]| {
        let names: Value = names.iter().map(|name| json!({ "name": name })).collect();
        json!({ "elasticsearchRef": { "name": "e" }, "monitoring": { "metrics": { "elasticsearchRefs": names } } })
    };
    let plain = || spec("8.15.3", json!({}));
    [
        // Whoever can't read the version can't connect it either.
        (json!({}), spec("eight", json!({ "elasticsearchRef": { "name": "e" } })), "spec.version"),
        (json!({}), spec("7.0.0", json!({})), "7.1.0"),
        (json!({}), spec("10.0.0", json!({})), "is not supported"),
        (json!({}), spec("8.15.3", json!({ "elasticsearchRef": { "name": "a", "secretName": "b" } })), "secretName"),
        (json!({}), spec("8.15.3", json!({ "elasticsearchRef": { "serviceName": "a" } })), "names nothing"),
        (json!({}), spec("7.13.0", metrics(&["m"])), "7.14.0"),
        (json!({}), spec("8.15.3", metrics(&["m", "n"])), "there can be one cluster at most"),
        (
            json!({}),
            spec("8.15.3", json!({ "monitoring": { "metrics": { "elasticsearchRefs": [{ "name": "m" }] } } })),
            "spec.elasticsearchRef",
        ),
        (
            json!({}),
            spec("8.15.3", json!({ "http": { "tls": { "selfSignedCertificate": { "subjectAltNames": [{ "ip": "x" }] } } } })),
            "is not an IP address",
        ),
        (json!({ "name": "a".repeat(37) }), plain(), "longer than 36"),
        (annotated(PAUSE, "yes"), plain(), "pause-orchestration"),
        (annotated(APPLIED, r#"{"spec":{"verison":"8.15.3"}}"#), plain(), "spec.verison"),
    ]
    .into_iter()
    .map(|(metadata, spec, words)| row(Kind::Kibana, metadata, spec, words))
    .collect()
}

fn apm_server() -> Vec<Row> {
    let spec = |version: &str, key: &str, to: Value| json!({ "version": version, "count": 1, key: to });
    let plain = || json!({ "version": "8.15.3", "count": 1 });
    let named = || json!({ "name": "e" });
    [
        (json!({}), spec("eight", "elasticsearchRef", named()), "spec.version"),
        (json!({}), spec("6.8.0", "elasticsearchRef", named()), "is not supported"),
        (json!({}), spec("7.5.0", "kibanaRef", json!({ "name": "k" })), "7.5.1"),
        (
            json!({}),
            spec("8.15.3", "elasticsearchRef", json!({ "name": "a", "secretName": "b" })),
            "secretName",
        ),
        (json!({}), spec("8.15.3", "kibanaRef", json!({ "namespace": "n" })), "names nothing"),
        (json!({ "name": "a".repeat(37) }), plain(), "longer than 36"),
        (annotated(PAUSE, "yes"), plain(), "pause-orchestration"),
        (annotated(APPLIED, r#"{"spec":{"verison":"8.15.3"}}"#), plain(), "spec.verison"),
    ]
    .into_iter()
    .map(|(metadata, spec, words)| row(Kind::ApmServer, metadata, spec, words))
    .collect()
}

/// Whether conditions say that it isn't as specified, and why.
fn say(conditions: &[Condition], words: &str) -> bool {
    conditions.iter().any(|one| {
        one.kind == ConditionType::ReconciliationComplete
            && one.status == ConditionState::False
            && one.message.as_ref().is_some_and(|text| text.contains(words))
    })
}

async fn is_said(world: &World, name: &str, row: &Row) -> Result<()> {
    let words = row.words;
    match row.kind {
        Kind::Elasticsearch => {
            let invalid = |es: &Elasticsearch| {
                es.status.as_ref().is_some_and(|status| {
                    status.phase == Some(Phase::Invalid) && say(&status.conditions, words)
                })
            };
            world.until::<Elasticsearch>(name, invalid).await.map(drop)
        }
        Kind::Kibana => {
            let refused = |kibana: &Kibana| {
                kibana.status.as_ref().is_some_and(|status| {
                    status.observed_generation == kibana.metadata.generation && say(&status.conditions, words)
                })
            };
            world.until::<Kibana>(name, refused).await.map(drop)
        }
        Kind::ApmServer => {
            let refused = |apm: &ApmServer| {
                apm.status.as_ref().is_some_and(|status| {
                    status.observed_generation == apm.metadata.generation && say(&status.conditions, words)
                })
            };
            world.until::<ApmServer>(name, refused).await.map(drop)
        }
    }
}

/// All of them at once in one namespace: each is told of, and nothing is made for any.
async fn are_said(namespace: &str, rows: Vec<Row>, setup: Setup) -> Result<()> {
    let Some(world) = World::start_with(namespace, setup).await? else { return Ok(()) };
    let mut named = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        let object = row.object(&format!("bad-{number}"));
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        world.apply(&object.to_string()).await?;
        named.push((name, row));
    }
    for (name, row) in &named {
        is_said(&world, name, row).await?;
        told_that(&world, namespace, "Validation", row.words).await?;
    }
    if let Some(operator) = &*world.operator().await {
        operator.look_at_all(2).await;
    }
    let (sets, deployments) = (world.all::<StatefulSet>().await?, world.all::<Deployment>().await?);
    let (services, secrets) = (world.all::<Service>().await?, world.all::<Secret>().await?);
    ensure!(sets.is_empty() && deployments.is_empty(), "{sets:?} {deployments:?}");
    ensure!(services.is_empty() && secrets.is_empty(), "{:?} {:?}", services.keys(), secrets.keys());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_refused_is_said_by_the_status_and_nothing_is_made_for_it() -> Result<()> {
    let strict = Setup { rules: strict(), ..Setup::default() };
    tokio::try_join!(
        are_said("refused", rows(), Setup::default()),
        are_said("refused-strictly", strict_rows(), strict),
    )?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_kibana_and_apm_server_outlive_what_is_refused_and_what_fails() -> Result<()> {
    use crate::scenarios::{Group, NAME, elasticsearch, scenario};
    scenario("refused-running", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        for (kind, name) in [(Kind::Kibana, "k"), (Kind::ApmServer, "a")] {
            let spec = json!({ "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME } });
            world.apply(&row(kind, json!({}), spec, "").object(name).to_string()).await?;
        }
        let runs = |name| {
            world.until::<Deployment>(name, |one| {
                one.status.as_ref().is_some_and(|status| status.available_replicas == Some(1))
            })
        };
        let before =
            (runs("k-kb").await?.metadata.generation, runs("a-apm-server").await?.metadata.generation);
        // What isn't said before a mistake isn't said after it either.
        world
            .until::<Kibana>("k", |kibana| {
                kibana.status.as_ref().is_some_and(|status| {
                    status.available_nodes == Some(1) && status.version.as_deref() == Some("8.15.3")
                })
            })
            .await?;
        let mistakes = [
            (json!({ "version": "eight" }), "spec.version"),
            (json!({ "elasticsearchRef": { "secretName": "too" } }), "secretName"),
            // No rule refuses it: it fails on the way.
            (json!({ "config": { "server": 1, "server.host": "x" } }), "config"),
        ];
        for (mistake, words) in mistakes {
            world.merge::<Kibana>("k", json!({ "spec": mistake })).await?;
            world.merge::<ApmServer>("a", json!({ "spec": mistake })).await?;
            for (kind, name) in [(Kind::Kibana, "k"), (Kind::ApmServer, "a")] {
                is_said(world, name, &row(kind, json!({}), json!({}), words)).await?;
            }
            // What runs is still said.
            let kibana = world.api::<Kibana>().get("k").await?.status.unwrap_or_default();
            ensure!(
                kibana.available_nodes == Some(1) && kibana.version.as_deref() == Some("8.15.3"),
                "{kibana:?}"
            );
            let repaired = json!({ "spec": {
                "version": "8.15.3", "config": null, "elasticsearchRef": { "name": NAME, "secretName": null },
            } });
            world.merge::<Kibana>("k", repaired.clone()).await?;
            world.merge::<ApmServer>("a", repaired).await?;
            world
                .until::<Kibana>("k", |kibana| {
                    kibana.status.as_ref().is_some_and(|status| status.conditions.is_empty())
                })
                .await?;
            world
                .until::<ApmServer>("a", |apm| {
                    apm.status.as_ref().is_some_and(|status| status.conditions.is_empty())
                })
                .await?;
        }
        let after =
            (runs("k-kb").await?.metadata.generation, runs("a-apm-server").await?.metadata.generation);
        ensure!(before == after, "no pod was made anew: {before:?}, {after:?}");
        Ok(())
    })
    .await
}
