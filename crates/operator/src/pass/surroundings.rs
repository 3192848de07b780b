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

/// How old what was seen may be.
const FRESH: Duration = Duration::from_secs(60);
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

    /// What there is, as of now or a little before. What can't be read is taken as not there, but for namespaces.
    pub(super) async fn look(&self, cluster: &Cluster, operator: &OperatorPods) -> Arc<Seen> {
        if self.off {
            return Arc::default();
        }
        let mut last = self.last.lock().await;
        if let Some((at, seen)) = &*last
            && at.elapsed() < FRESH
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
    let namespaces = list(cluster, Api::<Namespace>::all(client.clone()), "").await;
    let mut seen = Seen { namespaces, ..Seen::default() };
    if !seen.has_mesh() {
        return seen;
    }
    let labels: Vec<String> = operator.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = Api::<Pod>::namespaced(client.clone(), &operator.namespace);
    seen.operator_pods = list(cluster, pods, &labels.join(",")).await.unwrap_or_default();
    let istio = |group: &str, kind: &str| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
        Api::<DynamicObject>::all_with(client.clone(), &resource)
    };
    let rules = istio("networking.istio.io", "DestinationRule");
    seen.destination_rules = list(cluster, rules, "").await.unwrap_or_default();
    let mtls = istio("security.istio.io", "PeerAuthentication");
    seen.peer_authentications = list(cluster, mtls, "").await.unwrap_or_default();
    seen
}

/// `None` if they can't be read.
async fn list<K>(cluster: &Cluster, api: Api<K>, selector: &str) -> Option<Vec<K>>
where
    K: Clone + serde::de::DeserializeOwned + fmt::Debug,
{
    let parameters = ListParams::default().labels(selector);
    match tokio::time::timeout(cluster.options().deadline, api.list(&parameters)).await {
        Ok(Ok(list)) => Some(list.items),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the surroundings can't be read");
            None
        }
        Err(_) => None,
    }
}
