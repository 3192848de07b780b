//! What `parapet operator explain` says of applications of a real API server.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use parapet_api::annotations::DISABLE_UPGRADE_PREDICATES;
use parapet_api::{Elasticsearch, Kibana, Kind, Phase};
use parapet_operator::explain::{Explanation, explain, gather};
use serde_json::json;

use crate::scenarios::references::told_that;
use crate::world::World;

const CLUSTER: &str = r#"
apiVersion: elasticsearch.k8s.elastic.co/v1
kind: Elasticsearch
metadata: {name: es}
spec:
  version: 8.15.3
  nodeSets: [{name: default, count: 1}]
"#;

const WAITING: &str = r#"
apiVersion: kibana.k8s.elastic.co/v1
kind: Kibana
metadata: {name: kb}
spec:
  version: 8.15.3
  count: 1
  elasticsearchRef: {name: nowhere}
"#;

const WATCHED: &str = r#"
apiVersion: elasticsearch.k8s.elastic.co/v1
kind: Elasticsearch
metadata:
  name: watched
  annotations: {eck.k8s.elastic.co/disable-upgrade-predicates: "one_master, require_started_replica"}
spec:
  version: 8.15.3
  nodeSets: [{name: default, count: 1}]
  monitoring: {metrics: {elasticsearchRefs: [{name: nowhere}]}}
"#;

async fn explained(world: &World, kind: Kind, name: &str) -> Result<Explanation> {
    let facts = gather(&world.client, kind, &world.namespace, name, Timestamp::now()).await?;
    Ok(explain(&facts.context("it is there")?))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_an_application_is_said_and_what_is_fine_is_fine() -> Result<()> {
    let Some(world) = World::start("explained").await? else { return Ok(()) };
    let world = world.with_volumes().await?;
    world.testbed.kwok().await?;
    world.apply(CLUSTER).await?;
    world.until_ready("es", 1).await?;
    let fine = explained(&world, Kind::Elasticsearch, "es").await?;
    assert!(fine.is_fine(), "{fine}");
    assert_eq!(fine.standing, "Ready, health green, 1 of 1 nodes ready, runs 8.15.3");

    // A specification that is refused.
    let bad = serde_json::json!({ "spec": { "version": "8.15" } });
    world.merge::<Elasticsearch>("es", bad).await?;
    let invalid =
        |es: &Elasticsearch| es.status.as_ref().is_some_and(|status| status.phase == Some(Phase::Invalid));
    world.until("es", invalid).await?;
    let refused = explained(&world, Kind::Elasticsearch, "es").await?;
    assert!(refused.blocked_by[0].starts_with("It is refused: spec.version"), "{refused}");

    // A reference to nothing.
    world.apply(WAITING).await?;
    world.until::<Kibana>("kb", |kibana| kibana.status.is_some()).await?;
    told_that(&world, &world.namespace, "AssociationError", "nowhere").await?;
    let waits = explained(&world, Kind::Kibana, "kb").await?;
    let place =
        format!("elasticsearchRef names Elasticsearch {}/nowhere, which doesn't exist", world.namespace);
    assert_eq!(waits.blocked_by, [place]);
    assert!(waits.lately.iter().any(|said| said.contains("warning AssociationError")), "{waits}");

    assert!(
        gather(&world.client, Kind::ApmServer, &world.namespace, "es", Timestamp::now()).await?.is_none()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_metrics_go_is_a_reference_and_a_predicate_that_is_none_is_odd() -> Result<()> {
    let Some(world) = World::start("explained-odd").await? else { return Ok(()) };
    world.apply(WATCHED).await?;
    let has_states = |es: &Elasticsearch| {
        es.status.as_ref().is_some_and(|status| status.monitoring_association_status.is_some())
    };
    world.until("watched", has_states).await?;
    told_that(&world, &world.namespace, "Validation", "\"one_master\" is no upgrade predicate").await?;
    let explained = explained(&world, Kind::Elasticsearch, "watched").await?;
    let place =
        format!("monitoring.metrics names Elasticsearch {}/nowhere, which doesn't exist", world.namespace);
    assert!(explained.blocked_by.contains(&place), "{explained}");
    assert!(
        explained.odd.iter().any(|odd| odd.contains("\"one_master\" is no upgrade predicate")),
        "{explained}"
    );

    // Told once, whatever passes there are, and anew when it is another name.
    let other = json!({ "metadata": { "annotations": { DISABLE_UPGRADE_PREDICATES: "another" } } });
    world.merge::<Elasticsearch>("watched", other).await?;
    told_that(&world, &world.namespace, "Validation", "\"another\" is no upgrade predicate").await?;
    let events = world.api::<Event>().list(&Default::default()).await?.items;
    let first = events
        .iter()
        .filter(|event| event.message.as_deref().is_some_and(|note| note.contains("\"one_master\"")));
    assert_eq!(first.count(), 1);
    Ok(())
}
