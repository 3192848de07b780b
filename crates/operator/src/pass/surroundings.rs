//! What is around applications and belongs to others: namespaces and the service mesh. Looked at when a pass asks, and not more
//! often than once in a while: nobody tells of it, and an idle operator asks for nothing.

mod istio;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::mesh::{self, INJECTION, REVISION};
use crate::network::OperatorPods;

use super::UNDER_WAY;
pub(super) use istio::{Installed, Revisions};

/// How old what was seen may be.
pub(super) const FRESH: Duration = Duration::from_secs(60);
/// Namespaces with these labels are in a mesh.
const IN_MESH: [&str; 3] = [INJECTION, REVISION, AMBIENT];
const AMBIENT: &str = "istio.io/dataplane-mode";

/// What was seen of the surroundings.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// All namespaces; `None` if the operator may not read them.
    pub(super) namespaces: Option<Vec<Namespace>>,
    /// The operator's own pods, if any namespace is in a mesh.
    pub(super) operator_pods: Listed<Pod>,
    /// `security.istio.io` PeerAuthentications.
    pub(super) peer_authentications: Listed<DynamicObject>,
    /// `networking.istio.io` DestinationRules.
    pub(super) destination_rules: Listed<DynamicObject>,
    /// How the mesh is set up.
    pub(super) revisions: Revisions,
    /// Something couldn't be read just now, which says nothing about it.
    pub(super) is_incomplete: bool,
}

/// Objects of one kind.
#[derive(Debug)]
pub(super) struct Listed<K> {
    /// Those that were read.
    pub(super) items: Vec<K>,
    /// Why there may be others; nothing if these are all.
    pub(super) unseen: Option<Unseen>,
}

impl<K> Default for Listed<K> {
    fn default() -> Self {
        Self { items: Vec::new(), unseen: None }
    }
}

/// Something that couldn't be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unseen {
    /// What.
    what: String,
    /// Why.
    why: String,
}

impl Unseen {
    fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
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
        if self.namespaces.is_none() {
            return true;
        }
        self.label(name, AMBIENT).is_some_and(|mode| mode == "ambient")
    }

    /// Whether a namespace's pods get a proxy.
    pub(super) fn gives_proxies(&self, name: &str) -> bool {
        match self.label(name, INJECTION) {
            Some(value) => value == "enabled",
            None => self.label(name, REVISION).is_some(),
        }
    }

    /// How the mesh is set up that gives a namespace's pods their proxies.
    pub(super) fn installed(&self, name: &str) -> Installed {
        self.revisions.of(self.namespace(name))
    }

    fn label(&self, name: &str, key: &str) -> Option<&str> {
        self.namespace(name)?.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }

    fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.iter().flatten().find(|one| one.metadata.name.as_deref() == Some(name))
    }
}

/// Looks at the surroundings.
pub struct Surroundings {
    last: Mutex<Option<(Instant, Arc<Seen>)>>,
    off: bool,
    /// The namespace of the mesh itself.
    mesh: String,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self::with_mesh_in(mesh::NAMESPACE)
    }
}

impl Surroundings {
    /// How the mesh is set up is read in this namespace.
    pub fn with_mesh_in(namespace: impl Into<String>) -> Self {
        Self { last: Mutex::default(), off: false, mesh: namespace.into() }
    }

    /// Never looked at: for an operator that may not read what has no namespace.
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// Whether nobody wants to know.
    pub(super) fn is_off(&self) -> bool {
        self.off
    }

