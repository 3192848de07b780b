//! What changes while nobody looks: between two passes, between a question and its answer, or out of sight of the watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use http::Method;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use parapet_api::{ApmServer, AssociationState, Elasticsearch, Kibana};
use parapet_operator::cluster::Cluster;
use parapet_operator::settings::NetworkPolicies;
use serde_json::{Value, json};

use super::references::told;
use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::meddler::{Asked, Meddler, Verdict};
use crate::world::{Setup, World};

const SET: &str = "quickstart-es-default";
const PASSWORD: &str = "quickstart-es-elastic-user";

async fn meddler(world: &World) -> Result<Arc<Meddler>> {
    Ok(Arc::clone(&world.operator().await.as_ref().context("an operator")?.meddler))
}

/// Has everything looked at again and again until the operator's memory is as it should be.
async fn until_seen(world: &World, is_so: impl Fn(&Cluster) -> bool) -> Result<()> {
    let operator = world.operator().await;
    let operator = operator.as_ref().context("an operator")?;
    while !is_so(&operator.cluster) {
        operator.look_at_all(1).await;
    }
    operator.look_at_all(2).await;
    Ok(())
}

/// Deletes the cluster and makes it again, so that the operator sees but the new one: its watch is away meanwhile.
async fn replace_unseen(world: &World, manifest: &str) -> Result<()> {
    let meddler = meddler(world).await?;
    let of_clusters = |asked: &Asked| asked.watches() && asked.path.ends_with("/elasticsearches");
    meddler.rule(move |asked| if of_clusters(asked) { Verdict::Status(503) } else { Verdict::Pass });
    meddler.drop_watches();
    let before = world.api::<Elasticsearch>().get(NAME).await?;
    world.nodes.give_up(NAME);
    world.delete::<Elasticsearch>(NAME).await?;
    world.until_gone(&before).await?;
    world.apply(manifest).await?;
    let expired = AtomicUsize::new(0);
    meddler.rule(move |asked| match of_clusters(asked) && expired.fetch_add(1, Ordering::SeqCst) == 0 {
        true => Verdict::Status(410),
        false => Verdict::Pass,
    });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_takes_the_place_of_another_one_of_its_name_begins_anew() -> Result<()> {
    scenario("meanwhile-replaced", Setup::default(), async |world| {
        let manifest = elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string();
        world.apply(&manifest).await?;
        let before = world.until_ready(NAME, 1).await?;
        let meddler = meddler(world).await?;
        let written = meddler.writes().len();
        replace_unseen(world, &manifest).await?;
        let is_new = |es: &Elasticsearch| es.uid() != before.uid() && crate::world::is_ready(es, 1);
        let after = world.until::<Elasticsearch>(NAME, is_new).await?;
        let set = world.api::<StatefulSet>().get(SET).await?;
        ensure!(set.owner_references().iter().all(|owner| Some(&owner.uid) == after.uid().as_ref()));
        let pinned = meddler.writes()[written..]
            .iter()
            .any(|asked| asked.body.contains("initial-master-nodes\":\"quickstart-es-default-0"));
        ensure!(pinned, "without its first masters it would never be formed");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_lose_their_labels_get_them_back_and_are_seen_again() -> Result<()> {
    scenario("meanwhile-labels", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 2)]).to_string()).await?;
        world.until_ready(NAME, 2).await?;
        const TYPE: &str = "common.k8s.elastic.co/type";
        let none = json!({ "metadata": { "labels": { TYPE: null } } });
        let some = json!({ "metadata": { "labels": { TYPE: "elasticsearch" } } });
        let is_seen = |seen: bool| {
            move |cluster: &Cluster| {
                let pod = cluster.get::<Pod>("meanwhile-labels", "quickstart-es-default-0");
                pod.is_some() == seen
            }
        };
        world.merge::<Pod>("quickstart-es-default-0", none.clone()).await?;
        until_seen(world, is_seen(false)).await?;
        world.merge::<Pod>("quickstart-es-default-0", some).await?;
        until_seen(world, is_seen(true)).await?;

        world.merge::<StatefulSet>(SET, none.clone()).await?;
        world.until::<StatefulSet>(SET, |set| set.labels().contains_key(TYPE)).await?;
        world.merge::<Secret>(PASSWORD, none.clone()).await?;
        world.until::<Secret>(PASSWORD, |secret| secret.labels().contains_key(TYPE)).await?;
        world.merge::<ConfigMap>("quickstart-es-scripts", none).await?;
        world.until::<ConfigMap>("quickstart-es-scripts", |map| map.labels().contains_key(TYPE)).await?;
        until_seen(world, |cluster| {
            cluster.get::<StatefulSet>("meanwhile-labels", SET).is_some()
                && cluster.get::<Secret>("meanwhile-labels", PASSWORD).is_some()
        })
        .await?;
        let groups = node_sets(&[Group::new("default", 3)]);
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": groups } })).await?;
        world.until_ready(NAME, 3).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_does_not_know_a_path_yet_has_deleted_nothing() -> Result<()> {
    scenario("meanwhile-unknown", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        let ready = world.until_ready(NAME, 1).await?;
        let before = world.api::<Secret>().get(PASSWORD).await?;
        let (asked, meddler) = (Arc::new(AtomicUsize::new(0)), meddler(world).await?);
        let count = Arc::clone(&asked);
        meddler.rule(move |asked: &Asked| match asked.writes() && asked.path.contains("/elasticsearches/") {
            true => {
                count.fetch_add(1, Ordering::SeqCst);
                Verdict::Status(404)
            }
            false => Verdict::Pass,
        });
        let groups = node_sets(&[Group::new("default", 2)]);
        world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": groups } })).await?;
        until_seen(world, |_| asked.load(Ordering::SeqCst) > 2).await?;
        meddler.behave();
        let after = world.until_ready(NAME, 2).await?;
        ensure!(after.uid() == ready.uid());
        let kept = world.api::<Secret>().get(PASSWORD).await?;
        ensure!(kept.uid() == before.uid(), "nothing was deleted because of it");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_somebody_makes_at_the_same_moment_is_not_written_over() -> Result<()> {
    scenario("meanwhile-password", Setup::default(), async |world| {
        const THEIRS: &str = r#"{
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "quickstart-es-elastic-user", "labels": {
                "common.k8s.elastic.co/type": "elasticsearch",
                "elasticsearch.k8s.elastic.co/cluster-name": "quickstart"
            }},
            "stringData": { "elastic": "theirs-and-long-enough" }
        }"#;
        let mut first = true;
        meddler(world).await?.rule(move |asked: &Asked| {
            let makes = asked.method == Method::POST && asked.body.contains(PASSWORD);
            match makes && std::mem::take(&mut first) {
                true => Verdict::Forestalled(THEIRS),
                false => Verdict::Pass,
            }
        });
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        let secret = world.api::<Secret>().get(PASSWORD).await?;
        let password = secret.data.context("data")?.remove("elastic").context("a password")?.0;
        ensure!(password == b"theirs-and-long-enough", "{}", String::from_utf8_lossy(&password));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_a_node_gets_later_reaches_the_pods_that_wait_for_it() -> Result<()> {
    scenario("meanwhile-nodes", Setup::default(), async |world| {
        let mut cluster = elasticsearch("8.15.3", &[Group::new("default", 1)]);
        cluster["metadata"]["annotations"] =
            json!({ "eck.k8s.elastic.co/downward-node-labels": "test/meanwhile-nodes" });
        world.apply(&cluster.to_string()).await?;
        told(world, &world.namespace, "Unexpected").await?;
        let pod = world.until::<Pod>("quickstart-es-default-0", |pod| node_of(pod).is_some()).await?;
        let nodes = Api::<Node>::all(world.client.clone());
        let label = Patch::Merge(json!({ "metadata": { "labels": { "test/meanwhile-nodes": "here" } } }));
        nodes.patch(node_of(&pod).context("a node")?, &PatchParams::default(), &label).await?;
        let has_it =
            |pod: &Pod| pod.annotations().get("test/meanwhile-nodes").is_some_and(|value| value == "here");
        world.until::<Pod>("quickstart-es-default-0", has_it).await.map(drop)
    })
    .await
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_loses_its_labels_is_left_alone_until_it_has_them_again() -> Result<()> {
    const NAMESPACE: &str = "meanwhile-namespace";
    let setup = Setup { selector: Some("test/managed=yes"), ..Setup::default() };
    scenario(NAMESPACE, setup, async |world| {
        let namespaces = Api::<Namespace>::all(world.client.clone());
        let label = async |value: Option<&str>| {
            let patch = Patch::Merge(json!({ "metadata": { "labels": { "test/managed": value } } }));
            namespaces.patch(NAMESPACE, &PatchParams::default(), &patch).await
        };
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        label(Some("yes")).await?;
        world.until_ready(NAME, 1).await?;
        label(None).await?;
        until_seen(world, |cluster| !cluster.manages(NAMESPACE)).await?;
        let written = meddler(world).await?.writes().len();
        let groups = node_sets(&[Group::new("default", 2)]);
        let grown = world.merge::<Elasticsearch>(NAME, json!({ "spec": { "nodeSets": groups } })).await?;
        until_seen(world, |cluster| {
            let seen = cluster.application::<Elasticsearch>(NAMESPACE, NAME);
            seen.is_some_and(|seen| seen.metadata().generation == grown.metadata.generation)
        })
        .await?;
        let writes = meddler(world).await?.writes();
        ensure!(writes.len() == written, "{:#?}", &writes[written..]);
        label(Some("yes")).await?;
        world.until_ready(NAME, 2).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_let_in_whoever_refers_now_and_nobody_who_did() -> Result<()> {
    let setup = Setup { network_policies: NetworkPolicies::All, ..Setup::default() };
    scenario("meanwhile-policies", setup, async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        let kibana = |name: &str| {
            json!({
                "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": name },
                "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME } },
            })
        };
        let apm = json!({
            "apiVersion": "apm.k8s.elastic.co/v1", "kind": "ApmServer", "metadata": { "name": "a" },
            "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME } },
        });
        world.apply(&apm.to_string()).await?;
        for name in ["one", "two"] {
            world.apply(&kibana(name).to_string()).await?;
        }
        for named in [Some("one"), Some("two"), None, Some("one")] {
            let reference = named.map_or(Value::Null, |name| json!({ "name": name }));
            world.merge::<ApmServer>("a", json!({ "spec": { "kibanaRef": reference } })).await?;
            for name in ["one", "two"] {
                let is_so = |policy: &NetworkPolicy| lets_in_apm(policy) == (named == Some(name));
                world.until::<NetworkPolicy>(&policy_of(world, name).await?, is_so).await?;
            }
        }
        world.delete::<ApmServer>("a").await?;
        world.until::<NetworkPolicy>(&policy_of(world, "one").await?, |policy| !lets_in_apm(policy)).await?;
        Ok(())
    })
    .await
}

/// The name of a Kibana's policy.
async fn policy_of(world: &World, kibana: &str) -> Result<String> {
    let found = world.until::<Kibana>(kibana, |_| true).await?;
    Ok(parapet_operator::network::name(&found))
}

fn lets_in_apm(policy: &NetworkPolicy) -> bool {
    json!(policy.spec).to_string().contains("\"apm.k8s.elastic.co/name\":\"a\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refers_does_not_restart_because_a_certificate_is_away_for_a_moment() -> Result<()> {
    const PUBLIC: &str = "quickstart-es-http-certs-public";
    scenario("meanwhile-certificate", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": { "name": "k" },
            "spec": { "version": "8.15.3", "count": 1, "elasticsearchRef": { "name": NAME } },
        });
        world.apply(&kibana.to_string()).await?;
        let runs = |kibana: &Kibana| {
            let status = kibana.status.clone().unwrap_or_default();
            status.elasticsearch_association_status == Some(AssociationState::Established)
                && status.available_nodes == Some(1)
        };
        world.until::<Kibana>("k", runs).await?;
        let before = world.until::<Deployment>("k-kb", |_| true).await?;
        let (refused, meddler) = (Arc::new(AtomicUsize::new(0)), meddler(world).await?);
        let count = Arc::clone(&refused);
        meddler.rule(move |asked: &Asked| {
            match asked.method == Method::POST && asked.body.contains(PUBLIC) {
                true => {
                    count.fetch_add(1, Ordering::SeqCst);
                    Verdict::Status(500)
                }
                false => Verdict::Pass,
            }
        });
        world.delete::<Secret>(PUBLIC).await?;
        let is_away = |cluster: &Cluster| {
            cluster.get::<Secret>("meanwhile-certificate", PUBLIC).is_none()
                && refused.load(Ordering::SeqCst) > 1
        };
        until_seen(world, is_away).await?;
        meddler.behave();
        world.until::<Secret>(PUBLIC, |_| true).await?;
        world.until::<Kibana>("k", runs).await?;
        let after = world.until::<Deployment>("k-kb", |_| true).await?;
        ensure!(after.metadata.generation == before.metadata.generation, "{:#?}", after.spec);
        Ok(())
    })
    .await
}
