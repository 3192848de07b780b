//! Whether the API server would take the pods of a StatefulSet: asked before the StatefulSet is written, as its controller would
//! only repeat the refusal in events that nobody looks at.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use parapet_api::{Elasticsearch, Kind};

use crate::events::{News, Reason};
use crate::pass::{Context, PassError, controller};

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
        // Whoever may not ask goes on: the rights of an earlier installation may lack this one.
        Err(error) if error.is_forbidden() && error.to_string().contains("cannot create resource") => {
            Ok(None)
        }
        Err(error) if error.is_forbidden() || error.is_invalid() => {
            let text = format!("The pods of {name} would be refused: {error}");
            let news = News::warning(Reason::ReconciliationError, "Upscale", text.clone());
            cx.events.tell(controller(Kind::Elasticsearch), es, news);
            Ok(Some(text))
        }
        Err(error) => Err(error.into()),
    }
}
