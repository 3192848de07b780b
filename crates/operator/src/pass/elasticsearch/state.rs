//! What is specified and what exists, as the decisions about nodes take it.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod as LivePod;
use parapet_api::{Application as _, Elasticsearch, StackVersion, annotations, labels, names};
use parapet_elastic::compare::changed;
use parapet_orchestrate::{Budget, Desired, Disabled, Live, NodeSet, Observed, Pod, Role, Roles, State};

/// A StatefulSet as it should be, the number of replicas aside.
pub(super) struct Wanted {
    /// The object.
    pub(super) object: StatefulSet,
    /// How many nodes in the end.
    pub(super) count: u32,
    /// What they do.
    pub(super) roles: Roles,
}

/// The state of one cluster, with nothing known of what Elasticsearch says.
pub(super) fn state(
    es: &Elasticsearch,
    version: &StackVersion,
    wanted: &[Wanted],
    live: &[Arc<StatefulSet>],
    pods: &[Arc<LivePod>],
) -> State {
    let name_of = |set: &StatefulSet| set.metadata.name.clone().unwrap_or_default();
    let mut node_sets: Vec<NodeSet> = wanted
        .iter()
        .map(|wanted| {
            let name = name_of(&wanted.object);
            let live = live.iter().find(|live| name_of(live) == name);
            NodeSet {
                desired: Some(Desired { count: wanted.count, roles: wanted.roles.clone() }),
                live: live.map(|live| existing(live, Some(&wanted.object))),
                name,
            }
        })
        .collect();
    for set in live {
        let name = name_of(set);
        if !node_sets.iter().any(|known| known.name == name) {
            node_sets.push(NodeSet { name, desired: None, live: Some(existing(set, None)) });
        }
    }
    State {
        version: version.clone(),
        running: es.status.as_ref().and_then(|status| status.version.as_deref()?.parse().ok()),
        node_sets,
        pods: pods.iter().filter_map(|live| pod(live)).collect(),
        observed: Observed::default(),
        budget: Budget::from(&es.spec.update_strategy.change_budget),
        disabled: Disabled::default(),
        paused: es.annotation(annotations::PAUSE_ORCHESTRATION) == Some("true"),
        formed: es.annotation(annotations::CLUSTER_UUID).is_some(),
        unsettled: Vec::new(),
    }
}

/// The roles of a group's configuration.
pub(super) fn roles(config: &parapet_elastic::config::Roles) -> Roles {
    Role::ALL.into_iter().filter(|role| config.iter().any(|own| own.as_str() == role.name())).collect()
}

/// How many replicas a StatefulSet has been told to have.
pub(super) fn replicas(set: &StatefulSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn existing(live: &StatefulSet, wanted: Option<&StatefulSet>) -> Live {
    let template = live.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
    let says = template.and_then(|meta| meta.labels.clone()).unwrap_or_default();
    let status = live.status.as_ref();
    let same_size = |wanted: &StatefulSet| {
        let mut wanted = wanted.clone();
        if let Some(spec) = &mut wanted.spec {
            spec.replicas = Some(replicas(live));
        }
        wanted
    };
    Live {
        uid: live.metadata.uid.clone().unwrap_or_default(),
        replicas: u32::try_from(replicas(live)).unwrap_or_default(),
        generation: live.metadata.generation.unwrap_or_default(),
        observed_generation: status.and_then(|status| status.observed_generation).unwrap_or_default(),
        update_revision: status.and_then(|status| status.update_revision.clone()).unwrap_or_default(),
        version: says.get(labels::ELASTICSEARCH_VERSION).and_then(|text| text.parse().ok()),
        roles: Roles::of_labels(&says),
        changed: wanted.is_some_and(|wanted| changed(live, &same_size(wanted)).is_some()),
    }
}

fn pod(live: &LivePod) -> Option<Pod> {
    let says = live.metadata.labels.clone().unwrap_or_default();
    let name = live.metadata.name.clone()?;
    let set = says.get(labels::STATEFULSET_NAME)?.clone();
    let status = live.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let main = containers.iter().find(|one| one.name == "elasticsearch");
    let restarts = main.map_or(0, |one| one.restart_count);
    let running = main.and_then(|one| one.state.as_ref()).is_some_and(|state| state.running.is_some());
    Some(Pod {
        ordinal: names::elasticsearch::ordinal(&set, &name)?,
        uid: live.metadata.uid.clone().unwrap_or_default(),
        resource_version: live.metadata.resource_version.clone().unwrap_or_default(),
        revision: says.get("controller-revision-hash").cloned().unwrap_or_default(),
        ready: conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True"),
        terminating: live.metadata.deletion_timestamp.is_some(),
        pending: status.and_then(|status| status.phase.as_deref()) == Some("Pending"),
        restarts: u32::try_from(restarts).unwrap_or_default(),
        looping: restarts > 0 && !running,
        version: says.get(labels::ELASTICSEARCH_VERSION).and_then(|text| text.parse().ok()),
        roles: Roles::of_labels(&says),
        name,
        set,
    })
}
