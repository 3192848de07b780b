//! The Deployments of Kibana and APM Server.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use parapet_api::{ApmServer, Kibana, Kind, labels, names};

use crate::{compare, owned_meta, selector};

/// How a Deployment replaces its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// New ones first.
    Rolling,
    /// Old ones go first: two versions of Kibana may not run on one index.
    Recreate,
}

impl Replacement {
    fn strategy(self) -> DeploymentStrategy {
        let name = match self {
            Self::Rolling => "RollingUpdate",
            Self::Recreate => "Recreate",
        };
        DeploymentStrategy { type_: Some(name.to_owned()), rolling_update: None }
    }
}

/// How Kibana's pods are replaced: by new ones first, unless any of them (`versions`: their version labels) is of another
/// version than `wanted`.
pub fn kibana_replacement<'a>(versions: impl IntoIterator<Item = &'a str>, wanted: &str) -> Replacement {
    if versions.into_iter().all(|version| version == wanted) {
        Replacement::Rolling
    } else {
        Replacement::Recreate
    }
}

/// Kibana's Deployment, `<name>-kb`.
pub fn kibana(kb: &Kibana, template: PodTemplateSpec, replacement: Replacement) -> Deployment {
    let name = names::generated(Kind::Kibana, kb.metadata.name.as_deref().unwrap_or_default(), &[]);
    deployment(kb, name, kb.spec.count, kb.spec.revision_history_limit, template, replacement)
}

/// APM Server's Deployment, `<name>-apm-server`.
pub fn apm_server(apm: &ApmServer, template: PodTemplateSpec) -> Deployment {
    let name = format!("{}-apm-server", apm.metadata.name.as_deref().unwrap_or_default());
    let (count, history) = (apm.spec.count, apm.spec.revision_history_limit);
    let mut deployment = deployment(apm, name, count, history, template, Replacement::Rolling);
    // The reference leaves the label out here, and here alone.
    deployment.metadata.labels.get_or_insert_default().remove(labels::WATCHED);
    compare::stamped(deployment)
}

fn deployment<K: parapet_api::Application>(
    owner: &K,
    name: String,
    replicas: i32,
    history: Option<i32>,
    template: PodTemplateSpec,
    replacement: Replacement,
) -> Deployment {
    compare::stamped(Deployment {
        metadata: owned_meta(owner, name),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
            revision_history_limit: history,
            selector: LabelSelector { match_labels: Some(selector(owner)), match_expressions: None },
            strategy: Some(replacement.strategy()),
            template,
            ..DeploymentSpec::default()
        }),
        status: None,
    })
}
