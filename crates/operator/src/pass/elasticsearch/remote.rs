//! Clusters that are connected to one another by `spec.remoteClusters`, and whom each trusts for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, annotations, names};
use parapet_elastic::{ADOPTED_CONFIG_HASH, Workload as _, is_foreign_hash};

use crate::ObjectKey;
use crate::certificates::Related;
use crate::cluster::{Custom, Followed, Resource};
use crate::pass::Context;

/// The clusters that `es` names or is named by, with their authorities: those that are managed here, and have any.
pub(super) fn related(cx: &Context, es: &Elasticsearch, followed: &mut BTreeSet<Followed>) -> Vec<Related> {
    let own = ObjectKey::of(&es.metadata);
    let mut others: BTreeSet<ObjectKey> = named_by(es).collect();
    for other in cx.cluster.applications::<Elasticsearch>() {
        if let Custom::Valid(other) = &*other
            && other.spec.remote_clusters.is_some()
            && named_by(other).any(|named| named == own)
        {
            others.insert(ObjectKey::of(&other.metadata));
        }
    }
    others.remove(&own);
    let public = |other: &ObjectKey| {
        let name = names::elasticsearch::public_transport_certificates(&other.name);
        followed.insert(Followed::ours(Resource::Secret, &other.namespace, &name));
        let secret = cx.cluster.get::<Secret>(&other.namespace, &name)?;
        String::from_utf8(secret.data.as_ref()?.get("ca.crt")?.0.clone()).ok()
    };
    let authorities = others.iter().filter_map(public);
    authorities.map(|authorities| Related { authorities, connect: false }).collect()
}

/// The clusters in `spec.remoteClusters`.
fn named_by(es: &Elasticsearch) -> impl Iterator<Item = ObjectKey> + '_ {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    es.spec.remote_clusters.iter().flatten().filter_map(move |remote| {
        let to = &remote.elasticsearch_ref;
        let namespace = given(&to.namespace).unwrap_or_else(|| es.object_namespace().to_owned());
        Some(ObjectKey::new(&namespace, &given(&to.name)?))
    })
}

/// Whether another operator looked after the cluster until now: its pods carry that one's hash, and nothing says yet that it
/// was taken over.
pub(super) fn is_taken_over(sets: &[Arc<StatefulSet>]) -> bool {
    sets.iter().any(|set| {
        let annotations =
            set.template().and_then(|template| template.metadata.as_ref()?.annotations.as_ref());
        let hash = annotations.and_then(|all| all.get(annotations::ELASTICSEARCH_CONFIG_HASH));
        let is_noted = set.metadata.labels.as_ref().is_some_and(|all| all.contains_key(ADOPTED_CONFIG_HASH));
        hash.is_some_and(|hash| is_foreign_hash(hash)) && !is_noted
    })
}
