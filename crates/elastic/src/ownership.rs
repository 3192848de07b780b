//! Whose an object is: names, labels and owner references that all generated objects have.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use parapet_api::{Application, Kind, labels};

/// On a custom resource: which of its annotations its objects get, as a comma list or `*`.
const PROPAGATE_ANNOTATIONS: &str = "eck.k8s.alpha.elastic.co/propagate-annotations";
/// On a custom resource: which of its labels its objects get, as a comma list or `*`.
const PROPAGATE_LABELS: &str = "eck.k8s.alpha.elastic.co/propagate-labels";
/// What `kubectl apply` remembers; it is never copied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The reference that makes `owner` the controller of an object: it goes when its owner goes.
pub fn owned_by<K: Application>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
        name: owner.object_name().to_owned(),
        uid: owner.meta().uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The labels by which objects of `owner` are selected: its kind's type, and its name.
pub fn selector<K: Application>(owner: &K) -> BTreeMap<String, String> {
    let name = match K::KIND {
        Kind::Elasticsearch => labels::CLUSTER_NAME,
        Kind::Kibana => labels::KIBANA_NAME,
        Kind::ApmServer => labels::APM_NAME,
    };
    BTreeMap::from([
        (labels::TYPE.to_owned(), K::KIND.type_label().to_owned()),
        (name.to_owned(), owner.object_name().to_owned()),
    ])
}

/// The labels of a Secret that outlives `owner` until the operator cleans up, so that copies in other namespaces stay.
pub fn soft_owner_labels<K: Application>(owner: &K) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::OWNER_KIND.to_owned(), K::kind(&()).into_owned()),
        (labels::OWNER_NAME.to_owned(), owner.object_name().to_owned()),
        (labels::OWNER_NAMESPACE.to_owned(), owner.object_namespace().to_owned()),
    ])
}

/// The metadata of an object that `owner` controls.
pub fn owned_meta<K: Application>(owner: &K, name: String) -> ObjectMeta {
    ObjectMeta { owner_references: Some(vec![owned_by(owner)]), ..plain_meta(owner, name) }
}

/// The metadata of a Secret that `owner` owns by labels alone.
pub fn softly_owned_meta<K: Application>(owner: &K, name: String) -> ObjectMeta {
    let mut meta = plain_meta(owner, name);
    meta.labels.get_or_insert_default().extend(soft_owner_labels(owner));
    meta
}

fn plain_meta<K: Application>(owner: &K, name: String) -> ObjectMeta {
    let mut all = propagated(owner.meta().labels.as_ref(), owner.annotation(PROPAGATE_LABELS));
    all.extend(selector(owner));
    all.insert(labels::WATCHED.to_owned(), "true".to_owned());
    let annotations = propagated(owner.meta().annotations.as_ref(), owner.annotation(PROPAGATE_ANNOTATIONS));
    ObjectMeta {
        name: Some(name),
        namespace: Some(owner.object_namespace().to_owned()),
        labels: Some(all),
        annotations: (!annotations.is_empty()).then_some(annotations),
        ..ObjectMeta::default()
    }
}

/// Those entries of `all` that `wanted` names; never what the operator or kubectl keep there for themselves.
fn propagated(all: Option<&BTreeMap<String, String>>, wanted: Option<&str>) -> BTreeMap<String, String> {
    let Some((all, wanted)) = all.zip(wanted) else { return BTreeMap::new() };
    let is_wanted = |key: &str| wanted.split(',').map(str::trim).any(|one| one == "*" || one == key);
    all.iter()
        .filter(|(key, _)| is_wanted(key) && *key != LAST_APPLIED && !is_ours(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Whether a key lies in the operator's own domains: `*.k8s.elastic.co/`, `*.k8s.alpha.elastic.co/`.
fn is_ours(key: &str) -> bool {
    key.split_once('/').is_some_and(|(domain, _)| domain.contains(".k8s.") && domain.ends_with("elastic.co"))
}

#[cfg(test)]
mod tests {
    use parapet_api::Kibana;
    use serde_json::json;

    use super::*;

    fn kibana(metadata: serde_json::Value) -> Kibana {
        let kind = json!({ "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "metadata": metadata,
            "spec": { "version": "8.15.3" } });
        serde_json::from_value(kind).unwrap()
    }

    #[test]
    fn metadata_is_propagated_only_if_asked_for() {
        let meta = |annotations: serde_json::Value| {
            let owner =
                kibana(json!({ "name": "k", "namespace": "n", "labels": { "team": "a", "cost": "b" },
                "annotations": annotations }));
            owned_meta(&owner, "x".to_owned())
        };
        let plain = meta(json!({ "team/mail": "x" }));
        assert_eq!(plain.annotations, None);
        assert_eq!(
            serde_json::to_value(plain.labels).unwrap(),
            json!({ "common.k8s.elastic.co/type": "kibana", "kibana.k8s.elastic.co/name": "k",
                "eck.k8s.elastic.co/watched": "true" })
        );
        let some = meta(json!({ PROPAGATE_LABELS: "cost, other" }));
        assert_eq!(some.labels.unwrap().get("cost").map(String::as_str), Some("b"));
        let all = meta(json!({ PROPAGATE_ANNOTATIONS: "*", "team/mail": "x", LAST_APPLIED: "{}",
            "association.k8s.elastic.co/es-conf": "{}" }));
        assert_eq!(serde_json::to_value(all.annotations).unwrap(), json!({ "team/mail": "x" }));
    }

    #[test]
    fn owners() {
        let owner = kibana(json!({ "name": "k", "namespace": "n", "uid": "u" }));
        assert_eq!(
            serde_json::to_value(owned_by(&owner)).unwrap(),
            json!({ "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana", "name": "k", "uid": "u",
                "controller": true, "blockOwnerDeletion": true })
        );
        let soft = softly_owned_meta(&owner, "x".to_owned());
        assert_eq!(soft.owner_references, None);
        assert_eq!(
            soft.labels.unwrap().get("eck.k8s.elastic.co/owner-kind").map(String::as_str),
            Some("Kibana")
        );
    }
}
