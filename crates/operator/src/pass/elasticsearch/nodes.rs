//! Groups of nodes: their configuration, Services and StatefulSets, and which nodes come, go and are made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Resource as _;
use parapet_api::{Application as _, Elasticsearch, NodeSet, StackVersion, annotations, names};
use parapet_elastic::compare::changed;
use parapet_elastic::config::{self, Yml};
use parapet_elastic::pod::PodInputs;
use parapet_elastic::{config_hash, disruption, pod, services, stateful_set, with_config_hash};
use parapet_orchestrate::{Bootstrap, Plan, State, bootstrap, decide};

use super::act::Acting;
use super::licence::Ensured;
use super::observe::Known;
use super::{claims, desired_nodes, leftovers, licence, trial};
use crate::ApplicationKey;
use crate::controller::Next;
use crate::elasticsearch::{ClientError, Objects, state};
use crate::events::{News, Reason};
use crate::pass::monitoring::Monitored;
use crate::pass::own::Own;
use crate::pass::{Context, PAUSED_AGAIN, PassError, UNDER_WAY, controller, stateless};

pub(super) use super::existing::Existing;

/// What was decided about nodes, for the status.
pub(super) struct Nodes {
    pub(super) state: State,
    pub(super) plan: Plan,
    /// What can't be done now, in sentences.
    pub(super) held: Vec<String>,
    /// Calls of Elasticsearch that failed and are made again, in sentences.
    pub(super) unanswered: Vec<String>,
    pub(super) next: Next,
    /// Whether Elasticsearch knows what its nodes have; nothing for versions that can't be told.
    pub(super) aware: Option<desired_nodes::Aware>,
}

/// A group with its configuration.
struct Group<'a> {
    set: &'a NodeSet,
    yml: Yml,
    roles: config::Roles,
}

/// What pods are made of besides the specification.
pub(super) struct Inputs<'a> {
    pub(super) version: &'a StackVersion,
    /// The content of the keystore, if there is one.
    pub(super) keystore: Option<Vec<u8>>,
    /// The Beats beside it.
    pub(super) monitored: &'a Monitored,
}

pub(super) async fn reconcile(
    own: Own<'_>,
    key: &ApplicationKey,
    es: &Elasticsearch,
    inputs: &Inputs<'_>,
    existing: &Existing,
    known: &Known,
) -> Result<Nodes, PassError> {
    let (cx, version) = (own.cx, inputs.version);
    let mut groups = Vec::new();
    for set in &es.spec.node_sets {
        let refused =
            |source| PassError::Config { of: format!("the nodes {}", set.name), source: Box::new(source) };
        let yml = config::elasticsearch(es, set, &cx.options.objects).map_err(refused)?;
        let roles = config::node_roles(&yml, version);
        groups.push(Group { set, yml, roles });
    }
    let wanted: Vec<StatefulSet> =
        groups.iter().map(|group| build(cx, es, inputs, group, existing)).collect();
    let mut state = observed(es, &wanted, existing, known)?;
    // It may have been formed since the application was read, or have lost the annotation that says so.
    state.formed |= known.last.cluster_uuid.is_some();
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
    budget(cx, es, known, &groups).await?;
    let plan = decide(&state);
    let (mut held, mut failed) = (Vec::new(), Vec::new());
    let mut again = Next::Wait;
    if !state.paused {
        let acting = Acting { cx, key, es, known, live: &existing.sets, pods: &existing.pods };
        acting.look_after_the_unanswered().await?;
        if claims::made_anew(&acting).await? {
            held.push("A StatefulSet is being made anew around its pods, for larger volumes".to_owned());
            return Ok(Nodes { state, plan, held, unanswered: failed, next: Next::Soon, aware: None });
        }
        for group in &groups {
            configure(own, es, group, masters.as_deref()).await?;
        }
        held.extend(claims::reconcile(&acting, &wanted).await?);
        held.extend(upscale(&acting, &plan, &wanted, existing).await?);
        acting.force(&plan.forced).await?;
        if let Err(error) = down(&acting, &plan).await {
            again = after(&error);
            failed.push(unanswered(cx, es, error)?);
        } else {
            cx.events.over_at(es, Reason::Delayed, "Reconciliation");
        }
        leftovers::remove(cx, es, &wanted, &existing.sets).await?;
    }
    let aware = match resources(&groups, &wanted, version) {
        None => None,
        Some(nodes) => match desired_nodes::reconcile(cx, es, nodes, existing, known).await {
            Ok(aware) => Some(aware),
            Err(error) => {
                again = again.sooner(after(&error));
                let why = unanswered(cx, es, error)?;
                failed.push(why.clone());
                Some(Err(why))
            }
        },
    };
    let licence = match licence::reconcile(cx, key, es, known).await {
        Ok(Ensured { next, refused }) => {
            held.extend(refused);
            next
        }
        Err(error) => {
            again = again.sooner(after(&error));
            failed.push(unanswered(cx, es, error)?);
            Next::Wait
        }
    };
    known.observer.attend(&state, &plan);
    let is_done = plan.is_empty() && held.is_empty() && failed.is_empty();
    let next = match (is_done, state.paused) {
        (true, _) => Next::Wait,
        (false, true) => Next::After(PAUSED_AGAIN),
        (false, false) => Next::After(UNDER_WAY),
    };
    Ok(Nodes { state, plan, held, unanswered: failed, next: next.sooner(licence).sooner(again), aware })
}

