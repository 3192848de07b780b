//! Which node of a cluster is called.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::api::core::v1::Pod;
use parapet_api::{Application as _, Elasticsearch, Kind, labels, names};

/// How pods are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialling {
    /// By their own names, `<pod>.<StatefulSet>.<namespace>`, as the reference does: a node that isn't ready yet is found.
    #[default]
    Pods,
    /// By the Service `<name>-es-http`: the one name for which documentation has a DestinationRule. A cluster none of whose nodes
    /// is ready isn't found.
    Service,
}

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As in URLs, and in the pods' label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where a cluster is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// How.
    pub scheme: Scheme,
    /// A name of the cluster's DNS.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

/// Where a cluster can be called, the best first: pods that are ready, pods that run, then the internal Service; or by the external
/// Service only. Nowhere as long as no pod runs. Pods of a kind come in an order that is the same for the same pods and another one for another
/// cluster's, so that connections are kept and no node gets all calls.
pub fn endpoints<'a>(
    es: &Elasticsearch,
    pods: impl IntoIterator<Item = &'a Pod>,
    dialling: Dialling,
) -> Vec<Endpoint> {
    let specified = if es.spec.http.tls_enabled() { Scheme::Https } else { Scheme::Http };
    let mut pods: Vec<_> = pods.into_iter().filter(|pod| running(pod)).collect();
    if pods.is_empty() {
        return Vec::new();
    }
    let (kind, port) = (Kind::Elasticsearch, Kind::Elasticsearch.http_port());
    let namespace = es.object_namespace();
    // The Service sends to pods that are ready; which scheme they speak is the label of whichever comes first.
    pods.sort_by_cached_key(|pod| (!ready(pod), place(pod)));
    let spoken = pods.first().and_then(|pod| scheme(pod)).unwrap_or(specified);
    let by_service =
        |service: String, port| Endpoint { scheme: spoken, host: format!("{service}.{namespace}.svc"), port };
    let by_pod = pods.iter().filter_map(|pod| {
        let name = pod.metadata.name.as_deref()?;
        let set = label(pod, labels::STATEFULSET_NAME)?;
        let scheme = scheme(pod).unwrap_or(specified);
        Some(Endpoint { scheme, host: format!("{name}.{set}.{namespace}"), port })
    });
    match dialling {
        Dialling::Pods => {
            let internal = names::elasticsearch::internal_http_service(es.object_name());
            by_pod.chain([by_service(internal, port)]).collect()
        }
        Dialling::Service => {
            let external = names::http_service(kind, es.object_name());
            vec![by_service(external, external_port(es).unwrap_or(port))]
        }
    }
}

/// The port of the user's own Service for which the name says HTTP, as references find it.
fn external_port(es: &Elasticsearch) -> Option<u16> {
    let ports = es.spec.http.service.spec.ports.iter().flatten();
    let speaks = |name: &str| matches!(name, "https" | "http");
    let port = ports.into_iter().find(|port| port.name.as_deref().is_some_and(speaks))?;
    u16::try_from(port.port).ok()
}

fn running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

fn ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn label<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn scheme(pod: &Pod) -> Option<Scheme> {
    match label(pod, labels::HTTP_SCHEME)? {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        _ => None,
    }
}

fn place(pod: &Pod) -> u64 {
    let mut hash = DefaultHasher::new();
    pod.metadata.uid.hash(&mut hash);
    hash.finish()
}
