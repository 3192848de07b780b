//! Claims of the nodes' pods: larger ones, whose they are, and those that nobody needs any more.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Resource as _;
use kube::api::{Api, ListParams};
use parapet_api::{Application as _, Elasticsearch, Kind, annotations, labels};
use parapet_elastic::claims::{Refusal, Step, garbage, recreation, resize, with_owner};
use serde_json::json;

use super::act::Acting;
use crate::cluster::Deletion;
use crate::events::{News, Reason};
use crate::pass::{PassError, controller};

/// The annotation of the class that claims without one get.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Goes on with StatefulSets that are being made anew; whether there are any. Reads what is there now: a step must never be
/// taken on what was there a moment ago.
pub(super) async fn made_anew(acting: &Acting<'_>) -> Result<bool, PassError> {
    let (cx, es) = (acting.cx, acting.es);
    let mut names = es.metadata.annotations.iter().flatten().map(|(name, _)| name);
    if !names.any(|name| name.starts_with(annotations::RECREATE_PREFIX)) {
        return Ok(false);
    }
    let selector = format!("{}={}", labels::CLUSTER_NAME, es.object_name());
    let live = cx.cluster.fetch_all::<StatefulSet>(es.object_namespace(), &selector).await?;
    let pods = cx.cluster.fetch_all::<Pod>(es.object_namespace(), &selector).await?;
    for step in recreation(es, &live, &pods)? {
        match step {
            Step::Own { pod, uid, owners } => {
                let Some(pod) = pods.iter().find(|one| {
                    one.metadata.name.as_deref() == Some(&pod) && one.metadata.uid.as_deref() == Some(&uid)
                }) else {
                    continue;
                };
                let patch = json!({"metadata": {"ownerReferences": owners}});
                cx.cluster.merge_patch::<Pod>(&pod.metadata, patch).await?;
            }
            Step::DeleteKeepingPods { stateful_set, uid } => {
                let is_it = |one: &&StatefulSet| {
                    one.metadata.name.as_deref() == Some(&stateful_set)
                        && one.metadata.uid.as_deref() == Some(&uid)
                };
                if let Some(set) = live.iter().find(is_it) {
                    let deletion = Deletion { unchanged: false, orphan: true };
                    cx.cluster.delete::<StatefulSet>(&set.metadata, deletion).await?;
                }
            }
            Step::Create(set) => {
                acting.expect(&*cx.cluster.create::<StatefulSet>(&set).await?);
            }
            Step::Forget { annotation } => {
                let none = std::collections::BTreeMap::from([(annotation, None)]);
                cx.cluster.annotate::<Elasticsearch>(es.meta(), &none).await?;
            }
        }
    }
    Ok(true)
}

/// Enlarges claims, gives them their owner, and deletes those that belong to no pod any more. What can't be had, in sentences.
pub(super) async fn reconcile(acting: &Acting<'_>, wanted: &[StatefulSet]) -> Result<Vec<String>, PassError> {
    let (cx, es) = (acting.cx, acting.es);
    let claims = cx.cluster.labelled::<PersistentVolumeClaim>(
        Some(es.object_namespace()),
        labels::CLUSTER_NAME,
        es.object_name(),
    );
    let claims: Vec<PersistentVolumeClaim> = claims.iter().map(|claim| (**claim).clone()).collect();
    let refused = enlarge(acting, wanted, &claims).await?;
    for claim in &claims {
        if claim.metadata.deletion_timestamp.is_none()
            && let Some(owned) = with_owner(es, claim)
        {
            let patch = json!({"metadata": {"ownerReferences": owned.metadata.owner_references}});
            cx.cluster.merge_patch::<PersistentVolumeClaim>(&claim.metadata, patch).await?;
        }
    }
    let pods: BTreeSet<String> = acting.pods.iter().filter_map(|pod| pod.metadata.name.clone()).collect();
    let live: Vec<StatefulSet> = acting.live.iter().map(|set| (**set).clone()).collect();
    for claim in garbage(&claims, &live, wanted, &pods) {
        if claim.metadata.deletion_timestamp.is_none() && is_gone(acting, claim).await? {
            tracing::info!(claim = claim.metadata.name, "deleted a claim that no node needs any more");
            cx.cluster.delete::<PersistentVolumeClaim>(&claim.metadata, Deletion::default()).await?;
        }
    }
    Ok(refused)
}