/// All nodes that there will be and what they have, or why that isn't known; nothing for versions that can't be told.
fn resources(
    groups: &[Group<'_>],
    wanted: &[StatefulSet],
    version: &StackVersion,
) -> Option<Result<Vec<serde_json::Value>, String>> {
    let of = |(group, set): (&Group<'_>, &StatefulSet)| {
        parapet_elastic::desired_nodes(set, &group.yml, version).map_err(|error| error.to_string())
    };
    let all = || groups.iter().zip(wanted).map(of).collect::<Result<Vec<_>, _>>();
    desired_nodes::is_possible(version).then(|| all().map(|nodes| nodes.concat()))
}

/// What needs an answer of Elasticsearch.
async fn down(acting: &Acting<'_>, plan: &Plan) -> Result<(), PassError> {
    acting.downscale(&plan.downscale).await?;
    acting.restart(&plan.restart).await
}

/// When a call that failed is made again: soon, and later each time, if it failed at once. One that was waited for in vain holds a
/// worker each time: the cluster is let be for a while.
fn after(error: &PassError) -> Next {
    match error {
        PassError::Elasticsearch(ClientError::Deadline { .. } | ClientError::Spent { .. }) => Next::Wait,
        PassError::LetBe { left, .. } => Next::After(*left),
        _ => Next::Soon,
    }
}

/// Elasticsearch couldn't be told: nothing is lost, and the next pass decides again.
fn unanswered(cx: &Context, es: &Elasticsearch, error: PassError) -> Result<String, PassError> {
    match &error {
        PassError::Elasticsearch(_) | PassError::NobodyToAsk | PassError::LetBe { .. } => {
            let text = error.to_string();
            let news = News::warning(Reason::Delayed, "Reconciliation", text.clone());
            cx.events.tell(controller(parapet_api::Kind::Elasticsearch), es, news);
            Ok(text)
        }
        _ => Err(error),
    }
}

fn observed(
    es: &Elasticsearch,
    wanted: &[StatefulSet],
    existing: &Existing,
    known: &Known,
) -> Result<State, PassError> {
    let differs = |wanted: &StatefulSet| {
        let name = wanted.metadata.name.clone().unwrap_or_default();
        let live = existing.set(&name)?;
        changed(&**live, &resized(wanted, replicas(live))).map(|_| name)
    };
    let differing: BTreeSet<String> = wanted.iter().filter_map(differs).collect();
    let sets: Vec<&StatefulSet> = existing.sets.iter().map(|set| &**set).collect();
    let pods: Vec<&Pod> = existing.pods.iter().map(|pod| &**pod).collect();
    let objects =
        Objects { elasticsearch: es, desired: wanted, live: &sets, changed: &differing, pods: &pods };
    Ok(state(objects, known.observer.details())?)
}

/// As specified, the number of replicas included.
fn build(
    cx: &Context,
    es: &Elasticsearch,
    inputs: &Inputs<'_>,
    group: &Group<'_>,
    existing: &Existing,
) -> StatefulSet {
    let (version, keystore) = (inputs.version, inputs.keystore.as_deref());
    let name = names::stateful_set(es.object_name(), &group.set.name);
    let live = existing.set(&name);
    let secret = names::elasticsearch::config(&name);
    let live_config = cx.cluster.get::<Secret>(es.object_namespace(), &secret);
    let text = group.yml.text();
    let computed = config_hash([Some(text.as_bytes()), keystore].into_iter().flatten());
    let build = |hash: &str| {
        let settings = &cx.options.objects;
        let pod = PodInputs { settings, version, config_hash: hash, keystore: keystore.is_some() };
        let template = pod::elasticsearch(es, group.set, &group.roles.labels(version), &pod);
        stateful_set(es, group.set, inputs.monitored.pods(template), group.set.count)
    };
    let same = stateless::says_the_same(live_config.as_deref(), "elasticsearch.yml", text.as_bytes());
    let live = live.map(|live| &**live);
    with_config_hash(live, annotations::ELASTICSEARCH_CONFIG_HASH, &computed, build, |_| same)
}

/// The configuration, and the Service that gives the pods their names: before the pods.
async fn configure(
    own: Own<'_>,
    es: &Elasticsearch,
    group: &Group<'_>,
    masters: Option<&[String]>,
) -> Result<(), PassError> {
    let name = names::stateful_set(es.object_name(), &group.set.name);
    let live = own.find::<Secret>(es.object_namespace(), &names::elasticsearch::config(&name)).await?;
    let yml = match masters.filter(|_| group.roles.is_master_eligible()) {
        Some(masters) => group.yml.with_initial_masters(masters),
        None => group.yml.clone(),
    };
    own.apply(&config::elasticsearch_secret(es, group.set, &yml, live.as_deref())).await?;
    own.apply(&services::headless(es, group.set, &own.cx.options.objects)).await?;
    Ok(())
}

/// Creates, changes and enlarges StatefulSets. One whose pods the API server would refuse waits, and says why.
async fn upscale(
    acting: &Acting<'_>,
    plan: &Plan,
    wanted: &[StatefulSet],
    existing: &Existing,
) -> Result<Vec<String>, PassError> {
    let cx = acting.cx;
    let mut held = Vec::new();
    for wanted in wanted {
        let name = wanted.metadata.name.clone().unwrap_or_default();
        let created = plan.upscale.create.iter().find(|one| one.set == name).map(|one| one.replicas);
        let raised = plan.upscale.raise.iter().find(|one| one.set == name).map(|one| one.to);
        let stays = |live: &Arc<StatefulSet>| claims::other_volumes(live, wanted);
        let updated = plan.upscale.update.contains(&name) && !existing.set(&name).is_some_and(stays);
        if created.is_none() && !updated {
            if let (Some(to), Some(live)) = (raised, existing.set(&name)) {
                acting.resize(live, to).await?;
            }
            continue;
        }
        if let Some(refusal) = trial::refusal(cx, acting.es, wanted).await? {
            held.push(refusal);
            continue;
        }
        let live = existing.set(&name).map(|live| u32::try_from(replicas(live)).unwrap_or_default());
        let size = created.or(raised).or(live).and_then(|size| i32::try_from(size).ok());
        let new = resized(wanted, size.unwrap_or_default());
        let applied = match created {
            // If one is there after all, which lost its labels, its nodes aren't taken away at once.
            Some(_) => {
                cx.cluster.apply(&new, |live, new| changed(live, &resized(new, replicas(live)))).await?
            }
            None => cx.apply(&new).await?,
        };
        acting.expect(&applied.object);
    }
    if held.is_empty() {
        cx.events.over_at(acting.es, Reason::ReconciliationError, "Upscale");
    }
    Ok(held)
}

fn resized(set: &StatefulSet, replicas: i32) -> StatefulSet {
    let mut set = set.clone();
    if let Some(spec) = &mut set.spec {
        spec.replicas = Some(replicas);
    }
    set
}

/// How many replicas a StatefulSet has been told to have. The API server fills in 1.
fn replicas(set: &StatefulSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

async fn budget(
    cx: &Context,
    es: &Elasticsearch,
    known: &Known,
    groups: &[Group<'_>],
) -> Result<(), PassError> {
    let sizes: Vec<(i32, config::Roles)> =
        groups.iter().map(|group| (group.set.count, group.roles.clone())).collect();
    // Before anybody has looked it is as the status says: who begins writes nothing because of that.
    let said = es.status.as_ref().and_then(|status| status.health);
    let health = known.looked().map_or(said.unwrap_or_default(), |last| last.health);
    match disruption::pdb(es, health, &sizes) {
        Some(budget) => drop(cx.apply(&budget).await?),
        None => cx.remove::<PodDisruptionBudget>(es.object_namespace(), &disruption::name(es)).await?,
    }
    Ok(())
}
