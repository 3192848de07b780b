//! What a plan means for the status of the custom resource.

use parapet_api::{DownscaledNode, InProgress, NewNode, Phase, UpgradedNode};

use crate::{Blocked, Incoming, Leaving, Plan, ShutdownStatus};

/// What is under way, as the status shows it. `before` is what it shows now: its times stay where nothing else changes, and
/// become `now` (RFC 3339) where something does.
pub fn in_progress(plan: &Plan, before: Option<&InProgress>, now: &str) -> InProgress {
    let mut after = InProgress::default();
    after.upscale.nodes = plan.upscale.nodes.iter().map(new_node).collect();
    after.downscale.nodes = plan.downscale.leaving.iter().map(downscaled_node).collect();
    let stalled = plan.downscale.leaving.iter().any(|leaving| leaving.status == ShutdownStatus::Stalled);
    after.downscale.stalled = (!after.downscale.nodes.is_empty()).then_some(stalled);
    after.upgrade.nodes = upgraded_nodes(plan);
    let before = before.cloned().unwrap_or_default();
    after.upscale.last_updated_time = before.upscale.last_updated_time.clone();
    after.downscale.last_updated_time = before.downscale.last_updated_time.clone();
    after.upgrade.last_updated_time = before.upgrade.last_updated_time.clone();
    let moved = |changed: bool, time: &mut Option<String>| {
        if changed || time.is_none() {
            *time = Some(now.to_owned());
        }
    };
    moved(after.upscale != before.upscale, &mut after.upscale.last_updated_time);
    moved(after.downscale != before.downscale, &mut after.downscale.last_updated_time);
    moved(after.upgrade != before.upgrade, &mut after.upgrade.last_updated_time);
    after
}

/// Where a reconciliation stands by what its plan says; `None` if the plan is empty.
pub fn phase(plan: &Plan) -> Option<Phase> {
    let any = |status| plan.downscale.leaving.iter().any(|leaving| leaving.status == status);
    if any(ShutdownStatus::Stalled) {
        Some(Phase::Stalled)
    } else if any(ShutdownStatus::InProgress) {
        Some(Phase::MigratingData)
    } else if !plan.is_empty() {
        Some(Phase::ApplyingChanges)
    } else {
        None
    }
}

fn new_node(node: &Incoming) -> NewNode {
    let status = if node.now { "EXPECTED" } else { "PENDING" };
    NewNode { name: node.pod.clone(), status: status.to_owned(), message: node.why.clone() }
}

fn downscaled_node(node: &Leaving) -> DownscaledNode {
    let shutdown_status = node.status.as_str().to_owned();
    DownscaledNode { name: node.pod.clone(), shutdown_status, explanation: node.why.clone() }
}

fn upgraded_nodes(plan: &Plan) -> Vec<UpgradedNode> {
    let deleted = plan.forced.delete.iter().chain(&plan.restart.delete).map(|delete| UpgradedNode {
        name: delete.pod.clone(),
        status: "DELETED".to_owned(),
        message: Some(delete.why.clone()),
        predicate: None,
    });
    let waiting = plan.restart.waiting.iter().map(|Blocked { pod, predicate, why }| UpgradedNode {
        name: pod.clone(),
        status: "PENDING".to_owned(),
        message: Some(why.clone()),
        predicate: predicate.map(|predicate| predicate.name().to_owned()),
    });
    let mut nodes: Vec<_> = deleted.chain(waiting).collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    nodes
}
