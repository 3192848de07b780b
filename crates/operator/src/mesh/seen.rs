//! What was read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::DynamicObject;
use parapet_api::{ApmServer, Elasticsearch, Kibana};

use super::Answer;
use crate::ObjectKey;
use crate::elasticsearch::Dialling;

/// Objects of one cluster, read at about one time.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// All clusters.
    pub elasticsearches: &'a [Elasticsearch],
    /// All Kibanas.
    pub kibanas: &'a [Kibana],
    /// All APM Servers.
    pub apm_servers: &'a [ApmServer],
    /// At least those of applications and of the operator.
    pub namespaces: &'a [Namespace],
    /// Pods of applications and of the operator.
    pub pods: &'a [Pod],
    /// Services of applications.
    pub services: &'a [Service],
    /// `security.istio.io` PeerAuthentications, wherever they are.
    pub peer_authentications: &'a [DynamicObject],
    /// `networking.istio.io` DestinationRules, wherever they are.
    pub destination_rules: &'a [DynamicObject],
    /// How the operator's last request to each cluster went.
    pub answers: &'a BTreeMap<ObjectKey, Answer>,
    /// How the mesh is set up.
    pub istio: &'a Istio,
    /// Where the operator runs.
    pub operator_namespace: &'a str,
    /// By which names the operator calls Elasticsearch.
    pub dialling: Dialling,
    /// The port of the operator's webhook.
    pub webhook_port: u16,
}

/// How the mesh is set up. What isn't known is taken as its present default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Istio {
    /// Where mesh-wide objects are.
    pub root_namespace: String,
    /// The end of host names.
    pub cluster_domain: String,
    /// Major and minor number.
    pub version: (u32, u32),
    /// `meshConfig.enableAutoMtls`.
    pub auto_mtls: bool,
    /// Whether the injector rewrites probes unless told otherwise.
    pub rewrites_probes: bool,
    /// Whether a CNI plugin redirects traffic before init containers run.
    pub cni: bool,
    /// Whether proxies are native sidecars, which run before other init containers.
    pub native_sidecars: bool,
    /// Whether Kubernetes projects tokens for the mesh.
    pub projected_tokens: bool,
}

impl Default for Istio {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            version: (1, 24),
            auto_mtls: true,
            rewrites_probes: true,
            cni: false,
            native_sidecars: false,
            projected_tokens: true,
        }
    }
}

/// The label that asks for proxies in a namespace.
pub const INJECTION: &str = "istio-injection";
/// The label that asks for proxies of one revision of the mesh.
pub const REVISION: &str = "istio.io/rev";
/// A namespace with this label is left out by the injector.
const CONTROL_PLANE: &str = "control-plane";

impl Seen<'_> {
    /// Whether any application's namespace is in a mesh.
    pub(super) fn has_mesh(&self) -> bool {
        super::application::all(self).iter().any(|one| one.is_injected(self))
    }

    pub(super) fn namespace_label(&self, namespace: &str, key: &str) -> Option<&str> {
        let found = self.namespaces.iter().find(|one| one.metadata.name.as_deref() == Some(namespace))?;
        found.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// Whether a namespace's labels ask for proxies.
    pub(super) fn asks_for_proxies(&self, namespace: &str) -> bool {
        match self.namespace_label(namespace, INJECTION) {
            Some(value) => value == "enabled",
            None => self.namespace_label(namespace, REVISION).is_some(),
        }
    }

    /// Whether the injector leaves a namespace out, whatever else it asks for.
    pub(super) fn is_left_out(&self, namespace: &str) -> bool {
        self.namespace_label(namespace, CONTROL_PLANE).is_some()
    }
}
