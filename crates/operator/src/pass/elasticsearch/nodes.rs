//! Groups of nodes: their configuration, Services and StatefulSets, and the budget of their disruption.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Resource as _;
use parapet_api::{Application as _, Elasticsearch, Health, NodeSet, StackVersion, annotations, names};
use parapet_elastic::config::{self, Yml};
use parapet_elastic::pod::PodInputs;
use parapet_elastic::{disruption, kept_config_hash, pod, services, stateful_set};
use parapet_orchestrate::{Bootstrap, Plan, bootstrap, decide};

use super::state::{self, Wanted, replicas};
use crate::ApplicationKey;
use crate::cluster::Deletion;
use crate::controller::Next;
use crate::pass::{Context, PAUSED_AGAIN, PassError, UNDER_WAY, stateless};

/// What was decided about nodes, for the status.
pub(super) struct Nodes {
    pub(super) plan: Plan,
    pub(super) next: Next,
}

/// A group with its configuration.
struct Group<'a> {
    set: &'a NodeSet,
    yml: Yml,
    roles: config::Roles,
}

pub(super) async fn reconcile(
    cx: &Context,
    key: &ApplicationKey,
    es: &Elasticsearch,
    version: &StackVersion,
    live: &[Arc<StatefulSet>],
    pods: &[Arc<Pod>],
    keystore: Option<Vec<u8>>,
) -> Result<Nodes, PassError> {
    let mut groups = Vec::new();
    for set in &es.spec.node_sets {
        let refused =
            |source| PassError::Config { of: format!("the nodes {}", set.name), source: Box::new(source) };
        let yml = config::elasticsearch(es, set, &cx.options.objects).map_err(refused)?;
        let roles = config::node_roles(&yml, version);
        groups.push(Group { set, yml, roles });
    }
    let mut wanted = Vec::new();
    for group in &groups {
        wanted.push(build(cx, es, version, group, live, keystore.as_deref()).await?);
    }
    let mut state = state::state(es, version, &wanted, live, pods);
    state.unsettled = cx.memory.with(key, |expectations| expectations.pending(&state));
    let masters = match bootstrap(&state, es.annotation(annotations::INITIAL_MASTER_NODES)) {
        Bootstrap::Formed => None,
        Bootstrap::Initial { masters, pin } => {
            if pin && !state.paused {
                let pinned = (annotations::INITIAL_MASTER_NODES.to_owned(), Some(masters.join(",")));
                cx.cluster.annotate::<Elasticsearch>(es.meta(), &BTreeMap::from([pinned])).await?;
            }
            Some(masters)
        }
    };
    let plan = decide(&state);
    if !state.paused {
        for group in &groups {
            configure(cx, es, group, masters.as_deref()).await?;
        }
        carry_out(cx, key, es, &plan, wanted, live).await?;
    }
    budget(cx, es, &groups).await?;
    let next = match (plan.is_empty(), state.paused) {
        (true, _) => Next::Wait,
        (false, true) => Next::After(PAUSED_AGAIN),
        (false, false) => Next::After(UNDER_WAY),
    };
    Ok(Nodes { plan, next })
}

async fn build(
    cx: &Context,
    es: &Elasticsearch,
    version: &StackVersion,
    group: &Group<'_>,
    live: &[Arc<StatefulSet>],
    keystore: Option<&[u8]>,
) -> Result<Wanted, PassError> {
    let name = names::stateful_set(es.object_name(), &group.set.name);
    let live = live.iter().find(|live| live.metadata.name.as_deref() == Some(&name));
    let secret = names::elasticsearch::config(&name);
    let live_config = cx.cluster.get::<Secret>(es.object_namespace(), &secret);
    let text = group.yml.text();
    let computed = stateless::config_hash([Some(text.as_bytes()), keystore].into_iter().flatten());
    let hash = kept_config_hash(live.map(|live| &**live), live_config.as_deref(), &text, computed);
    let inputs = PodInputs {
        settings: &cx.options.objects,
        version,
        config_hash: &hash,
        keystore: keystore.is_some(),
    };
    let template = pod::elasticsearch(es, group.set, &group.roles.labels(version), &inputs);
    let count = u32::try_from(group.set.count).unwrap_or_default();
    let object = stateful_set(es, group.set, template, live.map_or(group.set.count, |live| replicas(live)));
    Ok(Wanted { object, count, roles: state::roles(&group.roles) })
}

/// The configuration, and the Service that gives the pods their names: before the pods.
async fn configure(
    cx: &Context,
    es: &Elasticsearch,
    group: &Group<'_>,
    masters: Option<&[String]>,
) -> Result<(), PassError> {
    let name = names::stateful_set(es.object_name(), &group.set.name);
    let live = cx.cluster.find::<Secret>(es.object_namespace(), &names::elasticsearch::config(&name)).await?;
    let yml = match masters.filter(|_| group.roles.is_master_eligible()) {
        Some(masters) => group.yml.with_initial_masters(masters),
        None => group.yml.clone(),
    };
    cx.apply(&config::elasticsearch_secret(es, group.set, &yml, live.as_deref())).await?;
    cx.apply(&services::headless(es, group.set, &cx.options.objects)).await?;
    Ok(())
}

/// Creates, changes and enlarges StatefulSets, and deletes pods of groups that never came up. All else waits for an answer
/// of Elasticsearch.
async fn carry_out(
    cx: &Context,
    key: &ApplicationKey,
    es: &Elasticsearch,
    plan: &Plan,
    wanted: Vec<Wanted>,
    live: &[Arc<StatefulSet>],
) -> Result<(), PassError> {
    for Wanted { mut object, .. } in wanted {
        let name = object.metadata.name.clone().unwrap_or_default();
        let created = plan.upscale.create.iter().find(|one| one.set == name).map(|one| one.replicas);
        let raised = plan.upscale.raise.iter().find(|one| one.set == name).map(|one| one.to);
        let updated = plan.upscale.update.contains(&name);
        if created.is_none() && raised.is_none() && !updated {
            continue;
        }
        let existing = live.iter().find(|live| live.metadata.name.as_deref() == Some(&name));
        if let (Some(existing), false) = (existing, updated) {
            object = (**existing).clone();
        }
        if let (Some(spec), Some(to)) = (&mut object.spec, created.or(raised)) {
            spec.replicas = i32::try_from(to).ok();
        }
        let written = cx.apply(&object).await?.object;
        let uid = written.metadata.uid.clone().unwrap_or_default();
        let generation = written.metadata.generation.unwrap_or_default();
        cx.memory.with(key, |expectations| expectations.wrote(&name, &uid, generation));
    }
    for doomed in &plan.forced.delete {
        let Some(pod) = cx.cluster.get::<Pod>(es.object_namespace(), &doomed.pod) else { continue };
        cx.cluster.delete::<Pod>(&pod.metadata, Deletion { unchanged: true, orphan: false }).await?;
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        cx.memory.with(key, |expectations| expectations.deleted(&doomed.pod, &uid));
    }
    Ok(())
}

async fn budget(cx: &Context, es: &Elasticsearch, groups: &[Group<'_>]) -> Result<(), PassError> {
    let sizes: Vec<(i32, config::Roles)> =
        groups.iter().map(|group| (group.set.count, group.roles.clone())).collect();
    match disruption::pdb(es, Health::Unknown, &sizes) {
        Some(budget) => drop(cx.apply(&budget).await?),
        None => cx.remove::<PodDisruptionBudget>(es.object_namespace(), &disruption::name(es)).await?,
    }
    Ok(())
}
