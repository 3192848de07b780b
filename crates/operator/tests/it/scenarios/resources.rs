//! What Elasticsearch is told of the nodes that there will be.

use anyhow::{Context as _, Result, ensure};
use kube::ResourceExt as _;
use parapet_api::annotations::ORCHESTRATION_HINTS;
use parapet_api::{ConditionState, ConditionType, Elasticsearch};
use serde_json::{Value, json};

use super::{Group, NAME, elasticsearch, scenario};
use crate::world::volumes::GROWS;
use crate::world::{Setup, is_ready};

fn aware(es: &Elasticsearch) -> Option<(ConditionState, String)> {
    let conditions = es.status.iter().flat_map(|status| &status.conditions);
    let mut aware = conditions.filter(|one| one.kind == ConditionType::ResourcesAwareManagement);
    aware.next().map(|one| (one.status, one.message.clone().unwrap_or_default()))
}

fn hint(es: &Elasticsearch) -> Value {
    let hints = es.annotations().get(ORCHESTRATION_HINTS).and_then(|text| serde_json::from_str(text).ok());
    hints.map_or(Value::Null, |hints: Value| hints["desired_nodes"]["version"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_knows_what_its_nodes_will_have() -> Result<()> {
    scenario("resources", Setup::default(), async |world| {
        let group =
            Group::new("default", 3).with_roles(&["master", "data", "ingest"]).with_storage(GROWS, "1Gi");
        let mut cluster = elasticsearch("8.15.3", std::slice::from_ref(&group));
        world.apply(&cluster.to_string()).await?;
        let es = world.until_ready(NAME, 3).await?;
        let (state, why) = aware(&es).context("a condition")?;
        ensure!(state == ConditionState::False && why.contains("no request and no limit of CPU"), "{why}");

        cluster["spec"]["nodeSets"][0]["resources"] =
            json!({ "requests": { "cpu": "500m" }, "limits": { "cpu": 2, "memory": "4Gi" } });
        world.apply(&cluster.to_string()).await?;
        let known = |es: &Elasticsearch| {
            is_ready(es, 3) && aware(es).is_some_and(|(state, _)| state == ConditionState::True)
        };
        let es = world.until::<Elasticsearch>(NAME, known).await?;
        ensure!(hint(&es) == 1, "{}", hint(&es));
        let scripted = world.elasticsearch(NAME).await?;
        let told = scripted.state(|state| state.desired_nodes.clone()).context("it was told")?;
        let node = |name: &str| {
            json!({
                "settings": {
                    "node.name": name, "node.external_id": name, "node.roles": ["master", "data", "ingest"],
                },
                "processors_range": { "min": 0.5, "max": 2.0 },
                "memory": "4294967296b", "storage": "1073741824b",
            })
        };
        let expected = json!({
            "history_id": es.uid(), "version": 1,
            "nodes": [node("quickstart-es-default-0"), node("quickstart-es-default-1"), node("quickstart-es-default-2")],
        });
        ensure!(told == expected, "{told:#}");

        // Nothing is told twice, also not by the next operator; one more node is.
        scripted.forget_calls();
        world.restart_operator().await?;
        world.operator().await.as_ref().context("it runs")?.passed(1, 3).await;
        world.until::<Elasticsearch>(NAME, known).await?;
        let puts = |path: &str| {
            scripted.calls().iter().filter(|call| call.method == "PUT" && call.path.starts_with(path)).count()
        };
        ensure!(puts("/_internal/desired_nodes") == 0);
        cluster["spec"]["nodeSets"][0]["count"] = json!(4);
        world.apply(&cluster.to_string()).await?;
        let es = world.until::<Elasticsearch>(NAME, |es| is_ready(es, 4) && hint(es) == 2).await?;
        ensure!(aware(&es).is_some_and(|(state, _)| state == ConditionState::True));
        let told = scripted.state(|state| state.desired_nodes.clone()).context("it was told")?;
        ensure!(
            told["version"] == 2 && told["nodes"].as_array().is_some_and(|nodes| nodes.len() == 4),
            "{told:#}"
        );

        // What isn't known any more is taken back.
        cluster["spec"]["nodeSets"][0]["resources"] = json!({ "limits": { "memory": "4Gi" } });
        world.apply(&cluster.to_string()).await?;
        let unknown = |es: &Elasticsearch| {
            is_ready(es, 4) && aware(es).is_some_and(|(state, _)| state == ConditionState::False)
        };
        let es = world.until::<Elasticsearch>(NAME, unknown).await?;
        ensure!(hint(&es) == Value::Null && scripted.state(|state| state.desired_nodes.is_none()));
        Ok(())
    })
    .await
}
