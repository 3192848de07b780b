//! What the status says after a pass.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use parapet_api::{
    ConditionState, ConditionType, Elasticsearch, ElasticsearchStatus, Health, Kind, Phase, StackVersion,
    labels,
};
use parapet_orchestrate::{in_progress, phase};

use super::nodes::{Existing, Nodes};
use super::observe::Known;
use crate::certificates::Notice;
use crate::cluster::Unreadable;
use crate::events::{News, Reason};
use crate::foreign;
use crate::pass::conditions::{self, rfc3339};
use crate::pass::mesh::Fit;
use crate::pass::monitoring::States;
use crate::pass::{Context, PassError, controller};

/// The specification is refused; no object was touched.
pub(super) async fn invalid(cx: &Context, es: &Elasticsearch, why: &str) -> Result<(), PassError> {
    let status =
        without_looking(es.status.clone().unwrap_or_default(), es.metadata.generation, why, cx.now());
    write(cx, es, &status).await
}

/// The object can't be read; no object was touched.
pub(super) fn unreadable(cx: &Context, object: &Unreadable) -> ElasticsearchStatus {
    let before = serde_json::from_value(object.status.clone()).unwrap_or_default();
    without_looking(before, object.metadata.generation, &object.error, cx.now())
}

fn without_looking(
    before: ElasticsearchStatus,
    generation: Option<i64>,
    why: &str,
    now: Timestamp,
) -> ElasticsearchStatus {
    let mut status = ElasticsearchStatus {
        available_nodes: None,
        version: None,
        health: Some(Health::Unknown),
        phase: Some(Phase::Invalid),
        observed_generation: generation,
        ..before
    };
    say(&mut status, ConditionType::ReconciliationComplete, ConditionState::False, why, now);
    status
}

/// The pass ended early. What passes by itself, such as an API server that fails for a moment, says nothing about the nodes.
pub(super) async fn failed(cx: &Context, es: &Elasticsearch, error: &PassError) -> Result<(), PassError> {
    let mut status = es.status.clone().unwrap_or_default();
    if error.is_lasting() || !was_ready(&status, es.metadata.generation) {
        status.phase = Some(Phase::ApplyingChanges);
    }
    status.observed_generation = es.metadata.generation;
    let (kind, why) = (ConditionType::ReconciliationComplete, error.to_string());
    say(&mut status, kind, ConditionState::False, &why, cx.now());
    write(cx, es, &status).await
}

/// What a pass found out beside the nodes.
pub(super) struct Beside<'a> {
    /// Whether a mesh fits.
    pub(super) fit: &'a Fit,
    /// What is wrong with certificates.
    pub(super) notices: &'a [Notice],
    /// Where metrics and logs go.
    pub(super) monitoring: Option<States>,
}

