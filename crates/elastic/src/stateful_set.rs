//! The StatefulSet of a node set.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use parapet_api::{Application as _, Elasticsearch, NodeSet, labels, names, volumes};

use crate::{compare, owned_meta, selector};

/// The StatefulSet that runs `template`, `replicas` times. How many there may be is decided elsewhere: nodes are added
/// and removed one step at a time.
///
/// Its pods are never replaced by Kubernetes itself (`OnDelete`): each must first be ready to go.
pub fn stateful_set(
    es: &Elasticsearch,
    node_set: &NodeSet,
    template: PodTemplateSpec,
    replicas: i32,
) -> StatefulSet {
    let name = names::stateful_set(es.object_name(), &node_set.name);
    let mut own = selector(es);
    own.insert(labels::STATEFULSET_NAME.to_owned(), name.clone());
    let mut metadata = owned_meta(es, name.clone());
    metadata.labels.get_or_insert_default().extend(own.clone());
    let claims = volumes::claim_templates(node_set);
    compare::stamped(StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            pod_management_policy: Some("Parallel".to_owned()),
            replicas: Some(replicas),
            revision_history_limit: es.spec.revision_history_limit,
            selector: LabelSelector { match_labels: Some(own), match_expressions: None },
            service_name: Some(name),
            template,
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            volume_claim_templates: (!claims.is_empty()).then_some(claims),
            ..StatefulSetSpec::default()
        }),
        status: None,
    })
}
