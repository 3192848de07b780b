//! What becomes of everything when an application is deleted.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use parapet_api::{ApmServer, AssociationState, Elasticsearch, Kibana};
use serde_json::json;

use super::{Group, NAME, elasticsearch, scenario};
use crate::world::volumes::GROWS;
use crate::world::{Setup, World};

/// Waits until nothing of that kind is left whose name begins with the application's.
async fn none_left<K>(world: &World) -> Result<()>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    for (name, object) in world.all::<K>().await? {
        if name.contains(NAME) {
            world.until_gone(&object).await?;
        }
    }
    Ok(())
}

async fn nothing_is_left(world: &World) -> Result<()> {
    none_left::<StatefulSet>(world).await?;
    none_left::<Deployment>(world).await?;
    none_left::<Pod>(world).await?;
    none_left::<Service>(world).await?;
    none_left::<Secret>(world).await?;
    none_left::<ConfigMap>(world).await?;
    none_left::<PodDisruptionBudget>(world).await
}

const REFERRERS: &str = "
apiVersion: kibana.k8s.elastic.co/v1
kind: Kibana
metadata: {name: quickstart}
spec: {version: 8.15.3, count: 1, elasticsearchRef: {name: quickstart}}
---
apiVersion: apm.k8s.elastic.co/v1
kind: ApmServer
metadata: {name: quickstart}
spec: {version: 8.15.3, count: 1, elasticsearchRef: {name: quickstart}, kibanaRef: {name: quickstart}}
";

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_with_its_owner() -> Result<()> {
    scenario("deletion", Setup::default(), async |world| {
        let groups = [Group::new("default", 3).with_storage(GROWS, "1Gi")];
        world.apply(&elasticsearch("8.15.3", &groups).to_string()).await?;
        world.apply(REFERRERS).await?;
        world.until_ready(NAME, 3).await?;
        let established = Some(AssociationState::Established);
        world
            .until::<ApmServer>(NAME, |apm| {
                let status = apm.status.clone().unwrap_or_default();
                status.elasticsearch_association_status == established
                    && status.kibana_association_status == established
            })
            .await?;
        world.until::<Deployment>("quickstart-apm-server", |_| true).await?;
        world.until::<Deployment>("quickstart-kb", |_| true).await?;
        world.delete::<ApmServer>(NAME).await?;
        world.delete::<Kibana>(NAME).await?;
        let deployments = world.all::<Deployment>().await?;
        for deployment in deployments.values() {
            world.until_gone(deployment).await?;
        }
        let of_referrers =
            |name: &String| name.contains("-kb-") || name.contains("kibana-user") || name.contains("apm");
        for (name, secret) in world.all::<Secret>().await? {
            if of_referrers(&name) {
                world.until_gone(&secret).await?;
            }
        }
        world
            .until::<Secret>("quickstart-es-xpack-file-realm", |realm| {
                let text = |key: &str| {
                    let data = realm.data.as_ref().and_then(|data| data.get(key));
                    String::from_utf8_lossy(&data.map(|text| text.0.clone()).unwrap_or_default()).into_owned()
                };
                text("service_tokens").is_empty() && !text("users").contains("apm")
            })
            .await?;

        world.nodes.give_up(NAME);
        world.delete::<Elasticsearch>(NAME).await?;
        nothing_is_left(world).await?;
        none_left::<PersistentVolumeClaim>(world).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_outlive_their_cluster_where_the_policy_says_so() -> Result<()> {
    scenario("deletion-claims", Setup::default(), async |world| {
        let groups = [Group::new("default", 2).with_storage(GROWS, "1Gi")];
        let mut cluster = elasticsearch("8.15.3", &groups);
        cluster["spec"]["volumeClaimDeletePolicy"] = json!("DeleteOnScaledownOnly");
        world.apply(&cluster.to_string()).await?;
        world.until_ready(NAME, 2).await?;
        let before: BTreeSet<String> = world.all::<PersistentVolumeClaim>().await?.into_keys().collect();
        ensure!(before.len() == 2);
        world.nodes.give_up(NAME);
        let es = world.api::<Elasticsearch>().get(NAME).await?;
        world.delete::<Elasticsearch>(NAME).await?;
        nothing_is_left(world).await?;
        world.until_gone(&es).await?;
        for (name, claim) in world.all::<PersistentVolumeClaim>().await? {
            ensure!(claim.metadata.deletion_timestamp.is_none(), "{name} goes");
        }
        // The same name again takes the same volumes.
        world.apply(&cluster.to_string()).await?;
        world.until_ready(NAME, 2).await?;
        let after: BTreeSet<String> = world.all::<PersistentVolumeClaim>().await?.into_keys().collect();
        ensure!(after == before);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_while_nobody_looked_is_cleaned_up_after() -> Result<()> {
    scenario("deletion-unseen", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        world.nodes.give_up(NAME);
        let operator = world.operator().await.take().context("an operator")?;
        operator.kill().await;
        let es = world.api::<Elasticsearch>().get(NAME).await?;
        world.delete::<Elasticsearch>(NAME).await?;
        world.until_gone(&es).await?;
        let kept = world.api::<Secret>().get("quickstart-es-elastic-user").await?;
        ensure!(kept.metadata.deletion_timestamp.is_none(), "nobody collects it but the operator");
        world.restart_operator().await?;
        nothing_is_left(world).await
    })
    .await
}
