//! Clusters that are connected by certificates, under an enterprise licence and not without one.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use parapet_api::Elasticsearch;
use serde_json::{Value, json};

use super::{Group, NAME, elasticsearch, scenario};
use crate::world::{Setup, World};

const MANAGED: &str = "elasticsearch.k8s.elastic.co/managed-remote-clusters";
/// In the year 2100, in milliseconds.
const LATER: i64 = 4_102_444_800_000;

/// A cluster of one node that names `quickstart`.
fn naming(name: &str) -> Value {
    let mut es = elasticsearch("8.15.3", &[Group::new("default", 1)]);
    es["metadata"]["name"] = json!(name);
    es["spec"]["remoteClusters"] = json!([{ "name": "to", "elasticsearchRef": { "name": NAME } }]);
    es
}

fn licence(cluster: &str) -> Value {
    let licence = json!({ "license": { "uid": cluster, "type": "enterprise", "expiry_date_in_millis": LATER, "signature": "real" } });
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": format!("{cluster}-es-license"),
            "labels": { "common.k8s.elastic.co/type": "elasticsearch", "elasticsearch.k8s.elastic.co/cluster-name": cluster },
        },
        "stringData": { "license": licence.to_string() },
    })
}

fn authorities(secret: &Secret) -> String {
    let text = secret.data.as_ref().and_then(|data| data.get("ca.crt")).map(|text| text.0.clone());
    String::from_utf8(text.unwrap_or_default()).unwrap_or_default()
}

async fn public(world: &World, cluster: &str) -> Result<String> {
    let name = format!("{cluster}-es-transport-certs-public");
    Ok(authorities(&world.until::<Secret>(&name, |secret| !authorities(secret).is_empty()).await?))
}

async fn trusts(world: &World, cluster: &str, is_so: impl Fn(&str) -> bool) -> Result<()> {
    let name = format!("{cluster}-es-remote-ca");
    world.until::<Secret>(&name, |secret| is_so(&authorities(secret))).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_are_connected_under_a_licence_and_taken_apart() -> Result<()> {
    scenario("remote-clusters", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.apply(&licence("paid").to_string()).await?;
        for name in ["paid", "free"] {
            world.apply(&naming(name).to_string()).await?;
        }
        for name in [NAME, "paid", "free"] {
            world.until_ready(name, 1).await?;
        }
        let (own, paid, free) =
            (public(world, NAME).await?, public(world, "paid").await?, public(world, "free").await?);
        // Both ways, whoever came first.
        trusts(world, "paid", |all| all == own).await?;
        trusts(world, NAME, |all| all == paid).await?;
        let seeds = json!([format!("{NAME}-es-transport.{}.svc:9300", world.namespace)]);
        let es = world.elasticsearch("paid").await?;
        es.until(|state| state.persistent.get("cluster.remote.to.seeds") == Some(&seeds)).await;
        world
            .until::<Elasticsearch>("paid", |es| es.annotations().get(MANAGED).is_some_and(|all| all == "to"))
            .await?;
        // Without a licence nobody is connected.
        trusts(world, "free", |all| all == free).await?;
        let nobody = world.elasticsearch("free").await?;
        ensure!(!nobody.state(|state| state.persistent.contains_key("cluster.remote.to.seeds")));
        // Whoever is connected elsewhere by hand stays so; what is named no more goes on both sides.
        let theirs = "cluster.remote.theirs.seeds".to_owned();
        es.state(|state| state.persistent.insert(theirs.clone(), json!(["x:9300"])));
        world.merge::<Elasticsearch>("paid", json!({ "spec": { "remoteClusters": null } })).await?;
        es.until(|state| !state.persistent.contains_key("cluster.remote.to.seeds")).await;
        ensure!(es.state(|state| state.persistent.contains_key(&theirs)));
        world.until::<Elasticsearch>("paid", |es| !es.annotations().contains_key(MANAGED)).await?;
        trusts(world, "paid", |all| all == paid).await?;
        trusts(world, NAME, |all| all == own).await
    })
    .await
}
