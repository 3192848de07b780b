//! What is around applications and belongs to others: namespaces and the service mesh. Looked at when a pass asks, and not more
//! often than once in a while: nobody tells of it, and an idle operator asks for nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::network::OperatorPods;

use super::UNDER_WAY;

/// How old what was seen may be.
pub(super) const FRESH: Duration = Duration::from_secs(60);
/// Namespaces with these labels are in a mesh.
const IN_MESH: [&str; 3] = ["istio-injection", "istio.io/rev", AMBIENT];
const AMBIENT: &str = "istio.io/dataplane-mode";

/// What was seen of the surroundings.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// All namespaces; `None` if the operator may not read them.
    pub(super) namespaces: Option<Vec<Namespace>>,
    /// The operator's own pods, if any namespace is in a mesh.
    pub(super) operator_pods: Vec<Pod>,
    /// `security.istio.io` PeerAuthentications.
    pub(super) peer_authentications: Vec<DynamicObject>,
    /// `networking.istio.io` DestinationRules.
    pub(super) destination_rules: Vec<DynamicObject>,
    /// Something couldn't be read just now, which says nothing about it.
    pub(super) is_incomplete: bool,
}

impl Seen {
    /// Whether any namespace is in a mesh.
    pub(super) fn has_mesh(&self) -> bool {
        self.namespaces.iter().flatten().any(|namespace| {
            let labels = namespace.metadata.labels.as_ref();
            labels.is_some_and(|all| IN_MESH.iter().any(|key| all.contains_key(*key)))
        })
    }

    /// Whether connections to a namespace's pods may arrive by an ambient mesh. Where nobody can say, they may: a policy must
    /// not cut them.
    pub(super) fn may_be_ambient(&self, name: &str) -> bool {
        let Some(namespaces) = &self.namespaces else { return true };
        let found = namespaces.iter().find(|one| one.metadata.name.as_deref() == Some(name));
        let labels = found.and_then(|namespace| namespace.metadata.labels.as_ref());
        labels.and_then(|all| all.get(AMBIENT)).is_some_and(|mode| mode == "ambient")
    }
}

/// Looks at the surroundings.
#[derive(Default)]
pub struct Surroundings {
    last: Mutex<Option<(Instant, Arc<Seen>)>>,
    off: bool,
}

impl Surroundings {
    /// Never looked at: for an operator that may not read what has no namespace.
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// What there is, as of now or a little before. What the operator may not read is taken as not there, but for namespaces.
    pub(super) async fn look(&self, cluster: &Cluster, operator: &OperatorPods) -> Arc<Seen> {
        if self.off {
            return Arc::default();
        }
        let mut last = self.last.lock().await;
        if let Some((at, seen)) = &*last
            && at.elapsed() < if seen.is_incomplete { UNDER_WAY } else { FRESH }
        {
            return Arc::clone(seen);
        }
        let seen = Arc::new(read(cluster, operator).await);
        *last = Some((Instant::now(), Arc::clone(&seen)));
        seen
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

async fn read(cluster: &Cluster, operator: &OperatorPods) -> Seen {
    let client = cluster.client();
    let mut is_incomplete = false;
    let namespaces = list(cluster, Api::<Namespace>::all(client.clone()), "", &mut is_incomplete).await;
    let mut seen = Seen { namespaces, is_incomplete, ..Seen::default() };
    if !seen.has_mesh() {
        return seen;
    }
    let labels: Vec<String> = operator.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = Api::<Pod>::namespaced(client.clone(), &operator.namespace);
    seen.operator_pods =
        list(cluster, pods, &labels.join(","), &mut seen.is_incomplete).await.unwrap_or_default();
    let istio = |group: &str, kind: &str| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
        Api::<DynamicObject>::all_with(client.clone(), &resource)
    };
    let rules = istio("networking.istio.io", "DestinationRule");
    seen.destination_rules = list(cluster, rules, "", &mut seen.is_incomplete).await.unwrap_or_default();
    let mtls = istio("security.istio.io", "PeerAuthentication");
    seen.peer_authentications = list(cluster, mtls, "", &mut seen.is_incomplete).await.unwrap_or_default();
    seen
}

/// `None` if they can't be read: for want of rights, or of the kind itself, or else for now alone.
async fn list<K>(cluster: &Cluster, api: Api<K>, selector: &str, for_now: &mut bool) -> Option<Vec<K>>
where
    K: Clone + serde::de::DeserializeOwned + fmt::Debug,
{
    let parameters = ListParams::default().labels(selector);
    match tokio::time::timeout(cluster.options().deadline, api.list(&parameters)).await {
        Ok(Ok(list)) => return Some(list.items),
        Ok(Err(kube::Error::Api(status))) if [401, 403, 404].contains(&status.code) => {
            tracing::debug!(code = status.code, "the surroundings can't be read");
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "the surroundings can't be read for now");
            *for_now = true;
        }
        Err(_) => *for_now = true,
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;

    use super::*;
    use crate::cluster::{Options, Scope, WatchMetrics};

    #[tokio::test(start_paused = true)]
    async fn what_can_not_be_read_for_now_is_read_again_soon() {
        let (status, asked) = (Arc::new(AtomicU16::new(500)), Arc::new(AtomicUsize::new(0)));
        let (answer, count) = (Arc::clone(&status), Arc::clone(&asked));
        let service = tower::service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            let code = answer.load(Ordering::SeqCst);
            let body = match code {
                200 => serde_json::json!({ "metadata": {}, "items": [{ "metadata": { "name": "a" } }] }),
                _ => serde_json::json!({ "kind": "Status", "status": "Failure", "code": code }),
            };
            let response = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
            async move { Ok::<_, kube::Error>(response.unwrap()) }
        });
        let options =
            Options { scope: Scope::All, deadline: Duration::from_secs(60), network_policies: false };
        let cluster = Cluster::new(Client::new(service, "default"), options, WatchMetrics::default());
        let operator = OperatorPods { namespace: "elastic-system".to_owned(), labels: BTreeMap::new() };
        let surroundings = Surroundings::default();
        let look = async || surroundings.look(&cluster, &operator).await;
        assert!(look().await.is_incomplete);
        assert!(look().await.is_incomplete);
        assert_eq!(asked.load(Ordering::SeqCst), 1, "an API server that fails isn't asked by every pass");
        tokio::time::advance(UNDER_WAY).await;
        status.store(403, Ordering::SeqCst);
        let forbidden = look().await;
        assert!(!forbidden.is_incomplete && forbidden.namespaces.is_none());
        tokio::time::advance(UNDER_WAY).await;
        status.store(200, Ordering::SeqCst);
        assert!(look().await.namespaces.is_none(), "rights don't come from one moment to the next");
        tokio::time::advance(FRESH).await;
        assert_eq!(look().await.namespaces.as_ref().map(Vec::len), Some(1));
    }
}