/// The pass came to its end.
pub(super) async fn reconciled(
    cx: &Context,
    es: &Elasticsearch,
    version: &StackVersion,
    nodes: &Nodes,
    existing: &Existing,
    known: &Known,
    beside: Beside<'_>,
) -> Result<(), PassError> {
    let before = es.status.clone().unwrap_or_default();
    let mut status = before.clone();
    let (now, pods) = (cx.now(), &existing.pods);
    status.observed_generation = es.metadata.generation;
    // Before anybody has looked it stays as it was: an operator that begins writes nothing because of that.
    let seen = known.looked().map(|last| last.health);
    status.health = Some(seen.or(status.health).unwrap_or_default());
    status.available_nodes =
        Some(i32::try_from(pods.iter().filter(|pod| ready(pod)).count()).unwrap_or(i32::MAX));
    let lowest = lowest(existing);
    status.version = lowest.as_ref().or(Some(version)).map(ToString::to_string);
    let stays = stays(&before, es.metadata.generation, nodes, known);
    let was_ready = was_ready(&before, es.metadata.generation);
    let waiting = waiting(nodes, known).filter(|waiting| waiting.is_news || !was_ready);
    if !stays {
        status.phase = Some(match waiting {
            None => Phase::Ready,
            Some(_) => phase(&nodes.plan).unwrap_or(Phase::ApplyingChanges),
        });
        let (state, text) = match &waiting {
            None => (ConditionState::True, "Everything is as specified"),
            Some(waiting) => (ConditionState::False, waiting.why.as_str()),
        };
        say(&mut status, ConditionType::ReconciliationComplete, state, text, now);
    }
    let (state, text) = match &lowest {
        None => (ConditionState::Unknown, "No pod exists yet".to_owned()),
        Some(lowest) if lowest >= version => (ConditionState::True, format!("All nodes run {version}")),
        Some(lowest) => (ConditionState::False, format!("Some nodes still run {lowest}")),
    };
    say(&mut status, ConditionType::RunningDesiredVersion, state, &text, now);
    let (state, text) = match (&known.last.failure, known.last.reachable()) {
        (_, true) => (ConditionState::True, "Elasticsearch answers".to_owned()),
        (Some(why), false) => (ConditionState::False, format!("Elasticsearch doesn't answer: {why}")),
        (None, false) => (ConditionState::False, "Elasticsearch is being asked".to_owned()),
    };
    if !stays {
        say(&mut status, ConditionType::ElasticsearchIsReachable, state, &text, now);
    }
    if let Some(aware) = &nodes.aware
        && !stays
    {
        let (state, text) = match aware {
            Ok(()) => (ConditionState::True, "Elasticsearch knows the resources of its nodes"),
            Err(why) => (ConditionState::False, why.as_str()),
        };
        say(&mut status, ConditionType::ResourcesAwareManagement, state, text, now);
    }
    status.monitoring_association_status = beside.monitoring;
    paused(&mut status, nodes.state.paused, now);
    meshed(&mut status, beside.fit, now);
    left_alone(&mut status, &foreign::of_elasticsearch(&cx.cluster, es), now);
    certified(&mut status, beside.notices, now);
    if !stays {
        let operations = before.in_progress_operations.as_ref();
        status.in_progress_operations = Some(in_progress(&nodes.plan, operations, &rfc3339(now)));
    }
    tell(cx, es, &before, &status);
    write(cx, es, &status).await
}

/// Whether what was said of this specification before stays what is said, as far as it needs Elasticsearch's answer: an operator
/// that begins hasn't asked yet, and has nothing new to tell. The first look brings another pass, whatever it sees.
fn stays(before: &ElasticsearchStatus, generation: Option<i64>, nodes: &Nodes, known: &Known) -> bool {
    let is_said = before.observed_generation == generation
        && !matches!(before.phase, None | Some(Phase::Invalid))
        && [ConditionType::ReconciliationComplete, ConditionType::ElasticsearchIsReachable]
            .iter()
            .all(|kind| before.conditions.iter().any(|condition| condition.kind == *kind))
        && before.in_progress_operations.is_some();
    let is_calm = nodes.held.is_empty() && nodes.unanswered.is_empty() && nodes.plan.upscale.is_empty();
    is_said && is_calm && known.looked().is_none()
}

/// Whether this specification was carried out: what was said of it stands until something is to be done again.
fn was_ready(before: &ElasticsearchStatus, generation: Option<i64>) -> bool {
    before.phase == Some(Phase::Ready) && before.observed_generation == generation
}

/// Why it isn't as specified.
struct Waiting {
    /// In a sentence.
    why: String,
    /// Whether somebody who was told that it is ready should know: nodes come, go or are made anew, or nobody can say. Clearing up
    /// after changes that are over, and looking again, is nobody's business.
    is_news: bool,
}

