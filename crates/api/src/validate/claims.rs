//! Volume claims: those that must be mounted, and what of them may change.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::volumes::{DATA, claim_templates};
use crate::{Amount, Application as _, Elasticsearch, FieldError, NodeSet, names};

/// What is in the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    /// The StatefulSets of the object.
    pub stateful_sets: &'a [StatefulSet],
    /// The storage classes; `None`: whether they can expand volumes isn't asked (`validate-storage-class: false`).
    pub storage_classes: Option<&'a [StorageClass]>,
}

/// Which class is taken if a claim names none.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Claims of other names that nothing mounts, where Elasticsearch's own is missing: its data would be lost.
pub(super) fn unmounted(es: &Elasticsearch) -> Vec<FieldError> {
    let mut found = Vec::new();
    for (set, node_set) in es.spec.node_sets.iter().enumerate() {
        let claims = node_set
            .volume_claim_templates
            .iter()
            .map(|claim| claim.metadata.name.as_deref().unwrap_or_default());
        if claims.clone().any(|name| name == DATA) {
            continue;
        }
        for (index, name) in claims.enumerate().filter(|(_, name)| !is_mounted(node_set, name)) {
            let path = format!("spec.nodeSets[{set}].volumeClaimTemplates[{index}].metadata.name");
            let reason = format!("no container mounts this volume, and none is named {DATA}");
            found.push(FieldError::invalid(path, name, reason));
        }
    }
    found
}

/// What an update would change of claims that exist: more storage is all that may be.
pub(super) fn changed(es: &Elasticsearch, live: Live<'_>) -> Vec<FieldError> {
    let mut found = Vec::new();
    for (index, node_set) in es.spec.node_sets.iter().enumerate() {
        let name = names::stateful_set(es.object_name(), &node_set.name);
        let set = live.stateful_sets.iter().find(|set| set.metadata.name.as_deref() == Some(&name));
        let Some(spec) = set.and_then(|set| set.spec.as_ref()) else { continue };
        let before = spec.volume_claim_templates.as_deref().unwrap_or_default();
        let path = format!("spec.nodeSets[{index}].volumeClaimTemplates");
        found.extend(compare(&path, before, &claim_templates(node_set), live.storage_classes));
    }
    found
}

fn compare(
    path: &str,
    before: &[PersistentVolumeClaim],
    after: &[PersistentVolumeClaim],
    classes: Option<&[StorageClass]>,
) -> Option<FieldError> {
    let same = before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| without_storage(before) == without_storage(after));
    if !same {
        let reason =
            "claims can't be changed but for more storage; add a group of nodes with the new claims instead";
        return Some(FieldError::forbidden(path, reason));
    }
    before.iter().zip(after).enumerate().find_map(|(index, (before, after))| {
        let path = format!("{path}[{index}].spec.resources.requests.storage");
        let (Some(old), Some(new)) = (storage(before), storage(after)) else { return None };
        let (Ok(had), Ok(wants)) = (Amount::try_from(old), Amount::try_from(new)) else {
            return (old != new).then(|| FieldError::invalid(path, &*new.0, "is not a quantity like 10Gi"));
        };
        if wants < had {
            return Some(FieldError::forbidden(
                path,
                format!("volumes of {} can't shrink to {}", old.0, new.0),
            ));
        }
        let expandable = classes.is_none_or(|classes| can_expand(after, classes));
        (wants > had && !expandable)
            .then(|| FieldError::forbidden(path, "the storage class doesn't allow volumes to be expanded"))
    })
}

fn can_expand(claim: &PersistentVolumeClaim, classes: &[StorageClass]) -> bool {
    let named = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
    let is_it = |class: &&StorageClass| match named {
        Some(name) => class.metadata.name.as_deref() == Some(name),
        None => {
            let annotations = class.metadata.annotations.as_ref();
            annotations.and_then(|all| all.get(DEFAULT_CLASS)).is_some_and(|value| value == "true")
        }
    };
    classes.iter().find(is_it).is_some_and(|class| class.allow_volume_expansion == Some(true))
}

fn storage(claim: &PersistentVolumeClaim) -> Option<&Quantity> {
    claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage")
}

/// What must stay as it is, with what the API server fills in.
fn without_storage(claim: &PersistentVolumeClaim) -> PersistentVolumeClaim {
    let mut kept = PersistentVolumeClaim::default();
    kept.metadata.name = claim.metadata.name.clone();
    kept.metadata.labels = claim.metadata.labels.clone().filter(|all| !all.is_empty());
    kept.metadata.annotations = claim.metadata.annotations.clone().filter(|all| !all.is_empty());
    let mut spec = claim.spec.clone().unwrap_or_default();
    spec.volume_mode.get_or_insert_with(|| "Filesystem".to_owned());
    if let Some(VolumeResourceRequirements { requests: Some(requests), .. }) = &mut spec.resources {
        requests.remove("storage");
    }
    let resources = spec.resources.take().unwrap_or_default();
    let none = |all: Option<std::collections::BTreeMap<String, Quantity>>| all.filter(|all| !all.is_empty());
    let resources =
        VolumeResourceRequirements { limits: none(resources.limits), requests: none(resources.requests) };
    kept.spec = Some(PersistentVolumeClaimSpec { resources: Some(resources), ..spec });
    kept
}

fn is_mounted(node_set: &NodeSet, volume: &str) -> bool {
    let spec = node_set.pod_template.spec.as_ref();
    let containers =
        spec.into_iter().flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    containers
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .any(|mount| mount.name == volume)
}
