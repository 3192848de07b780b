//! Which applications an object concerns: its owner, and who is named in its labels.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{Kind, labels};

use crate::ApplicationKey;

use super::resource::Resource;

/// Labels that name an application, and the label that names its namespace where that can be another one.
const NAMED_BY: [(&str, &str, Kind); 6] = [
    (labels::CLUSTER_NAME, labels::CLUSTER_NAMESPACE, Kind::Elasticsearch),
    (labels::KIBANA_NAME, "kibana.k8s.elastic.co/namespace", Kind::Kibana),
    (labels::APM_NAME, "apm.k8s.elastic.co/namespace", Kind::ApmServer),
    ("kibanaassociation.k8s.elastic.co/name", "kibanaassociation.k8s.elastic.co/namespace", Kind::Kibana),
    (
        labels::ELASTICSEARCH_ASSOCIATION_NAME,
        labels::ELASTICSEARCH_ASSOCIATION_NAMESPACE,
        Kind::Elasticsearch,
    ),
    ("apmassociation.k8s.elastic.co/name", "apmassociation.k8s.elastic.co/namespace", Kind::ApmServer),
];

/// The applications that an object is or is for.
pub(crate) fn concerned(resource: Resource, metadata: &ObjectMeta) -> BTreeSet<ApplicationKey> {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    if let Resource::Application(kind) = resource {
        return [ApplicationKey::new(kind, namespace, metadata.name.as_deref().unwrap_or_default())].into();
    }
    let label = |name: &str| metadata.labels.as_ref().and_then(|all| all.get(name)).map(String::as_str);
    let owners = metadata.owner_references.iter().flatten().filter_map(|owner| {
        let kind = kind_named(&owner.kind)?;
        Some(ApplicationKey::new(kind, namespace, &owner.name))
    });
    let soft = (|| {
        let kind = kind_named(label(labels::OWNER_KIND)?)?;
        let space = label(labels::OWNER_NAMESPACE).unwrap_or(namespace);
        Some(ApplicationKey::new(kind, space, label(labels::OWNER_NAME)?))
    })();
    let named = NAMED_BY.iter().filter_map(|(name, space, kind)| {
        Some(ApplicationKey::new(*kind, label(space).unwrap_or(namespace), label(name)?))
    });
    owners.chain(soft).chain(named).collect()
}

fn kind_named(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resource: Resource, metadata: serde_json::Value, expected: &[&str]) {
        let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap();
        let found: Vec<String> = concerned(resource, &metadata).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_object_concerns_its_owner_and_whom_its_labels_name() {
        let owner = serde_json::json!([{"apiVersion": "apm.k8s.elastic.co/v1", "kind": "ApmServer", "name": "a", "uid": "1"}]);
        check(
            Resource::Deployment,
            serde_json::json!({"namespace": "ns", "name": "a-apm-server", "ownerReferences": owner}),
            &["ApmServer ns/a"],
        );
        check(
            Resource::Secret,
            serde_json::json!({"namespace": "ns", "name": "x-es-elastic-user", "labels": {
                labels::OWNER_KIND: "Elasticsearch", labels::OWNER_NAME: "x", labels::OWNER_NAMESPACE: "ns",
                labels::CLUSTER_NAME: "x",
            }}),
            &["Elasticsearch ns/x"],
        );
        check(
            Resource::Secret,
            serde_json::json!({"namespace": "apps", "name": "k-kibana-user", "labels": {
                labels::CLUSTER_NAME: "x", labels::CLUSTER_NAMESPACE: "data",
                "kibanaassociation.k8s.elastic.co/name": "k", "kibanaassociation.k8s.elastic.co/namespace": "apps",
            }}),
            &["Elasticsearch data/x", "Kibana apps/k"],
        );
        check(
            Resource::Application(Kind::Kibana),
            serde_json::json!({"namespace": "ns", "name": "k", "labels": {labels::CLUSTER_NAME: "mine"}}),
            &["Kibana ns/k"],
        );
        check(Resource::ConfigMap, serde_json::json!({"namespace": "ns", "name": "elastic-licensing"}), &[]);
    }
}
