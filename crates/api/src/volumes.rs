//! Volumes of Elasticsearch's nodes: what is claimed where the user claims nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::NodeSet;

/// The volume that holds Elasticsearch's data.
pub const DATA: &str = "elasticsearch-data";
/// How much is claimed if nobody says.
pub const DEFAULT_STORAGE: &str = "1Gi";

/// The claims of a group of nodes: the user's, or the default one, or none if the pod template has a volume of that name.
pub fn claim_templates(node_set: &NodeSet) -> Vec<PersistentVolumeClaim> {
    if !node_set.volume_claim_templates.is_empty() {
        return node_set.volume_claim_templates.clone();
    }
    let spec = node_set.pod_template.spec.as_ref();
    let own =
        spec.and_then(|spec| spec.volumes.as_ref()).into_iter().flatten().any(|volume| volume.name == DATA);
    if own { Vec::new() } else { vec![default_claim()] }
}

/// One gigabyte that one node can write, of the cluster's default class.
pub fn default_claim() -> PersistentVolumeClaim {
    let mut claim = PersistentVolumeClaim::default();
    claim.metadata.name = Some(DATA.to_owned());
    let requests = BTreeMap::from([("storage".to_owned(), Quantity(DEFAULT_STORAGE.to_owned()))]);
    claim.spec = Some(PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
        ..PersistentVolumeClaimSpec::default()
    });
    claim
}
