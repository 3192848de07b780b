//! What a user tells the audit that manifests don't.

use std::net::IpAddr;

use ipnet::IpNet;

/// What is meant, where manifests alone don't tell.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace of objects that name none.
    pub namespace: String,
    /// Whether every workload is looked at, not only those of the observability stack.
    pub every_workload: bool,
    /// Whether collectors must be FIPS builds.
    pub fips: bool,
    /// The label of namespaces whose value names a tenant.
    pub tenant_label: Option<String>,
    /// The network plugin, if known: what it doesn't enforce is said.
    pub cni: Option<String>,
    /// Addresses of pods, services and nodes, which an `ipBlock` matches or not depending on the plugin.
    pub cluster_networks: Vec<IpNet>,
    /// Addresses of the API server.
    pub api_server: Vec<IpAddr>,
    /// Registries that images may come from; empty allows all but personal namespaces.
    pub registries: Vec<String>,
    /// Subjects (`kind:namespace/name`) that may read secrets.
    pub secret_readers: Vec<String>,
    /// Whether service account tokens are bound ones (`third-party-jwt`), as on every current cluster.
    pub third_party_tokens: bool,
    /// The Kubernetes minor version whose Pod Security Standards count; the newest known if none.
    pub kubernetes_minor: Option<u32>,
    /// Today, for expiries.
    pub today: jiff::civil::Date,
}

impl Options {
    /// The defaults on a day.
    pub fn new(today: jiff::civil::Date) -> Self {
        Self {
            namespace: "default".to_owned(),
            every_workload: false,
            fips: false,
            tenant_label: None,
            cni: None,
            cluster_networks: Vec::new(),
            api_server: Vec::new(),
            registries: Vec::new(),
            secret_readers: Vec::new(),
            third_party_tokens: true,
            kubernetes_minor: None,
            today,
        }
    }
}
