//! The kinds that are asked for.

/// API groups with their kinds. A version is the server's choice: its preferred one first.
pub const WANTED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "Namespace",
            "Node",
            "Pod",
            "ReplicationController",
            "Service",
            "ServiceAccount",
            "ConfigMap",
            "PersistentVolume",
            SECRET,
        ],
    ),
    ("discovery.k8s.io", &[ENDPOINT_SLICE]),
    ("apps", &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"]),
    ("batch", &["CronJob", "Job"]),
    ("networking.k8s.io", &["NetworkPolicy", "Ingress"]),
    (
        "policy.networking.k8s.io",
        &["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"],
    ),
    ("rbac.authorization.k8s.io", &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]),
    ("admissionregistration.k8s.io", &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]),
    ("gateway.networking.k8s.io", &["Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"]),
    ("route.openshift.io", &["Route"]),
    ("security.istio.io", &["AuthorizationPolicy", "PeerAuthentication"]),
    ("networking.istio.io", &["Sidecar", "DestinationRule", "Gateway", "VirtualService", "ServiceEntry"]),
    ("elasticsearch.k8s.elastic.co", &["Elasticsearch"]),
    ("kibana.k8s.elastic.co", &["Kibana"]),
    ("apm.k8s.elastic.co", &["ApmServer"]),
    ("logstash.k8s.elastic.co", &["Logstash"]),
    ("beat.k8s.elastic.co", &["Beat"]),
    (
        "monitoring.coreos.com",
        &["Prometheus", "PrometheusAgent", "Alertmanager", "ServiceMonitor", "PodMonitor"],
    ),
    ("opentelemetry.io", &["OpenTelemetryCollector"]),
    ("cert-manager.io", &["Certificate"]),
    ("external-secrets.io", &["ExternalSecret", "ClusterExternalSecret"]),
    ("secrets-store.csi.x-k8s.io", &["SecretProviderClass"]),
    ("bitnami.com", &["SealedSecret"]),
    ("secrets.hashicorp.com", &["VaultStaticSecret", "VaultDynamicSecret"]),
];

/// The kind of which only metadata are asked for.
pub(super) const SECRET: &str = "Secret";

/// The kind of which only the API server's own are asked for: those of the Service `kubernetes` in `default`.
const ENDPOINT_SLICE: &str = "EndpointSlice";

/// A kind as the server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub group: &'static str,
    pub version: String,
    pub kind: &'static str,
    /// The resource's name, as in URLs and RBAC rules.
    pub plural: String,
}

impl Kind {
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Where the server lists it.
    pub(super) fn path(&self) -> String {
        let root = if self.group.is_empty() { "api" } else { "apis" };
        let place = if self.is_endpoint_slice() { "namespaces/default/" } else { "" };
        format!("/{root}/{}/{place}{}", self.api_version(), self.plural)
    }

    /// Which of its objects are asked for: all, if none is said.
    pub(super) fn labels(&self) -> Option<&'static str> {
        self.is_endpoint_slice().then_some("kubernetes.io/service-name=kubernetes")
    }

    /// Whether what is known without it is complete for every question but its own.
    pub(super) fn is_spare(&self) -> bool {
        self.is_secret() || self.is_endpoint_slice()
    }

    pub(super) fn is_endpoint_slice(&self) -> bool {
        self.group == "discovery.k8s.io" && self.kind == ENDPOINT_SLICE
    }

    pub(super) fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == SECRET
    }
}
