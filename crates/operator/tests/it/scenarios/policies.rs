//! NetworkPolicies never cut whoever is connected, whatever happens to clusters and to those that refer to them.

use anyhow::{Context as _, Result, ensure};
use http::Method;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use parapet_api::{AssociationState, Elasticsearch, Kibana};
use parapet_operator::cluster::Custom;
use parapet_operator::settings::NetworkPolicies;
use serde_json::json;

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::volumes::GROWS;
use crate::world::{Setup, is_ready};

const SET: &str = "quickstart-es-default";
const POLICY: &str = "quickstart-es-clients";

/// As one that was taken over has none, also while its only StatefulSet is being made anew.
#[tokio::test(flavor = "multi_thread")]
async fn larger_volumes_bring_no_policy_to_a_cluster_that_has_none() -> Result<()> {
    let setup = Setup { network_policies: NetworkPolicies::New, ..Setup::default() };
    scenario("policies-volumes", setup, async |world| {
        let of = |size| [Group::new("default", 2).with_storage(GROWS, size)];
        world.apply(&elasticsearch("8.15.3", &of("1Gi")).to_string()).await?;
        world.until_ready(NAME, 2).await?;
        let policy = world.until::<NetworkPolicy>(POLICY, |_| true).await?;
        world.delete::<NetworkPolicy>(POLICY).await?;
        world.until_gone(&policy).await?;
        let meddler = {
            let operator = world.operator().await;
            let operator = operator.as_ref().context("an operator")?;
            while operator.cluster.get::<NetworkPolicy>("policies-volumes", POLICY).is_some() {
                operator.look_at_all(1).await;
            }
            std::sync::Arc::clone(&operator.meddler)
        };
        let written = meddler.writes().len();
        let old = world.api::<StatefulSet>().get(SET).await?;
        let grown = json!({ "spec": { "nodeSets": node_sets(&of("2Gi")) } });
        world.merge::<Elasticsearch>(NAME, grown).await?;
        world.until_gone(&old).await?;
        let is_made_anew = |es: &Elasticsearch| {
            let annotations = es.metadata.annotations.iter().flatten();
            is_ready(es, 2) && annotations.into_iter().all(|(name, _)| !name.contains("/recreate-"))
        };
        world.until::<StatefulSet>(SET, |set| set.metadata.uid != old.metadata.uid).await?;
        world.until::<Elasticsearch>(NAME, is_made_anew).await?;
        if let Some(operator) = &*world.operator().await {
            operator.look_at_all(2).await;
        }
        let writes = meddler.writes();
        let policies = writes[written..].iter().filter(|asked| asked.path.ends_with("/networkpolicies"));
        ensure!(policies.clone().count() == 0, "{:#?}", policies.collect::<Vec<_>>());
        ensure!(writes[written..].iter().any(|asked| asked.method == Method::DELETE), "it was made anew");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_can_not_be_read_any_more_is_let_in_as_before() -> Result<()> {
    const ELSEWHERE: &str = "policies-unreadable-web";
    let setup = Setup { network_policies: NetworkPolicies::All, others: &[ELSEWHERE], ..Setup::default() };
    scenario("policies-unreadable", setup, async |world| {
        let namespace = world.namespace.as_str();
        world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
        let kibana = json!({
            "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana",
            "metadata": { "name": "k", "namespace": ELSEWHERE },
            "spec": { "version": "8.15.3", "count": 1,
                "elasticsearchRef": { "name": NAME, "namespace": namespace } },
        });
        world.testbed.apply(&kibana.to_string(), ELSEWHERE).await?;
        let is_established = |kibana: &Kibana| {
            let status = kibana.status.as_ref();
            status.and_then(|status| status.association_status) == Some(AssociationState::Established)
        };
        world.until_in::<Kibana>(ELSEWHERE, "k", is_established).await?;
        let lets_in = |policy: &NetworkPolicy| {
            let text = json!(policy.spec).to_string();
            text.contains("\"kibana.k8s.elastic.co/name\":\"k\"") && text.contains(ELSEWHERE)
        };
        world.until::<NetworkPolicy>(POLICY, lets_in).await?;
        let all = Api::<DynamicObject>::namespaced_with(
            world.client.clone(),
            ELSEWHERE,
            &ApiResource::erase::<Kibana>(&()),
        );
        let broken = json!({ "spec": { "podTemplate": { "spec": { "containers": 5 } } } });
        all.patch("k", &PatchParams::default(), &Patch::Merge(broken)).await?;
        {
            let operator = world.operator().await;
            let operator = operator.as_ref().context("an operator")?;
            let is_unreadable = || {
                let found = operator.cluster.application::<Kibana>(ELSEWHERE, "k");
                found.is_some_and(|found| matches!(&*found, Custom::Unreadable(_)))
            };
            while !is_unreadable() {
                operator.look_at_all(1).await;
            }
            operator.look_at_all(2).await;
        }
        let policy = world.api::<NetworkPolicy>().get(POLICY).await?;
        ensure!(lets_in(&policy), "{:#?}", policy.spec);
        // Nothing else stands in the way of a change, such as that its owner declares its clients.
        let declared = json!({ "metadata": { "annotations": { "network.parapet.dev/clients": "[]" } } });
        world.merge::<Elasticsearch>(NAME, declared).await?;
        let lets_in_neighbours =
            |policy: &NetworkPolicy| json!(policy.spec).to_string().contains("{\"podSelector\":{}}");
        ensure!(lets_in_neighbours(&policy), "{:#?}", policy.spec);
        let is_so = |policy: &NetworkPolicy| !lets_in_neighbours(policy) && lets_in(policy);
        world.until::<NetworkPolicy>(POLICY, is_so).await?;
        Ok(())
    })
    .await
}
