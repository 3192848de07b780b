//! What groups of nodes leave behind that are specified no more, found by its labels: an operator that died after it deleted
//! the StatefulSet leaves nothing for ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Secret, Service};
use parapet_api::{Application as _, Elasticsearch, labels};

use crate::cluster::{Cached, Deletion};
use crate::pass::{Context, PassError};

/// Removes headless Services, configurations and certificates of groups that are neither specified nor there.
pub(super) async fn remove(
    cx: &Context,
    es: &Elasticsearch,
    wanted: &[StatefulSet],
    live: &[Arc<StatefulSet>],
) -> Result<(), PassError> {
    let live = live.iter().map(|set| &**set).filter(|set| set.metadata.deletion_timestamp.is_none());
    let sets: BTreeSet<&str> =
        wanted.iter().chain(live).filter_map(|set| set.metadata.name.as_deref()).collect();
    remove_of::<Service>(cx, es, &sets).await?;
    remove_of::<Secret>(cx, es, &sets).await
}

async fn remove_of<K: Cached>(
    cx: &Context,
    es: &Elasticsearch,
    sets: &BTreeSet<&str>,
) -> Result<(), PassError> {
    let all = cx.cluster.labelled::<K>(Some(es.object_namespace()), labels::CLUSTER_NAME, es.object_name());
    for object in all {
        let metadata = object.meta();
        let of = metadata.labels.as_ref().and_then(|all| all.get(labels::STATEFULSET_NAME));
        let owned = metadata
            .owner_references
            .iter()
            .flatten()
            .any(|owner| Some(&owner.uid) == es.metadata.uid.as_ref() && owner.controller == Some(true));
        if owned && of.is_some_and(|set| !sets.contains(set.as_str())) {
            cx.cluster.delete::<K>(metadata, Deletion::default()).await?;
        }
    }
    Ok(())
}
