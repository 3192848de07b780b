//! Labels of Kubernetes nodes, handed to the pods that run there as annotations: each waits for them before it starts, as its
//! configuration names them (zones, racks).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use parapet_api::{Application as _, Elasticsearch, Kind, annotations};
use parapet_elastic::pod::zone_awareness;
use serde_json::json;

use crate::controller::Next;
use crate::events::{Reason, Related};
use crate::pass::{Context, PassError, UNDER_WAY, controller};

/// Gives every pod that has a node the labels that it waits for. Nodes aren't watched: where one lacks a label, it is looked at
/// again.
pub(super) async fn reconcile(
    cx: &Context,
    es: &Elasticsearch,
    pods: &[Arc<Pod>],
) -> Result<Next, PassError> {
    let listed = es.annotation(annotations::DOWNWARD_NODE_LABELS).unwrap_or_default();
    let listed = listed.split(',').map(str::trim).filter(|label| !label.is_empty());
    let zones = es.spec.node_sets.iter().filter_map(|set| zone_awareness(es, set));
    let wanted: BTreeSet<&str> = listed.chain(zones).collect();
    let mut waiting = BTreeMap::new();
    let mut nodes: BTreeMap<&str, Option<Node>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let Some(name) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) else { continue };
        let has = pod.metadata.annotations.as_ref();
        let missing: Vec<&str> =
            wanted.iter().copied().filter(|label| !has.is_some_and(|has| has.contains_key(*label))).collect();
        if missing.is_empty() {
            continue;
        }
        if !nodes.contains_key(name) {
            nodes.insert(name, cx.cluster.fetch_global::<Node>(name).await.map_err(PassError::Node)?);
        }
        let labels = nodes.get(name).and_then(|node| node.as_ref()?.metadata.labels.as_ref());
        let (mut found, mut lacks) = (BTreeMap::new(), Vec::new());
        for label in missing {
            match labels.and_then(|all| all.get(label)) {
                Some(value) => drop(found.insert(label, value.as_str())),
                None => lacks.push(label),
            }
        }
        if !lacks.is_empty() {
            let (pod, lacks) =
                (pod.metadata.name.as_deref().unwrap_or_default(), lacks.join(" and no label "));
            let note = format!("The pod {pod} waits: its node {name} has no label {lacks}");
            waiting.insert(Related::core("Pod", es.object_namespace(), pod), note);
        }
        if !found.is_empty() {
            let patch = json!({"metadata": {"annotations": found}});
            cx.cluster.merge_patch::<Pod>(&pod.metadata, patch).await?;
        }
    }
    let next = if waiting.is_empty() { Next::Wait } else { Next::After(UNDER_WAY) };
    cx.events.tell_each(controller(Kind::Elasticsearch), es, (Reason::Unexpected, "NodeLabels"), waiting);
    Ok(next)
}
