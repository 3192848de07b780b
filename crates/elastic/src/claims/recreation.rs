//! A StatefulSet that is made anew around its running pods.
//!
//! What is remembered is an annotation of the custom resource with the StatefulSet as JSON, its old UID included: the format of
//! the reference, so that either finishes what the other began. The steps, each repeatable after a crash before or behind it:
//!
//! 1. The annotation is written.
//! 2. The pods get the custom resource as a second owner, so that they go with it if it is deleted meanwhile.
//! 3. The old StatefulSet is deleted and leaves its pods.
//! 4. The new one is created and takes them.
//! 5. The pods lose the second owner.
//! 6. The annotation goes.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use parapet_api::{Elasticsearch, annotations, labels};

use crate::owned_by;

/// One step. All that are returned together may be taken together, in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write a pod's owners.
    Own {
        /// The pod's name.
        pod: String,
        /// Its UID, for a precondition.
        uid: String,
        /// All of its owners.
        owners: Vec<OwnerReference>,
    },
    /// Delete the StatefulSet and leave its pods (`propagationPolicy: Orphan`).
    DeleteKeepingPods {
        /// Its name.
        stateful_set: String,
        /// Its UID, for a precondition.
        uid: String,
    },
    /// Create it.
    Create(Box<StatefulSet>),
    /// Remove the annotation from the custom resource.
    Forget {
        /// Its name.
        annotation: String,
    },
}

/// An annotation that can't be followed. Nothing is done until a person has looked at it: what it remembers may exist nowhere
/// else.
#[derive(Debug, thiserror::Error)]
pub enum RecreationError {
    /// It isn't a StatefulSet.
    #[error("the annotation {annotation} does not hold a StatefulSet")]
    NotAStatefulSet {
        /// Its name.
        annotation: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It is another StatefulSet than its name says, or has no UID.
    #[error(
        "the annotation {annotation} holds {found:?}, which is not the StatefulSet that it is named after"
    )]
    OtherStatefulSet {
        /// Its name.
        annotation: String,
        /// The name of what it holds.
        found: String,
    },
}

/// What is to be done next for the StatefulSets that are being made anew; nothing if there are none.
///
/// `live` are the cluster's StatefulSets and `pods` its pods, read from the API server and not from a cache. While there are
/// steps, nothing else may be done to the StatefulSets that they are about.
pub fn recreation(
    es: &Elasticsearch,
    live: &[StatefulSet],
    pods: &[Pod],
) -> Result<Vec<Step>, RecreationError> {
    let mut steps = Vec::new();
    for (annotation, value) in es.metadata.annotations.iter().flatten() {
        let Some(name) = annotation.strip_prefix(annotations::RECREATE_PREFIX) else { continue };
        let remembered = remembered(annotation, name, value)?;
        let there = live.iter().find(|set| set.metadata.name.as_deref() == Some(name));
        let pods = pods.iter().filter(|pod| {
            let labels = pod.metadata.labels.as_ref();
            labels.and_then(|all| all.get(labels::STATEFULSET_NAME)).is_some_and(|set| set == name)
        });
        match there {
            Some(old) if old.metadata.uid == remembered.metadata.uid => {
                steps.extend(pods.filter_map(|pod| owned(es, pod)));
                steps.push(Step::DeleteKeepingPods {
                    stateful_set: name.to_owned(),
                    uid: remembered.metadata.uid.unwrap_or_default(),
                });
            }
            None => steps.push(Step::Create(Box::new(fresh(remembered)))),
            Some(_) => {
                steps.extend(pods.filter_map(|pod| released(es, pod)));
                steps.push(Step::Forget { annotation: annotation.clone() });
            }
        }
    }
    Ok(steps)
}

fn remembered(annotation: &str, name: &str, value: &str) -> Result<StatefulSet, RecreationError> {
    let set: StatefulSet = serde_json::from_str(value)
        .map_err(|source| RecreationError::NotAStatefulSet { annotation: annotation.to_owned(), source })?;
    let found = set.metadata.name.clone().unwrap_or_default();
    if found != name || set.metadata.uid.is_none() {
        return Err(RecreationError::OtherStatefulSet { annotation: annotation.to_owned(), found });
    }
    Ok(set)
}

/// As it is created: without what the API server gave to the old one.
fn fresh(old: StatefulSet) -> StatefulSet {
    let metadata = ObjectMeta {
        name: old.metadata.name,
        namespace: old.metadata.namespace,
        labels: old.metadata.labels,
        annotations: old.metadata.annotations,
        owner_references: old.metadata.owner_references,
        ..ObjectMeta::default()
    };
    StatefulSet { metadata, spec: old.spec, status: None }
}

fn owned(es: &Elasticsearch, pod: &Pod) -> Option<Step> {
    let own = OwnerReference { controller: None, block_owner_deletion: None, ..owned_by(es) };
    let mut owners = pod.metadata.owner_references.clone().unwrap_or_default();
    if owners.iter().any(|owner| owner.uid == own.uid) {
        return None;
    }
    owners.push(own);
    step(pod, owners)
}

fn released(es: &Elasticsearch, pod: &Pod) -> Option<Step> {
    let uid = es.metadata.uid.as_deref().unwrap_or_default();
    let mut owners = pod.metadata.owner_references.clone().unwrap_or_default();
    let before = owners.len();
    owners.retain(|owner| owner.uid != uid);
    if owners.len() == before { None } else { step(pod, owners) }
}

fn step(pod: &Pod, owners: Vec<OwnerReference>) -> Option<Step> {
    Some(Step::Own { pod: pod.metadata.name.clone()?, uid: pod.metadata.uid.clone()?, owners })
}
