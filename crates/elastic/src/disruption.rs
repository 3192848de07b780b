//! How many nodes Kubernetes may take away at once.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parapet_api::{Application as _, Elasticsearch, Health, Kind, labels, names};

use crate::compare::stamped;
use crate::config::{Role, Roles};
use crate::owned_meta;
use crate::services::overlay;

/// `<X>-es-default`.
pub fn name(es: &Elasticsearch) -> String {
    names::generated(Kind::Elasticsearch, es.object_name(), &["default"])
}

/// The budget: the user's, or one that lets a single node go while the cluster is green. None if the user wants none; one that
/// exists goes then. `node_sets` are the expected nodes of each group and their roles.
pub fn pdb(es: &Elasticsearch, health: Health, node_sets: &[(i32, Roles)]) -> Option<PodDisruptionBudget> {
    let template = es.spec.pod_disruption_budget.as_ref();
    if template.is_some_and(|template| *template == parapet_api::PodDisruptionBudgetTemplate::default()) {
        return None;
    }
    let mut metadata = owned_meta(es, name(es));
    let mut spec = PodDisruptionBudgetSpec::default();
    if let Some(template) = template {
        overlay(&mut metadata.labels, template.metadata.labels.as_ref());
        overlay(&mut metadata.annotations, template.metadata.annotations.as_ref());
        spec = template.spec.clone();
    }
    if spec.selector.is_none() {
        spec.selector = Some(LabelSelector {
            match_labels: Some([(labels::CLUSTER_NAME.to_owned(), es.object_name().to_owned())].into()),
            ..LabelSelector::default()
        });
    }
    if spec.min_available.is_none() && spec.max_unavailable.is_none() {
        spec.min_available = Some(IntOrString::Int(min_available(health, node_sets)));
    }
    Some(stamped(PodDisruptionBudget { metadata, spec: Some(spec), ..PodDisruptionBudget::default() }))
}

fn min_available(health: Health, node_sets: &[(i32, Roles)]) -> i32 {
    let nodes: i32 = node_sets.iter().map(|(count, _)| count).sum();
    (nodes - allowed(health, nodes, node_sets)).max(0)
}

/// None while the cluster isn't green, or where only one node masters, holds data or ingests. A single node may always go:
/// there is nothing to keep up by holding it.
fn allowed(health: Health, nodes: i32, node_sets: &[(i32, Roles)]) -> i32 {
    let with = |has: &dyn Fn(&Roles) -> bool| -> i32 {
        node_sets.iter().filter(|(_, roles)| has(roles)).map(|(count, _)| count).sum()
    };
    if nodes == 1 {
        return 1;
    }
    let alone = [
        with(&|roles| roles.has(Role::Master)),
        with(&Roles::holds_data),
        with(&|roles| roles.has(Role::Ingest)),
    ]
    .contains(&1);
    i32::from(health == Health::Green && !alone)
}
