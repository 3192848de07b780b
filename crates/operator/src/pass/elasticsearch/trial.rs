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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::json;

    use super::*;
    use crate::cluster::{Cluster, Options, Scope, WatchMetrics};

    #[tokio::test]
    async fn only_what_the_pods_are_counts() {
        let check = async |code: u16, message: &str, of_the_moment: bool| {
            let answer = json!({ "kind": "Status", "status": "Failure", "code": code, "message": message });
            let service = tower::service_fn(move |_: Request<Body>| {
                let body = Body::from(answer.to_string().into_bytes());
                async move { Ok::<_, kube::Error>(Response::builder().status(code).body(body).unwrap()) }
            });
            let options =
                Options { scope: Scope::All, deadline: Duration::from_secs(60), network_policies: false };
            let cluster = Cluster::new(Client::new(service, "default"), options, WatchMetrics::default());
            let mut pod = Pod::default();
            pod.metadata.namespace = Some("ns".to_owned());
            let error = cluster.try_create(&pod).await.unwrap_err();
            assert_eq!(is_of_the_moment(&error), of_the_moment, "{code} {message}");
        };
        check(403, "User \"x\" cannot create resource \"pods\" in API group \"\"", true).await;
        check(403, "pods \"x\" is forbidden: exceeded quota: one, requested: pods=1, used: pods=1", true)
            .await;
        check(403, "pods \"x\" is forbidden: status unknown for quota: one, resources: pods", true).await;
        check(403, "unable to create new content in namespace ns because it is being terminated", true).await;
        // A quota of resources that the template doesn't name, as it never will.
        check(403, "pods \"x\" is forbidden: failed quota: one: must specify limits.cpu", false).await;
        check(
            403,
            "pods \"x\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces",
            false,
        )
        .await;
        check(403, "maximum memory usage per Container is 1Gi, but limit is 2Gi", false).await;
        check(403, "admission webhook \"policy\" denied the request: no registry of ours", false).await;
        check(422, "Pod \"x\" is invalid: spec.containers[0].image: exceeded quota", false).await;
    }
}
