//! Pods, the workloads that they belong to, namespaces and services.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::selector::{LabelValue, Labels, Selector};
use crate::portset::Protocol;

/// The label that the API server puts on every namespace: its name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A namespace, declared or implied by what lives in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels, [`NAMESPACE_NAME_LABEL`] included.
    pub labels: Labels,
    /// False if no Namespace object was read: selectors over other labels than the name can't match it.
    pub declared: bool,
}

impl Namespace {
    /// A namespace of these labels; the name's own label is added.
    pub fn new(name: &str, labels: &Labels) -> Self {
        Self { name: name.into(), labels: labels.with(NAMESPACE_NAME_LABEL, name), declared: true }
    }
}

/// The controller of a pod as people know it; a bare pod is its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadRef {
    /// `Deployment`, `StatefulSet`, …, `Pod`.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// Pods that no policy can tell apart by anything but their address: a template with its replicas, or one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Where it lives.
    pub namespace: Arc<str>,
    /// The pod's name; a template's pods have none yet and carry the workload's.
    pub name: Arc<str>,
    /// What owns it.
    pub workload: WorkloadRef,
    /// Labels that selectors see: the template's, and those that a controller adds and manifests tell.
    pub labels: Labels,
    /// Keys of labels that a controller adds with a value that manifests don't tell.
    pub unknown_labels: Arc<[Arc<str>]>,
    /// Declared container ports (restartable init containers' included), sorted.
    pub ports: Arc<[ContainerPort]>,
    /// Shares its node's network, so that most implementations can't tell it from its node.
    pub host_network: bool,
    /// Pods of this kind: at least 1, because 0 replicas may be scaled up.
    pub replicas: u32,
    /// Pod addresses, if known.
    pub addresses: Vec<IpAddr>,
    /// The node's addresses, if known (`status.hostIPs`).
    pub node_addresses: Vec<IpAddr>,
    /// Its identity; `default` if none is named.
    pub service_account: Arc<str>,
    /// Annotations that decide about the mesh's proxy; nothing else is kept.
    pub mesh_annotations: Arc<BTreeMap<String, String>>,
}

impl Pod {
    /// A pod with a name and labels; everything else as Kubernetes defaults it.
    pub fn new(namespace: &str, name: &str, labels: impl Into<Labels>) -> Self {
        let name: Arc<str> = name.into();
        Self {
            namespace: namespace.into(),
            workload: WorkloadRef { kind: "Pod".into(), name: Arc::clone(&name) },
            name,
            labels: labels.into(),
            unknown_labels: [].into(),
            ports: [].into(),
            host_network: false,
            replicas: 1,
            addresses: Vec::new(),
            node_addresses: Vec::new(),
            service_account: "default".into(),
            mesh_annotations: Arc::default(),
        }
    }

    /// What is known of the label `key`.
    pub fn label(&self, key: &str) -> LabelValue<'_> {
        match self.labels.get(key) {
            Some(value) => LabelValue::Known(value),
            None if self.unknown_labels.iter().any(|unknown| **unknown == *key) => LabelValue::Unknown,
            None => LabelValue::Absent,
        }
    }

    /// Whether `selector` matches the pod's labels (its namespace is the caller's concern).
    pub fn matches(&self, selector: &Selector) -> bool {
        selector.matches(|key| self.label(key))
    }

    /// `namespace/name[Kind]` of its workload.
    pub fn workload_string(&self) -> String {
        format!("{}/{}[{}]", self.namespace, self.workload.name, self.workload.kind)
    }
}

/// One entry of `containers[].ports`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPort {
    /// The name that services and policies may use.
    pub name: Option<Arc<str>>,
    /// TCP if the manifest names none.
    pub protocol: Protocol,
    /// 1 to 65535.
    pub port: u16,
    /// The port on the node that is forwarded here.
    pub host_port: Option<u16>,
}

/// A Service: its selector and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where it lives.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: Arc<str>,
    /// None: endpoints are managed by hand.
    pub selector: Option<Selector>,
    /// `clusterIP: None`.
    pub headless: bool,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; required by Kubernetes if there are several.
    pub name: Option<String>,
    /// TCP if the manifest names none.
    pub protocol: Protocol,
    /// What clients address.
    pub port: u16,
    /// What pods listen on.
    pub target: PortRef,
    /// `appProtocol`.
    pub app_protocol: Option<String>,
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortRef {
    /// A number.
    Number(u16),
    /// The name of a container port.
    Name(String),
}

impl Service {
    /// Whether the service sends traffic to `pod`.
    pub fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.namespace
            && self
                .selector
                .as_ref()
                .is_some_and(|selector| !selector.is_everything() && pod.matches(selector))
    }
}

/// Something that lets traffic in from outside: Ingress, OpenShift's Route, or a route of the Gateway API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// `Ingress`, `Route`, `HTTPRoute`, ….
    pub kind: Arc<str>,
    /// Where it lives.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Where it sends requests.
    pub backends: Vec<Backend>,
}

/// A Service that an entry point sends requests to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    /// The service's namespace.
    pub namespace: Arc<str>,
    /// The service's name.
    pub service: Arc<str>,
    /// The service's port, by number or name; all of them if none is given. A Route may name the target port instead.
    pub port: Option<PortRef>,
}
