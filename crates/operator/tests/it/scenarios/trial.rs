//! Pods that the API server refuses, for what they are or for the moment.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, Pod, ResourceQuota};
use kube::Api;
use kube::api::{Patch, PatchParams};
use parapet_api::Elasticsearch;
use serde_json::{Value, json};

use super::references::told_that;
use super::{Group, NAME, elasticsearch, says, scenario};
use crate::world::Setup;

const SET: &str = "quickstart-es-default";
const POD: &str = "quickstart-es-default-0";

/// The change to a cluster of so many nodes whose pods have this besides.
fn template(nodes: u32, spec: Value) -> Value {
    let mut cluster = elasticsearch("8.15.3", &[Group::new("default", nodes)]);
    let template = &mut cluster["spec"]["nodeSets"][0]["podTemplate"];
    for (key, value) in spec.as_object().into_iter().flatten() {
        match template[key].as_object_mut() {
            Some(all) => all.extend(value.as_object().cloned().unwrap_or_default()),
            None => template[key] = value.clone(),
        }
    }
    json!({ "spec": { "nodeSets": cluster["spec"]["nodeSets"] } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_the_pods_use_up_holds_no_update_back() -> Result<()> {
    scenario("trial-quota", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 3)]).to_string()).await?;
        world.until_ready(NAME, 3).await?;
        let before = world.api::<Pod>().get(POD).await?;
        let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "three" },
            "spec": { "hard": { "pods": "3" } } });
        world.apply(&quota.to_string()).await?;
        let is_used_up = |quota: &ResourceQuota| {
            let used = quota.status.as_ref().and_then(|status| status.used.as_ref());
            used.and_then(|used| used.get("pods")).is_some_and(|pods| pods.0 == "3")
        };
        world.until::<ResourceQuota>("three", is_used_up).await?;
        let labelled = template(3, json!({ "metadata": { "labels": { "of": "the-new-template" } } }));
        world.merge::<Elasticsearch>(NAME, labelled).await?;
        let is_new = |pod: &Pod| {
            let labels = pod.metadata.labels.as_ref();
            pod.metadata.uid != before.metadata.uid && labels.is_some_and(|all| all.contains_key("of"))
        };
        world.until::<Pod>(POD, is_new).await?;
        world.until_ready(NAME, 3).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_namespace_forbids_is_said_and_takes_no_pod_away() -> Result<()> {
    scenario("trial-forbidden", Setup::default(), async |world| {
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        let (pod, set) = (world.api::<Pod>().get(POD).await?, world.api::<StatefulSet>().get(SET).await?);
        let enforced =
            json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "baseline" } } });
        let namespaces = Api::<Namespace>::all(world.client.clone());
        namespaces.patch(&world.namespace, &PatchParams::default(), &Patch::Merge(enforced)).await?;
        world.merge::<Elasticsearch>(NAME, template(1, json!({ "spec": { "hostNetwork": true } }))).await?;
        let words = "The pods of quickstart-es-default would be refused";
        let es = world.until::<Elasticsearch>(NAME, |es| says(es, words)).await?;
        ensure!(says(&es, "violates PodSecurity"), "{:#?}", es.status);
        told_that(world, &world.namespace, "ReconciliationError", words).await?;
        if let Some(operator) = &*world.operator().await {
            operator.look_at_all(2).await;
        }
        let now = (world.api::<Pod>().get(POD).await?, world.api::<StatefulSet>().get(SET).await?);
        ensure!(
            (now.0.metadata.uid, now.1.metadata.generation) == (pod.metadata.uid, set.metadata.generation)
        );
        world.merge::<Elasticsearch>(NAME, template(1, json!({}))).await?;
        world.until::<Elasticsearch>(NAME, |es| !says(es, words) && crate::world::is_ready(es, 1)).await?;
        Ok(())
    })
    .await
}
