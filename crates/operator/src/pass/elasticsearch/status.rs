//! What the status says after a pass.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use parapet_api::{
    Condition, ConditionState, ConditionType, Elasticsearch, ElasticsearchStatus, Health, Phase,
    StackVersion, labels,
};
use parapet_orchestrate::{in_progress, phase};

use super::nodes::Nodes;
use crate::pass::{Context, PassError};

/// The specification is refused; no object was touched.
pub(super) async fn invalid(cx: &Context, es: &Elasticsearch, why: &str) -> Result<(), PassError> {
    let mut status = fresh(es);
    status.available_nodes = None;
    status.version = None;
    status.phase = Some(Phase::Invalid);
    say(&mut status, ConditionType::ReconciliationComplete, ConditionState::False, why, cx.now());
    write(cx, es, &status).await
}

/// The pass ended early.
pub(super) async fn failed(cx: &Context, es: &Elasticsearch, why: &str) -> Result<(), PassError> {
    let mut status = fresh(es);
    status.phase = Some(Phase::ApplyingChanges);
    say(&mut status, ConditionType::ReconciliationComplete, ConditionState::False, why, cx.now());
    write(cx, es, &status).await
}

/// The pass came to its end.
pub(super) async fn reconciled(
    cx: &Context,
    es: &Elasticsearch,
    version: &StackVersion,
    nodes: &Nodes,
    pods: &[Arc<Pod>],
) -> Result<(), PassError> {
    let mut status = fresh(es);
    let now = cx.now();
    status.available_nodes =
        Some(i32::try_from(pods.iter().filter(|pod| ready(pod)).count()).unwrap_or(i32::MAX));
    let versions = || pods.iter().filter_map(|pod| version_of(pod));
    status.version = versions().min().or_else(|| Some(version.clone())).map(|lowest| lowest.to_string());
    // Nobody asks Elasticsearch yet: its health stays unknown, and the pass isn't complete without it.
    let why = "Elasticsearch has not been asked yet";
    status.phase = Some(phase(&nodes.plan).unwrap_or(Phase::ApplyingChanges));
    say(&mut status, ConditionType::ReconciliationComplete, ConditionState::False, why, now);
    let (state, text) = match versions().min() {
        None => (ConditionState::Unknown, "No pod exists yet".to_owned()),
        Some(lowest) if lowest >= *version => (ConditionState::True, format!("All nodes run {version}")),
        Some(lowest) => (ConditionState::False, format!("Some nodes still run {lowest}")),
    };
    say(&mut status, ConditionType::RunningDesiredVersion, state, &text, now);
    say(&mut status, ConditionType::ElasticsearchIsReachable, ConditionState::False, why, now);
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let before = es.status.as_ref().and_then(|status| status.in_progress_operations.as_ref());
    status.in_progress_operations = Some(in_progress(&nodes.plan, before, &at));
    write(cx, es, &status).await
}

fn fresh(es: &Elasticsearch) -> ElasticsearchStatus {
    let mut status = es.status.clone().unwrap_or_default();
    status.health = Some(Health::Unknown);
    status.observed_generation = es.metadata.generation;
    status
}

/// Sets one condition; its time moves only if its state or its sentence does.
fn say(
    status: &mut ElasticsearchStatus,
    kind: ConditionType,
    state: ConditionState,
    message: &str,
    now: Timestamp,
) {
    let new = Condition {
        kind,
        status: state,
        last_transition_time: Some(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        message: Some(message.to_owned()),
    };
    match status.conditions.iter_mut().find(|condition| condition.kind == kind) {
        Some(old) if old.status == new.status && old.message == new.message => {}
        Some(old) => *old = new,
        None => status.conditions.push(new),
    }
}

async fn write(cx: &Context, es: &Elasticsearch, status: &ElasticsearchStatus) -> Result<(), PassError> {
    cx.cluster.write_status::<Elasticsearch>(es.meta(), status).await?;
    Ok(())
}

fn ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
}

fn version_of(pod: &Pod) -> Option<StackVersion> {
    pod.metadata.labels.as_ref()?.get(labels::ELASTICSEARCH_VERSION)?.parse().ok()
}