/// What the pass waits for; `None` if everything is as specified.
fn waiting(nodes: &Nodes, known: &Known) -> Option<Waiting> {
    let is_news = |why: String| Waiting { why, is_news: true };
    let plan = &nodes.plan;
    if let Some(first) = nodes.held.first() {
        return Some(is_news(first.clone()));
    }
    if nodes.state.paused && !plan.is_empty() {
        return Some(is_news("Changes of nodes are held: the orchestration is paused".to_owned()));
    }
    if !known.last.reachable() {
        let why = known.last.failure.as_deref().unwrap_or("it was not asked yet");
        return Some(is_news(format!("Waiting for Elasticsearch to answer: {why}")));
    }
    let failed = nodes.unanswered.first().cloned();
    if plan.only_clears_up() {
        return failed.or_else(|| clears_up(nodes, known)).map(|why| Waiting { why, is_news: false });
    }
    let leaving = plan.downscale.leaving.iter().find_map(|one| one.why.as_deref().map(|why| (&one.pod, why)));
    let restarting = plan.restart.waiting.first().map(|one| (&one.pod, one.why.as_str()));
    let held = plan.upscale.held.first().map(|one| (&one.set, one.why.as_str()));
    let coming = plan.upscale.nodes.iter().find_map(|one| one.why.as_deref().map(|why| (&one.pod, why)));
    let first = leaving.or(restarting).or(held).or(coming).map(|(what, why)| format!("{what} waits: {why}"));
    let why = failed.or(first).or_else(|| plan.unfinished.clone());
    Some(is_news(why.unwrap_or_else(|| "Changes of nodes are being applied".to_owned())))
}

/// What is left to do or to see after the last node. That masters may vote again is said to Elasticsearch by an operator that
/// begins, as it doesn't know what the one before it said: nobody waits for that.
fn clears_up(nodes: &Nodes, known: &Known) -> Option<String> {
    let plan = &nodes.plan;
    let is_told = !plan.restart.clear_shutdowns.is_empty()
        || plan.restart.enable_allocation
        || plan.downscale.exclude_allocation.is_some();
    plan.unfinished
        .clone()
        .or_else(|| is_told.then(|| "Elasticsearch is told that the last change is over".to_owned()))
        .or_else(|| {
            known.observer.is_void().then(|| "Looking whether the last change has taken effect".to_owned())
        })
}

/// The lowest version of any node and of any template: what the cluster as a whole can be said to run.
fn lowest(existing: &Existing) -> Option<StackVersion> {
    let pods = existing.pods.iter().map(|pod| pod.metadata.labels.as_ref());
    let templates = existing.sets.iter().map(|set| {
        let spec = set.spec.as_ref().filter(|spec| spec.replicas != Some(0))?;
        spec.template.metadata.as_ref()?.labels.as_ref()
    });
    pods.chain(templates).filter_map(|all| all?.get(labels::ELASTICSEARCH_VERSION)?.parse().ok()).min()
}

/// The condition is there from the first pause on.
fn paused(status: &mut ElasticsearchStatus, is_paused: bool, now: Timestamp) {
    let kind = ConditionType::OrchestrationPaused;
    if is_paused {
        say(status, kind, ConditionState::True, "Changes of nodes are held by an annotation", now);
    } else if status.conditions.iter().any(|condition| condition.kind == kind) {
        say(status, kind, ConditionState::False, "Changes of nodes go on", now);
    }
}

/// The condition is there where a mesh is.
fn meshed(status: &mut ElasticsearchStatus, fit: &Fit, now: Timestamp) {
    let kind = ConditionType::MeshReady;
    let findings = match fit {
        Fit::NoMesh => return status.conditions.retain(|condition| condition.kind != kind),
        Fit::Unknown => return,
        Fit::Unseen(why) => return say(status, kind, ConditionState::Unknown, why, now),
        Fit::Found(findings) => findings,
    };
    match conditions::misfit(findings) {
        None => say(status, kind, ConditionState::True, "The service mesh fits", now),
        Some(text) => say(status, kind, ConditionState::False, &text, now),
    }
}

