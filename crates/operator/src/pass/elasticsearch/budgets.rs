//! PodDisruptionBudgets of roles, as the reference makes them under an enterprise licence.
//!
//! Here a cluster has one for all of its nodes. Kubernetes evicts no pod that two budgets select, so those of roles go, once that
//! one is there.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use parapet_api::{Application as _, Elasticsearch, labels, names};

use crate::cluster::Deletion;
use crate::pass::{Context, PassError};

/// Deletes those of `es`: what it owns and is called `<X>-es-default-<role>`.
pub(super) async fn remove_those_of_roles(cx: &Context, es: &Elasticsearch) -> Result<(), PassError> {
    let prefix = names::elasticsearch::role_disruption_budget(es.object_name(), "");
    let all = cx.cluster.labelled::<PodDisruptionBudget>(
        Some(es.object_namespace()),
        labels::CLUSTER_NAME,
        es.object_name(),
    );
    for budget in all {
        let owned = budget
            .metadata
            .owner_references
            .iter()
            .flatten()
            .any(|owner| Some(&owner.uid) == es.metadata.uid.as_ref() && owner.controller == Some(true));
        if owned && budget.metadata.name.as_ref().is_some_and(|name| name.starts_with(&prefix)) {
            cx.cluster.delete::<PodDisruptionBudget>(&budget.metadata, Deletion::default()).await?;
        }
    }
    Ok(())
}