/// Whether a group would have other volumes than it has, which nothing can bring about: pods of the new template would never
/// start.
pub(super) fn other_volumes(live: &StatefulSet, wanted: &StatefulSet) -> bool {
    let refused = resize(live, wanted, &[], |_| Some(true)).refused;
    refused.iter().any(|one| matches!(one, Refusal::Changed { .. }))
}

/// Whether really no pod is there for a claim: data isn't deleted on what was there a moment ago.
async fn is_gone(acting: &Acting<'_>, claim: &PersistentVolumeClaim) -> Result<bool, PassError> {
    let namespace = acting.es.object_namespace();
    let set = claim.metadata.labels.as_ref().and_then(|all| all.get(labels::STATEFULSET_NAME));
    let ordinal = claim.metadata.name.as_deref().and_then(|name| name.rsplit_once('-'));
    let (Some(set), Some((_, ordinal))) = (set, ordinal) else { return Ok(false) };
    let pod = acting.cx.cluster.fetch::<Pod>(namespace, &format!("{set}-{ordinal}")).await?;
    let replicas = match acting.cx.cluster.fetch::<StatefulSet>(namespace, set).await? {
        Some(set) => set.spec.and_then(|spec| spec.replicas).unwrap_or(1),
        None => 0,
    };
    Ok(pod.is_none() && ordinal.parse::<i32>().is_ok_and(|ordinal| ordinal >= replicas))
}

async fn enlarge(
    acting: &Acting<'_>,
    wanted: &[StatefulSet],
    claims: &[PersistentVolumeClaim],
) -> Result<Vec<String>, PassError> {
    let (cx, es) = (acting.cx, acting.es);
    let mut refused = Vec::new();
    for wanted in wanted {
        let Some(live) = acting.live.iter().find(|live| live.metadata.name == wanted.metadata.name) else {
            continue;
        };
        let mut plan = resize(live, wanted, claims, |_| Some(true));
        if cx.options.validate_storage_class && !(plan.grow.is_empty() && plan.remember.is_none()) {
            let classes = classes(acting).await?;
            plan = resize(live, wanted, claims, |name| expandable(&classes, name));
        }
        for claim in &plan.grow {
            let is_it = |one: &&PersistentVolumeClaim| one.metadata.uid.as_deref() == Some(&claim.uid);
            if let Some(found) = claims.iter().find(is_it) {
                let patch = json!({"spec": {"resources": {"requests": {"storage": claim.storage}}}});
                cx.cluster.merge_patch::<PersistentVolumeClaim>(&found.metadata, patch).await?;
            }
        }
        if let Some((annotation, value)) = plan.remember {
            let remembered = std::collections::BTreeMap::from([(annotation, Some(value))]);
            cx.cluster.annotate::<Elasticsearch>(es.meta(), &remembered).await?;
        }
        refused.extend(plan.refused.iter().map(ToString::to_string));
    }
    if refused.is_empty() {
        cx.events.over_at(es, Reason::ReconciliationError, "Resize");
    }
    for text in &refused {
        let news = News::warning(Reason::ReconciliationError, "Resize", text.clone());
        cx.events.tell(controller(Kind::Elasticsearch), es, news);
    }
    Ok(refused)
}

async fn classes(acting: &Acting<'_>) -> Result<Vec<StorageClass>, PassError> {
    let api = Api::<StorageClass>::all(acting.cx.cluster.client().clone());
    let listed = tokio::time::timeout(acting.cx.cluster.options().deadline, async move {
        api.list(&ListParams::default()).await
    });
    match listed.await {
        Ok(Ok(listed)) => Ok(listed.items),
        Ok(Err(error)) => Err(PassError::StorageClasses(error)),
        Err(_) => Err(PassError::StorageClassesDeadline),
    }
}

fn expandable(classes: &[StorageClass], name: Option<&str>) -> Option<bool> {
    let is_default = |class: &StorageClass| {
        let annotations = class.metadata.annotations.as_ref();
        annotations.and_then(|all| all.get(DEFAULT_CLASS)).is_some_and(|value| value == "true")
    };
    let found = classes.iter().find(|class| match name {
        Some(name) => class.metadata.name.as_deref() == Some(name),
        None => is_default(class),
    })?;
    Some(found.allow_volume_expansion == Some(true))
}