    /// What there is, as of now or a little before.
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
        let mut reader = Reader { cluster, is_incomplete: false };
        let mut seen = read(&mut reader, operator, &self.mesh).await;
        seen.is_incomplete = reader.is_incomplete;
        let seen = Arc::new(seen);
        *last = Some((Instant::now(), Arc::clone(&seen)));
        seen
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

async fn read(reader: &mut Reader<'_>, operator: &OperatorPods, mesh: &str) -> Seen {
    let client = reader.client();
    let namespaces = match reader.list(&Api::<Namespace>::all(client.clone()), "").await {
        Asked::Found(namespaces) => Some(namespaces),
        Asked::Absent | Asked::Forbidden | Asked::Failed => None,
    };
    let mut seen = Seen { namespaces, ..Seen::default() };
    if !seen.has_mesh() {
        return seen;
    }
    let labels: Vec<String> = operator.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = Api::<Pod>::namespaced(client.clone(), &operator.namespace);
    seen.operator_pods = reader.list(&pods, &labels.join(",")).await.listed("the operator's own pods");
    let of_mesh = |group: &str, kind: &str| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1beta1", kind));
        Api::<DynamicObject>::all_with(client.clone(), &resource)
    };
    let rules = of_mesh("networking.istio.io", "DestinationRule");
    seen.destination_rules = reader.list(&rules, "").await.listed("DestinationRules");
    let mtls = of_mesh("security.istio.io", "PeerAuthentication");
    seen.peer_authentications = reader.list(&mtls, "").await.listed("PeerAuthentications");
    seen.revisions = istio::read(reader, seen.namespaces.as_deref().unwrap_or_default(), mesh).await;
    seen
}

/// Asks the API server for what the operator may have no rights to.
struct Reader<'a> {
    cluster: &'a Cluster,
    /// Something couldn't be read for now.
    is_incomplete: bool,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked<T> {
    /// It is there.
    Found(T),
    /// There is no such object or kind.
    Absent,
    /// The operator's rights don't suffice.
    Forbidden,
    /// There is no answer for now.
    Failed,
}

impl<T> Asked<T> {
    fn why(&self) -> &'static str {
        match self {
            Self::Found(_) => "it can be read",
            Self::Absent => "it isn't there",
            Self::Forbidden => "the operator may not read it",
            Self::Failed => "it can't be read for now",
        }
    }
}

impl<K> Asked<Vec<K>> {
    /// A kind that isn't defined has no objects.
    fn listed(self, what: &str) -> Listed<K> {
        match self {
            Self::Found(items) => Listed { items, unseen: None },
            Self::Absent => Listed::default(),
            Self::Forbidden | Self::Failed => {
                Listed { unseen: Some(Unseen::new(what, self.why())), items: Vec::new() }
            }
        }
    }
}

impl Reader<'_> {
    fn client(&self) -> Client {
        self.cluster.client().clone()
    }

    async fn list<K>(&mut self, api: &Api<K>, selector: &str) -> Asked<Vec<K>>
    where
        K: Clone + DeserializeOwned + fmt::Debug,
    {
        let parameters = ListParams::default().labels(selector);
        match self.ask(api.list(&parameters)).await {
            Asked::Found(list) => Asked::Found(list.items),
            Asked::Absent => Asked::Absent,
            Asked::Forbidden => Asked::Forbidden,
            Asked::Failed => Asked::Failed,
        }
    }

    async fn get<K>(&mut self, api: &Api<K>, name: &str) -> Asked<K>
    where
        K: Clone + DeserializeOwned + fmt::Debug,
    {
        self.ask(api.get(name)).await
    }

    async fn ask<T>(&mut self, call: impl Future<Output = Result<T, kube::Error>>) -> Asked<T> {
        match tokio::time::timeout(self.cluster.options().deadline, call).await {
            Ok(Ok(found)) => return Asked::Found(found),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Asked::Absent,
            Ok(Err(kube::Error::Api(status))) if [401, 403].contains(&status.code) => {
                tracing::debug!(code = status.code, "the surroundings can't be read");
                return Asked::Forbidden;
            }
            Ok(Err(error)) => tracing::debug!(%error, "the surroundings can't be read for now"),
            Err(_) => tracing::debug!("the surroundings can't be read for now: no answer in time"),
        }
        self.is_incomplete = true;
        Asked::Failed
    }
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