/// The condition is there from the first certificate on that isn't as it should be.
fn certified(status: &mut ElasticsearchStatus, notices: &[Notice], now: Timestamp) {
    let kind = ConditionType::CertificatesValid;
    if let Some((state, sentence)) = conditions::worst(notices) {
        say(status, kind, state, sentence, now);
    } else if status.conditions.iter().any(|condition| condition.kind == kind) {
        say(status, kind, ConditionState::True, "All certificates are valid", now);
    }
}

/// The condition is there where another operator left something that nobody here looks after.
fn left_alone(status: &mut ElasticsearchStatus, parts: &[String], now: Timestamp) {
    let kind = ConditionType::FullyManaged;
    match parts {
        [] => status.conditions.retain(|condition| condition.kind != kind),
        parts => say(status, kind, ConditionState::False, &parts.join("; "), now),
    }
}

/// Tells of transitions.
fn tell(cx: &Context, es: &Elasticsearch, before: &ElasticsearchStatus, after: &ElasticsearchStatus) {
    let tell = |news| cx.events.tell(controller(Kind::Elasticsearch), es, news);
    match (before.health, after.health) {
        (Some(Health::Green), Some(worse @ (Health::Yellow | Health::Red)))
        | (Some(Health::Yellow), Some(worse @ Health::Red)) => {
            let worse =
                if worse == Health::Red { "red: data is missing" } else { "yellow: replicas are missing" };
            let text = format!("The health of Elasticsearch is {worse}");
            tell(News::warning(Reason::Unhealthy, "StatusUpdate", text));
        }
        (_, Some(Health::Green)) => cx.events.over(es, Reason::Unhealthy),
        _ => {}
    }
    match after.phase {
        Some(Phase::Stalled) => {
            let operations = after.in_progress_operations.as_ref();
            let why = operations
                .and_then(|all| all.downscale.nodes.iter().find_map(|node| node.explanation.clone()))
                .unwrap_or_default();
            tell(News::warning(
                Reason::Stalled,
                "Shutdown",
                format!("A node can't hand over its data: {why}"),
            ));
        }
        _ => cx.events.over(es, Reason::Stalled),
    }
    let is_paused = |status: &ElasticsearchStatus| {
        let found = status.conditions.iter().find(|one| one.kind == ConditionType::OrchestrationPaused);
        found.is_some_and(|condition| condition.status == ConditionState::True)
    };
    match (is_paused(before), is_paused(after)) {
        (false, true) => {
            cx.events.over(es, Reason::Resumed);
            tell(News::normal(Reason::Paused, "Reconciliation", "Changes of nodes are held"));
        }
        (true, false) => {
            cx.events.over(es, Reason::Paused);
            tell(News::normal(Reason::Resumed, "Reconciliation", "Changes of nodes go on"));
        }
        _ => {}
    }
    let version = |status: &ElasticsearchStatus| -> Option<StackVersion> {
        status.version.as_deref().and_then(|version| version.parse().ok())
    };
    if let (Some(from), Some(to)) = (version(before), version(after))
        && from < to
    {
        tell(News::normal(
            Reason::Upgraded,
            "VersionUpgrade",
            format!("All nodes were upgraded from {from} to {to}"),
        ));
    }
}

/// Sets one condition; its time moves only if its state or its sentence does.
fn say(
    status: &mut ElasticsearchStatus,
    kind: ConditionType,
    state: ConditionState,
    message: &str,
    now: Timestamp,
) {
    conditions::say(&mut status.conditions, kind, state, message, now);
}

async fn write(cx: &Context, es: &Elasticsearch, status: &ElasticsearchStatus) -> Result<(), PassError> {
    cx.cluster.write_status::<Elasticsearch>(es.meta(), status).await?;
    Ok(())
}

/// Whether a pod is ready.
pub(super) fn ready(pod: &Arc<Pod>) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
}
