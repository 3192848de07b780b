//! Whether the API server would take the pods of a StatefulSet: asked before the StatefulSet is written, as its controller would
//! only repeat the refusal in events that nobody looks at.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use parapet_api::{Elasticsearch, Kind};

use crate::cluster::ClusterError;
use crate::events::{News, Reason};
use crate::pass::{Context, PassError, controller};

/// Refusals that say nothing about the pods, as the API server words them. Another time the same pods are taken: a quota that is
/// used up has room again once the pod is gone that the new one takes the place of.
const OF_THE_MOMENT: [&str; 4] = [
    // Whoever may not ask goes on: the rights of an earlier installation may lack this one.
    "cannot create resource",
    "exceeded quota",
    // Its controller hasn't counted yet.
    "status unknown for quota",
    "because it is being terminated",
];

/// Why the pods would be refused; none if they would be taken.
pub(super) async fn refusal(
    cx: &Context,
    es: &Elasticsearch,
    set: &StatefulSet,
) -> Result<Option<String>, PassError> {
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let Some(template) = set.spec.as_ref().map(|spec| spec.template.clone()) else { return Ok(None) };
    let mut pod =
        Pod { metadata: template.metadata.unwrap_or_default(), spec: template.spec, ..Pod::default() };
    // No ordinal: it can't be the name of a pod that is there.
    pod.metadata.name = Some(format!("{name}-trial"));
    pod.metadata.namespace.clone_from(&set.metadata.namespace);
    match cx.cluster.try_create(&pod).await {
        Ok(()) => Ok(None),
        Err(error) if is_of_the_moment(&error) => Ok(None),
        Err(error) if error.is_forbidden() || error.is_invalid() => {
            let text = format!("The pods of {name} would be refused: {error}");
            let news = News::warning(Reason::ReconciliationError, "Upscale", text.clone());
            cx.events.tell(controller(Kind::Elasticsearch), es, news);
            Ok(Some(text))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the API server refuses for another reason than what the pods are.
fn is_of_the_moment(error: &ClusterError) -> bool {
    let says = |words: &str| error.answer().is_some_and(|answer| answer.contains(words));
    error.is_forbidden() && OF_THE_MOMENT.into_iter().any(says)
}
