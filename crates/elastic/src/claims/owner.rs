//! Who owns a claim: its cluster, if the claim is to go with it.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use parapet_api::{Elasticsearch, VolumeClaimDeletePolicy};

use crate::owned_by;

/// The claim as it must be written for the cluster's policy to hold, or nothing if it holds already.
///
/// A claim that goes with its cluster has the custom resource among its owners, and not as its controller; one that outlives
/// the cluster has not. Other owners stay.
pub fn with_owner(es: &Elasticsearch, claim: &PersistentVolumeClaim) -> Option<PersistentVolumeClaim> {
    let own = OwnerReference { controller: None, block_owner_deletion: None, ..owned_by(es) };
    let mut owners = claim.metadata.owner_references.clone().unwrap_or_default();
    let position = owners.iter().position(|owner| owner.uid == own.uid);
    let wanted = es.spec.volume_claim_delete_policy.unwrap_or_default()
        == VolumeClaimDeletePolicy::DeleteOnScaledownAndClusterDeletion;
    match (wanted, position) {
        (true, None) => owners.push(own),
        (false, Some(position)) => {
            owners.remove(position);
        }
        _ => return None,
    }
    let mut changed = claim.clone();
    changed.metadata.owner_references = (!owners.is_empty()).then_some(owners);
    changed.metadata.managed_fields = None;
    Some(changed)
}
