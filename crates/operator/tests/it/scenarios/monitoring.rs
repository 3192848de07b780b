//! Clusters and Kibanas that send metrics and logs of theirs to another cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec, Secret};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use parapet_api::{AssociationState, Elasticsearch, Health, Kibana};
use parapet_elastic::ADOPTED_CONFIG_HASH;
use serde_json::{Value, json};

use super::references::{told_that, until_allowed};
use super::{Group, NAME, elasticsearch, scenario};
use crate::world::{Setup, World, is_ready, is_rolled_out};

/// A look that isn't answered in time on a busy machine would be told of, rightly.
fn patient() -> Setup {
    Setup {
        elasticsearch_deadline: Duration::from_secs(10),
        observation_interval: Duration::from_secs(2),
        ..Setup::default()
    }
}

/// What is sent to.
const TARGET: &str = "observer";
const SET: &str = "quickstart-es-default";
const HASH: &str = "elasticsearch.k8s.elastic.co/monitoring-config-hash";

fn target() -> Value {
    let mut cluster = elasticsearch("8.15.3", &[Group::new("default", 1)]);
    cluster["metadata"]["name"] = json!(TARGET);
    cluster
}

fn to(selector: Value) -> Value {
    json!({ "metrics": { "elasticsearchRefs": [selector] }, "logs": { "elasticsearchRefs": [selector] } })
}

fn monitored(selector: Value) -> Value {
    let mut cluster = elasticsearch("8.15.3", &[Group::new("default", 1)]);
    cluster["spec"]["monitoring"] = to(selector);
    cluster
}

fn kibana() -> Value {
    json!({
        "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "k" },
        "spec": {
            "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME },
            "monitoring": to(json!({ "name": TARGET })),
        },
    })
}

fn text(secret: &Secret, key: &str) -> String {
    let data = secret.data.as_ref().and_then(|data| data.get(key));
    String::from_utf8_lossy(&data.map(|text| text.0.clone()).unwrap_or_default()).into_owned()
}

fn containers(template: &PodTemplateSpec) -> Vec<&str> {
    template.spec.iter().flat_map(|spec| &spec.containers).map(|one| one.name.as_str()).collect()
}

fn template(set: &StatefulSet) -> &PodTemplateSpec {
    &set.spec.as_ref().expect("a StatefulSet has a specification").template
}

const WITH_BEATS: [&str; 3] = ["elasticsearch", "metricbeat", "filebeat"];

type States = Option<BTreeMap<String, AssociationState>>;

fn states(es: &Elasticsearch) -> States {
    es.status.as_ref().and_then(|status| status.monitoring_association_status.clone())
}

fn states_of_kibana(kibana: &Kibana) -> States {
    kibana.status.as_ref().and_then(|status| status.monitoring_association_status.clone())
}

fn all(world: &World, state: AssociationState) -> States {
    Some(BTreeMap::from([(format!("{}/{TARGET}", world.namespace), state)]))
}

async fn uid(world: &World) -> Result<Option<String>> {
    Ok(world.api::<Pod>().get("quickstart-es-default-0").await?.uid())
}

/// Both are established, and run with their Beats.
async fn until_sent(world: &World) -> Result<()> {
    let established = all(world, AssociationState::Established);
    world.until::<Elasticsearch>(NAME, |es| states(es) == established && is_ready(es, 1)).await?;
    world
        .until::<Kibana>("k", |kibana| {
            let status = kibana.status.clone().unwrap_or_default();
            states_of_kibana(kibana) == established && status.health == Some(Health::Green)
        })
        .await?;
    world
        .until::<Deployment>("k-kb", |live| {
            live.spec.as_ref().is_some_and(|spec| containers(&spec.template).len() == 3)
        })
        .await?;
    world
        .until::<Pod>("quickstart-es-default-0", |pod| {
            pod.spec.as_ref().is_some_and(|spec| spec.containers.len() == 3)
                && pod.metadata.deletion_timestamp.is_none()
        })
        .await?;
    world.until_ready(NAME, 1).await?;
    Ok(())
}

const REALM: &str = "observer-es-xpack-file-realm";

