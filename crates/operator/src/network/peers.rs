//! Who is known to open connections to an application.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parapet_api::{Application, Kind, labels};
use parapet_elastic::services::{REMOTE_CLUSTER_PORT, TRANSPORT_PORT};

use super::referrers::Referrer;
use crate::{ApplicationKey, ObjectKey};

/// The operator's own pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorPods {
    /// Where they run.
    pub namespace: String,
    /// What they are labelled with: `control-plane: elastic-operator`.
    pub labels: BTreeMap<String, String>,
}

/// Pods of one application, or of the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pods {
    namespace: String,
    labels: BTreeMap<String, String>,
}

impl Pods {
    /// Those of an application, whether it can be read or not.
    pub(super) fn of(kind: Kind, object: &ObjectKey) -> Self {
        let labels = [
            (labels::TYPE.to_owned(), kind.type_label().to_owned()),
            (kind.name_label().to_owned(), object.name.to_string()),
        ];
        Self { namespace: object.namespace.to_string(), labels: labels.into() }
    }

    /// As a policy in `namespace` names them.
    fn peer(self, namespace: &str) -> NetworkPolicyPeer {
        /// Kubernetes puts it on every namespace since 1.22.
        const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
        let labels = |labels| Some(LabelSelector { match_labels: Some(labels), ..LabelSelector::default() });
        let is_elsewhere = self.namespace != namespace;
        NetworkPolicyPeer {
            pod_selector: labels(self.labels),
            namespace_selector: is_elsewhere
                .then(|| labels([(NAMESPACE_NAME.to_owned(), self.namespace)].into()))
                .flatten(),
            ip_block: None,
        }
    }
}

/// The known peers of an application's ports.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Peers {
    /// Of its HTTP port.
    pub(super) http: Vec<NetworkPolicyPeer>,
    /// Of Elasticsearch's transport port.
    pub(super) transport: Vec<NetworkPolicyPeer>,
    /// Of Elasticsearch's port for other clusters.
    pub(super) remote: Vec<NetworkPolicyPeer>,
}

/// Who is known to use `target`: its own pods where they talk to each other, the operator, and whoever refers to it. `live`: its
/// policy as it is, which goes on letting in those of whom nobody can say any more whether they refer to it.
pub(super) fn peers_of<K: Application>(
    target: &K,
    referrers: &[Referrer],
    operator: &OperatorPods,
    live: Option<&NetworkPolicy>,
) -> Peers {
    let key = ApplicationKey::new(K::KIND, target.object_namespace(), target.object_name());
    let namespace = target.object_namespace();
    let unread = |port: u16| {
        let doubtful = referrers.iter().filter(|referrer| !referrer.is_read);
        doubtful.filter(move |one| live.is_some_and(|live| lets_in(live, &one.pods, namespace, port)))
    };
    let uses_http = referrers.iter().filter(|referrer| referrer.http.contains(&key));
    let mut http: BTreeSet<&Pods> =
        uses_http.chain(unread(K::KIND.http_port())).map(|referrer| &referrer.pods).collect();
    let of_clusters = |port: u16| {
        let clusters = referrers.iter().filter(|referrer| referrer.clusters.contains(&key));
        clusters.chain(unread(port)).map(|referrer| &referrer.pods).collect::<BTreeSet<&Pods>>()
    };
    let peers = |pods: BTreeSet<&Pods>| pods.into_iter().map(|pods| pods.clone().peer(namespace)).collect();
    if K::KIND != Kind::Elasticsearch {
        return Peers { http: peers(http), ..Peers::default() };
    }
    let own = Pods::of(K::KIND, &key.object);
    let operator = Pods { namespace: operator.namespace.clone(), labels: operator.labels.clone() };
    // Pods announce their end through the internal Service, which leads to any of them; the operator asks and orders.
    http.extend([&own, &operator]);
    let (mut transport, remote) = (of_clusters(TRANSPORT_PORT), of_clusters(REMOTE_CLUSTER_PORT));
    transport.insert(&own);
    Peers { http: peers(http), transport: peers(transport), remote: peers(remote) }
}

/// Whether a policy names these pods as peers of a port.
fn lets_in(policy: &NetworkPolicy, pods: &Pods, namespace: &str, port: u16) -> bool {
    let peer = pods.clone().peer(namespace);
    let is_it = |one: &NetworkPolicyPort| one.port == Some(IntOrString::Int(i32::from(port)));
    let rules = policy.spec.iter().flat_map(|spec| spec.ingress.iter().flatten());
    rules.into_iter().any(|rule| {
        rule.ports.iter().flatten().any(is_it) && rule.from.iter().flatten().any(|from| *from == peer)
    })
}
