//! The StatefulSets and pods of a cluster, as last seen.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt as _;
use parapet_api::{Application as _, Elasticsearch, Kind, annotations, labels};

use crate::pass::Context;

/// What there is of a cluster.
pub(super) struct Existing {
    pub(super) sets: Vec<Arc<StatefulSet>>,
    pub(super) pods: Vec<Arc<Pod>>,
}

impl Existing {
    /// What another cluster of the same name left, which is gone and whose objects Kubernetes hasn't collected yet, isn't of
    /// this one: above all it must not be asked which cluster it is.
    pub(super) fn of(cx: &Context, es: &Elasticsearch) -> Self {
        let (namespace, name) = (Some(es.object_namespace()), es.object_name());
        let mut sets = cx.cluster.labelled::<StatefulSet>(namespace, labels::CLUSTER_NAME, name);
        let mut pods = cx.cluster.labelled::<Pod>(namespace, labels::CLUSTER_NAME, name);
        let uid = es.uid();
        sets.retain(|set| {
            !controller_of(&set.metadata).is_some_and(|owner| is_another(owner, uid.as_deref()))
        });
        if es.annotation(annotations::CLUSTER_UUID).is_none() {
            // A cluster that isn't formed yet has no pods but those of its StatefulSets.
            let of_a_set = |owner: &OwnerReference| {
                owner.kind != "StatefulSet"
                    || sets.iter().any(|set| set.metadata.uid.as_ref() == Some(&owner.uid))
            };
            pods.retain(|pod| controller_of(&pod.metadata).is_none_or(of_a_set));
        }
        Self { sets, pods }
    }

    /// Whether nothing of the cluster ran before. That there is no StatefulSet isn't enough: of one whose only StatefulSet is being
    /// made anew around its pods there is none for a moment, and one whose pods were all lost has its clients still.
    pub(super) fn is_new(&self, es: &Elasticsearch) -> bool {
        let annotations = es.metadata.annotations.iter().flatten();
        let is_made_anew = |name: &String| name.starts_with(annotations::RECREATE_PREFIX);
        self.sets.is_empty()
            && self.pods.is_empty()
            && es.annotation(annotations::CLUSTER_UUID).is_none()
            && !annotations.into_iter().any(|(name, _)| is_made_anew(name))
    }

    pub(super) fn set(&self, name: &str) -> Option<&Arc<StatefulSet>> {
        self.sets.iter().find(|set| set.metadata.name.as_deref() == Some(name))
    }
}

fn is_another(owner: &OwnerReference, uid: Option<&str>) -> bool {
    owner.kind == Kind::Elasticsearch.name() && Some(&*owner.uid) != uid
}

fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}