/// Whether the cluster that is sent to knows who sends.
fn knows(realm: &Secret) -> [bool; 2] {
    [("quickstart", "beat-es-mon-user"), ("k", "beat-kb-mon-user")].map(|(owner, user)| {
        text(realm, "users_roles").contains(&format!("monitoring-{owner}-monitoring-{TARGET}-{user}"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_logs_go_to_a_cluster_that_comes_later_goes_and_is_named_no_more() -> Result<()> {
    scenario("monitoring", patient(), async |world| {
        Box::pin(is_not_there_yet(world)).await?;
        // It has one node: each restart takes its only master away.
        world.nodes.give_up(NAME);
        Box::pin(comes(world)).await?;
        Box::pin(writes_nothing(world)).await?;
        Box::pin(goes_and_comes_back(world)).await?;
        Box::pin(is_named_no_more(world)).await
    })
    .await
}

async fn is_not_there_yet(world: &World) -> Result<()> {
    world.apply(&monitored(json!({ "name": TARGET })).to_string()).await?;
    world.apply(&kibana().to_string()).await?;
    let pending = all(world, AssociationState::Pending);
    world.until::<Elasticsearch>(NAME, |es| states(es) == pending && is_ready(es, 1)).await?;
    world
        .until::<Kibana>("k", |kibana| {
            let status = kibana.status.clone().unwrap_or_default();
            states_of_kibana(kibana) == pending && status.health == Some(Health::Green)
        })
        .await?;
    told_that(world, &world.namespace, "AssociationError", "observer doesn't exist").await?;
    let set = world.api::<StatefulSet>().get(SET).await?;
    ensure!(containers(template(&set)) == ["elasticsearch"], "nothing is held, and no Beat runs");

    Ok(())
}

async fn comes(world: &World) -> Result<()> {
    world.apply(&target().to_string()).await?;
    Box::pin(until_sent(world)).await?;
    let set = world.api::<StatefulSet>().get(SET).await?;
    ensure!(containers(template(&set)) == WITH_BEATS, "{:?}", containers(template(&set)));
    world.until::<Secret>(REALM, |realm| knows(realm) == [true, true]).await?;
    let config = world.api::<Secret>().get("quickstart-es-monitoring-metricbeat-config").await?;
    let yml = text(&config, "metricbeat.yml");
    for part in [
        "https://localhost:9200",
        "elastic-internal-monitoring",
        "https://observer-es-http.monitoring.svc:9200",
    ] {
        ensure!(yml.contains(part), "{part}: {yml}");
    }
    // What is secret is in the Secret alone.
    let own = world.api::<Secret>().get("quickstart-monitoring-observer-beat-es-mon-user").await?;
    let password = text(&own, "monitoring-quickstart-monitoring-observer-beat-es-mon-user");
    let internal = text(
        &world.api::<Secret>().get("quickstart-es-internal-users").await?,
        "elastic-internal-monitoring",
    );
    ensure!(yml.contains(&password) && yml.contains(&internal));
    let whole = serde_json::to_string(&set)?;
    ensure!(!whole.contains(&password) && !whole.contains(&internal), "no secret in arguments or variables");

    Ok(())
}

/// What runs goes on, and is as it was when the cluster is back.
async fn goes_and_comes_back(world: &World) -> Result<()> {
    let (before, ran) = (world.api::<StatefulSet>().get(SET).await?, uid(world).await?);
    world.nodes.give_up(TARGET);
    let gone = world.api::<Elasticsearch>().get(TARGET).await?;
    world.delete::<Elasticsearch>(TARGET).await?;
    world.until_gone(&gone).await?;
    world.until::<Elasticsearch>(NAME, |es| states(es) == all(world, AssociationState::Pending)).await?;
    world
        .until::<Kibana>("k", |kibana| states_of_kibana(kibana) == all(world, AssociationState::Pending))
        .await?;
    if let Some(operator) = &*world.operator().await {
        operator.look_at_all(2).await;
    }
    let after = world.api::<StatefulSet>().get(SET).await?;
    ensure!(template(&after) == template(&before) && uid(world).await? == ran, "nothing restarts for that");
    world.apply(&target().to_string()).await?;
    Box::pin(until_sent(world)).await?;
    world.until::<Secret>(REALM, |realm| knows(realm) == [true, true]).await?;
    ensure!(uid(world).await? == ran, "the same user with the same password, so nobody restarts");

    Ok(())
}

async fn is_named_no_more(world: &World) -> Result<()> {
    let nobody = json!({ "spec": { "monitoring": null } });
    world.merge::<Elasticsearch>(NAME, nobody.clone()).await?;
    world.merge::<Kibana>("k", nobody).await?;
    world.until::<StatefulSet>(SET, |set| containers(template(set)) == ["elasticsearch"]).await?;
    world
        .until::<Deployment>("k-kb", |live| {
            live.spec.as_ref().is_some_and(|spec| containers(&spec.template) == ["kibana"])
        })
        .await?;
    world.until::<Secret>(REALM, |realm| knows(realm) == [false, false]).await?;
    world.until_ready(NAME, 1).await?;
    let es = world.until::<Elasticsearch>(NAME, |es| states(es).is_none()).await?;
    let told = es.annotations().keys().find(|name| name.starts_with("association.k8s.elastic.co/"));
    ensure!(told.is_none(), "{told:?}");
    world.until::<Kibana>("k", |kibana| states_of_kibana(kibana).is_none()).await?;
    if let Some(operator) = &*world.operator().await {
        operator.look_at_all(2).await;
    }
    let secrets = world.all::<Secret>().await?;
    let left: Vec<&String> =
        secrets.keys().filter(|name| name.contains("-monitoring-") || name.contains("-mon-user")).collect();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

/// Whatever is looked at again, nothing is written.
async fn writes_nothing(world: &World) -> Result<()> {
    world.rests().await?;
    let operator = world.operator().await;
    let operator = operator.as_ref().context("an operator")?;
    let before = operator.meddler.writes().len();
    operator.look_at_all(2).await;
    let writes = operator.meddler.writes().split_off(before);
    ensure!(writes.is_empty(), "written while nothing changed: {writes:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_get_a_cluster_sends_it_nothing() -> Result<()> {
    let setup = Setup { others: &["monitoring-there"], enforce_rbac_on_refs: true, ..patient() };
    scenario("monitoring-rights", setup, async |world| {
        let rights = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: get-it, namespace: monitoring-there}
rules: [{apiGroups: [elasticsearch.k8s.elastic.co], resources: [elasticsearches], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: get-it, namespace: monitoring-there}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: get-it}
subjects: [{kind: ServiceAccount, name: may, namespace: monitoring-rights}]
";
        world.apply(rights).await?;
        until_allowed(world, "system:serviceaccount:monitoring-rights:may", "monitoring-there").await?;
        let mut there = target();
        there["metadata"]["namespace"] = json!("monitoring-there");
        world.apply(&there.to_string()).await?;
        for account in ["may", "may-not"] {
            let mut cluster = monitored(json!({ "name": TARGET, "namespace": "monitoring-there" }));
            cluster["metadata"]["name"] = json!(account);
            cluster["spec"]["serviceAccountName"] = json!(account);
            world.apply(&cluster.to_string()).await?;
        }
        let place = format!("monitoring-there/{TARGET}");
        let is = |es: &Elasticsearch, state| states(es).is_some_and(|all| all.get(&place) == Some(&state));
        world.until::<Elasticsearch>("may", |es| is(es, AssociationState::Established)).await?;
        let denied = world
            .until::<Elasticsearch>("may-not", |es| is(es, AssociationState::Failed) && is_ready(es, 1))
            .await?;
        ensure!(!denied.annotations().keys().any(|name| name.starts_with("association.k8s.elastic.co/")));
        let realm = world
            .until_in::<Secret>("monitoring-there", "observer-es-xpack-file-realm", |realm| {
                text(realm, "users")
                    .contains("monitoring-rights-may-monitoring-there-observer-beat-es-mon-user")
            })
            .await?;
        ensure!(!text(&realm, "users").contains("monitoring-rights-may-not-"), "no user for who may not");
        let set = world.api::<StatefulSet>().get("may-not-es-default").await?;
        ensure!(containers(template(&set)) == ["elasticsearch"]);
        told_that(world, &world.namespace, "AssociationError", "may-not may not get").await
    })
    .await
}

/// A cluster elsewhere is described by a Secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_elsewhere_is_sent_to_by_a_secret() -> Result<()> {
    scenario("monitoring-secret", patient(), async |world| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "elsewhere" },
            "stringData": { "url": "https://es.example.com:9243", "username": "someone", "password": "something", "ca.crt": "CA" },
        });
        world.apply(&secret.to_string()).await?;
        world.apply(&monitored(json!({ "secretName": "elsewhere" })).to_string()).await?;
        let established =
            Some(BTreeMap::from([("monitoring-secret/elsewhere".to_owned(), AssociationState::Established)]));
        world.until::<Elasticsearch>(NAME, |es| states(es) == established && is_ready(es, 1)).await?;
        let set = world.api::<StatefulSet>().get(SET).await?;
        ensure!(containers(template(&set)) == WITH_BEATS, "from the first pod on");
        let config = world.api::<Secret>().get("quickstart-es-monitoring-filebeat-config").await?;
        let yml = text(&config, "filebeat.yml");
        for part in ["https://es.example.com:9243", "username: someone", "password: something", "es-monitoring-association/monitoring-secret/elsewhere/certs/ca.crt"] {
            ensure!(yml.contains(part), "{part}: {yml}");
        }
        writes_nothing(world).await
    })
    .await
}

/// FNV-1a of 32 bits, as the reference's annotation has it.
fn fnv(content: &[u8]) -> u32 {
    content.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The same settings in other words, as another operator spells them.
fn respelled(yml: &str) -> Result<String> {
    let settings: Value = serde_saphyr::from_str(yml)?;
    Ok(serde_json::to_string_pretty(&settings)?)
}

/// Makes the Beats' configurations those of another operator, and says which hash it would have annotated.
async fn respell(world: &World, prefix: &str) -> Result<String> {
    let mut hashes = Vec::new();
    for beat in ["metricbeat", "filebeat"] {
        let (name, key) = (format!("{prefix}-monitoring-{beat}-config"), format!("{beat}.yml"));
        let mut secret = world.api::<Secret>().get(&name).await?;
        let theirs = respelled(&text(&secret, &key))?;
        hashes.extend(fnv(theirs.as_bytes()).to_be_bytes());
        secret.data.get_or_insert_default().insert(key, ByteString(theirs.into_bytes()));
        world.api::<Secret>().replace(&name, &Default::default(), &secret).await?;
    }
    Ok(fnv(&hashes).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_another_operator_gave_beats_are_taken_over_as_they_are() -> Result<()> {
    scenario("monitoring-adopted", patient(), async |world| {
        world.apply(&target().to_string()).await?;
        world.apply(&monitored(json!({ "name": TARGET })).to_string()).await?;
        world.apply(&kibana().to_string()).await?;
        Box::pin(until_sent(world)).await?;
        if let Some(operator) = world.operator().await.take() {
            operator.kill().await;
        }
        Box::pin(is_made_another_operators(world)).await?;
        Box::pin(is_taken_over(world)).await
    })
    .await
}

/// All of it is as another operator leaves it: its hashes, its spelling, no security context beside Kibana.
async fn is_made_another_operators(world: &World) -> Result<()> {
    let theirs = "common.k8s.elastic.co/template-hash";
    let hash = respell(world, "quickstart-es").await?;
    let annotations = json!({ HASH: hash, "elasticsearch.k8s.elastic.co/config-hash": "1234567890" });
    let patch = json!({
        "metadata": { "labels": { theirs: "1234567890" } },
        "spec": { "template": { "metadata": { "annotations": annotations } } },
    });
    world.merge::<StatefulSet>(SET, patch).await?;
    let old = world.api::<Pod>().get("quickstart-es-default-0").await?;
    world.nodes.give_up(NAME);
    world.api::<Pod>().delete("quickstart-es-default-0", &DeleteParams::default()).await?;
    world.until_gone(&old).await?;
    let hash = respell(world, "k-kb").await?;
    let annotations = json!({
        "kibana.k8s.elastic.co/monitoring-config-hash": hash,
        "kibana.k8s.elastic.co/config-hash": "1234567890",
    });
    let beats: Vec<Value> = ["metricbeat", "filebeat"]
        .iter()
        .map(|name| json!({ "name": name, "securityContext": null }))
        .collect();
    let patch = Patch::Strategic(json!({
        "metadata": { "labels": { theirs: "1234567890" } },
        "spec": { "template": { "metadata": { "annotations": annotations }, "spec": { "containers": beats } } },
    }));
    let deployments: Api<Deployment> = world.api();
    deployments.patch("k-kb", &PatchParams::default(), &patch).await?;
    world.until::<Deployment>("k-kb", is_rolled_out).await?;
    world
        .until::<StatefulSet>(SET, |set| {
            let status = set.status.clone().unwrap_or_default();
            status.observed_generation == set.metadata.generation && status.ready_replicas == Some(1)
        })
        .await?;
    Ok(())
}

async fn is_taken_over(world: &World) -> Result<()> {
    let deployments: Api<Deployment> = world.api();
    let (set, deployment) = (world.api::<StatefulSet>().get(SET).await?, deployments.get("k-kb").await?);
    let pods = uids(world).await?;

    world.restart_operator().await?;
    let noted = |labels: &BTreeMap<String, String>| labels.contains_key(ADOPTED_CONFIG_HASH);
    world.until::<StatefulSet>(SET, |set| noted(set.labels())).await?;
    world.until::<Deployment>("k-kb", |deployment| noted(deployment.labels())).await?;
    world.until_ready(NAME, 1).await?;
    if let Some(operator) = &*world.operator().await {
        operator.look_at_all(3).await;
    }
    let after = world.api::<StatefulSet>().get(SET).await?;
    ensure!(template(&after) == template(&set), "the template of Elasticsearch's pods");
    ensure!(after.metadata.generation == set.metadata.generation);
    let after = deployments.get("k-kb").await?;
    ensure!(after.metadata.generation == deployment.metadata.generation, "{after:#?}\n{deployment:#?}");
    ensure!(uids(world).await? == pods, "no pod is made anew");
    writes_nothing(world).await
}

async fn uids(world: &World) -> Result<BTreeMap<String, Option<String>>> {
    Ok(world.all::<Pod>().await?.into_iter().map(|(name, pod)| (name, pod.uid())).collect())
}
