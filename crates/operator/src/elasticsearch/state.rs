//! From objects to what decisions are made on.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use parapet_api::{Application as _, Elasticsearch, StackVersion, VersionError, annotations, labels};
use parapet_orchestrate::{Budget, Desired, Disabled, Live, NodeSet, Observed, Roles, State};

/// The name of Elasticsearch's container.
const CONTAINER: &str = "elasticsearch";
/// The label that the StatefulSet controller gives to pods.
const REVISION: &str = "controller-revision-hash";

/// What there is of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Objects<'a> {
    /// The specification.
    pub elasticsearch: &'a Elasticsearch,
    /// What was built from it, one per group of nodes, in its order; `spec.replicas` is the specified number.
    pub desired: &'a [StatefulSet],
    /// What exists.
    pub live: &'a [&'a StatefulSet],
    /// The names of those of the existing ones that differ from what was built, their replicas aside.
    pub changed: &'a BTreeSet<String>,
    /// All pods of the cluster.
    pub pods: &'a [&'a Pod],
}

/// The state to decide on. `unsettled` is left empty: what the expectations say of this very state belongs there.
///
/// # Errors
/// The specification's version isn't one.
pub fn state(objects: Objects<'_>, observed: Observed) -> Result<State, VersionError> {
    let es = objects.elasticsearch;
    let status = es.status.as_ref();
    let pods: Vec<_> = objects.pods.iter().filter_map(|pod| observed_pod(pod)).collect();
    let said = status.and_then(|status| status.version.as_deref()).and_then(|version| version.parse().ok());
    // A specification that was refused leaves no version in the status, whatever runs.
    let running = said.or_else(|| pods.iter().filter_map(|pod| pod.version.clone()).min());
    let (disabled, _) =
        Disabled::parse(es.annotation(annotations::DISABLE_UPGRADE_PREDICATES).unwrap_or_default());
    Ok(State {
        version: es.spec.version.parse()?,
        running,
        node_sets: node_sets(objects),
        pods,
        observed,
        budget: Budget::from(&es.spec.update_strategy.change_budget),
        disabled,
        paused: es.annotation(annotations::PAUSE_ORCHESTRATION) == Some("true"),
        formed: es.annotation(annotations::CLUSTER_UUID).is_some_and(|uuid| !uuid.is_empty()),
        unsettled: Vec::new(),
    })
}

fn node_sets(objects: Objects<'_>) -> Vec<NodeSet> {
    let name = |set: &StatefulSet| set.metadata.name.clone().unwrap_or_default();
    let mut live: BTreeMap<String, &StatefulSet> = objects.live.iter().map(|set| (name(set), *set)).collect();
    let as_live = |set: &StatefulSet| live_set(set, objects.changed.contains(&name(set)));
    let mut sets: Vec<NodeSet> = Vec::with_capacity(objects.desired.len());
    for built in objects.desired {
        let name = name(built);
        let spec = built.spec.as_ref();
        let desired = Desired {
            count: spec
                .and_then(|spec| spec.replicas)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or_default(),
            roles: roles(spec.map(|spec| &spec.template)),
        };
        let live = live.remove(&name).map(as_live);
        sets.push(NodeSet { name, desired: Some(desired), live });
    }
    let rest = live.into_iter().map(|(name, set)| NodeSet { name, desired: None, live: Some(as_live(set)) });
    sets.extend(rest);
    sets
}

fn live_set(set: &StatefulSet, changed: bool) -> Live {
    let (spec, status) = (set.spec.as_ref(), set.status.as_ref());
    let template = spec.map(|spec| &spec.template);
    Live {
        uid: set.metadata.uid.clone().unwrap_or_default(),
        // The API server fills in 1.
        replicas: spec.and_then(|spec| spec.replicas).and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
        generation: set.metadata.generation.unwrap_or_default(),
        observed_generation: status.and_then(|status| status.observed_generation).unwrap_or_default(),
        update_revision: status.and_then(|status| status.update_revision.clone()).unwrap_or_default(),
        version: version(template.and_then(template_labels)),
        roles: roles(template),
        changed,
    }
}

/// `None` for a pod that no StatefulSet made.
fn observed_pod(pod: &Pod) -> Option<parapet_orchestrate::Pod> {
    let labels = pod.metadata.labels.as_ref()?;
    let name = pod.metadata.name.clone()?;
    let set = labels.get(labels::STATEFULSET_NAME)?.clone();
    let ordinal = name.strip_prefix(&set)?.strip_prefix('-')?.parse().ok()?;
    let status = pod.status.as_ref();
    let ready = status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut containers = status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let main = containers.find(|container| container.name == CONTAINER);
    let restarts = main.and_then(|main| u32::try_from(main.restart_count).ok()).unwrap_or_default();
    let runs = main.and_then(|main| main.state.as_ref()).is_some_and(|state| state.running.is_some());
    Some(parapet_orchestrate::Pod {
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        resource_version: pod.metadata.resource_version.clone().unwrap_or_default(),
        revision: labels.get(REVISION).cloned().unwrap_or_default(),
        ready: ready.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        pending: status.and_then(|status| status.phase.as_deref()) == Some("Pending"),
        restarts,
        looping: restarts > 0 && !runs,
        version: version(Some(labels)),
        roles: Roles::of_labels(labels),
        name,
        set,
        ordinal,
    })
}

fn template_labels(template: &PodTemplateSpec) -> Option<&BTreeMap<String, String>> {
    template.metadata.as_ref()?.labels.as_ref()
}

fn roles(template: Option<&PodTemplateSpec>) -> Roles {
    template.and_then(template_labels).map(Roles::of_labels).unwrap_or_default()
}

fn version(labels: Option<&BTreeMap<String, String>>) -> Option<StackVersion> {
    labels?.get(labels::ELASTICSEARCH_VERSION)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(ordinal: u32, version: &str) -> Pod {
        let labels = json!({
            labels::STATEFULSET_NAME: "a-es-default",
            labels::ELASTICSEARCH_VERSION: version,
        });
        let name = format!("a-es-default-{ordinal}");
        serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } })).unwrap()
    }

    #[track_caller]
    fn runs(status: serde_json::Value, pods: &[Pod], expected: Option<&str>) {
        let elasticsearch: Elasticsearch = serde_json::from_value(json!({
            "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch",
            "metadata": { "name": "a" },
            "spec": { "version": "8.16.0", "nodeSets": [{ "name": "default", "count": 3 }] },
            "status": status,
        }))
        .unwrap();
        let pods: Vec<&Pod> = pods.iter().collect();
        let (desired, live, changed) = (&[], &[], &BTreeSet::new());
        let objects = Objects { elasticsearch: &elasticsearch, desired, live, changed, pods: &pods };
        let state = state(objects, Observed::default()).unwrap();
        assert_eq!(state.running.map(|version| version.to_string()).as_deref(), expected);
        assert_eq!(state.pods.len(), pods.len());
    }

    #[test]
    fn where_the_status_says_no_version_the_lowest_pod_does() {
        let pods = [pod(0, "8.16.0"), pod(1, "8.15.3"), pod(2, "8.16.0")];
        runs(json!({ "phase": "Invalid" }), &pods, Some("8.15.3"));
        runs(json!({ "version": "8.14.0" }), &pods, Some("8.14.0"));
        runs(json!({ "phase": "Invalid" }), &[], None);
    }
}
