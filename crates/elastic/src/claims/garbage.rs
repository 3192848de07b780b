//! Claims of pods that will not come back.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use parapet_api::labels;

/// Those of a cluster's claims that belong to no pod that is there or is to be.
///
/// `live` and `desired` are the cluster's StatefulSets as they are and as they should be, `pods` the names of its pods. A claim
/// stays while either side counts its ordinal, while its pod is there in whatever state, and while a StatefulSet that should be
/// isn't (it may be about to be made anew). Whatever isn't named like a claim of a StatefulSet is left alone.
pub fn garbage<'a>(
    claims: &'a [PersistentVolumeClaim],
    live: &[StatefulSet],
    desired: &[StatefulSet],
    pods: &BTreeSet<String>,
) -> Vec<&'a PersistentVolumeClaim> {
    let (live, desired) = (replicas(live), replicas(desired));
    claims.iter().filter(|claim| is_garbage(claim, &live, &desired, pods)).collect()
}

fn is_garbage(
    claim: &PersistentVolumeClaim,
    live: &BTreeMap<String, i32>,
    desired: &BTreeMap<String, i32>,
    pods: &BTreeSet<String>,
) -> bool {
    let Some((set, ordinal)) = pod_of(claim) else { return false };
    if pods.contains(&format!("{set}-{ordinal}")) {
        return false;
    }
    match (live.get(set), desired.get(set)) {
        (None, Some(_)) => false,
        (live, desired) => ordinal >= *live.max(desired).unwrap_or(&0),
    }
}

/// The StatefulSet and the ordinal that a claim is for: the label names the one, `<claim>-<StatefulSet>-<ordinal>` the other.
fn pod_of(claim: &PersistentVolumeClaim) -> Option<(&str, i32)> {
    let set = claim.metadata.labels.as_ref()?.get(labels::STATEFULSET_NAME)?;
    let (rest, ordinal) = claim.metadata.name.as_deref()?.rsplit_once('-')?;
    let template = rest.strip_suffix(set.as_str())?.strip_suffix('-')?;
    let digits = ordinal.bytes().all(|byte| byte.is_ascii_digit());
    (!template.is_empty() && digits).then_some((set.as_str(), ordinal.parse().ok()?))
}

fn replicas(sets: &[StatefulSet]) -> BTreeMap<String, i32> {
    let of = |set: &StatefulSet| {
        // What the API server takes an absent number for.
        let count = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        Some((set.metadata.name.clone()?, count))
    };
    sets.iter().filter_map(of).collect()
}
