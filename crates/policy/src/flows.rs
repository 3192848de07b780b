//! Declared flows: who opens connections to whom, on which ports, and what for.
//!
//! ```yaml
//! dns: {}                                    # on by default: kube-system, k8s-app=kube-dns, port 53
//! apiServer: {addresses: [10.0.0.1]}
//! presets:
//!   - {name: elasticsearch, namespace: logging, cluster: main}
//! flows:
//!   - from: {workload: {namespace: shop, name: web}}
//!     to: {pods: {namespace: shop, labels: {app: orders}}}
//!     ports: [8080, {port: 9125, protocol: UDP}]
//!     reason: the shop reads orders
//!   - from: world
//!     to: {workload: {namespace: shop, name: web}}
//!     ports: [https]
//! ```

use std::collections::BTreeMap;

use parapet_reach::Protocol;
use serde::{Deserialize, Serialize};

use crate::Cidr;

/// Everything declared in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FlowFile {
    /// Namespaces that are locked down. Empty: those that a flow's workloads live in.
    pub namespaces: Vec<String>,
    /// Where names are resolved.
    pub dns: Dns,
    /// Where the Kubernetes API is.
    pub api_server: ApiServer,
    /// Addresses of the nodes.
    pub nodes: Vec<Cidr>,
    /// Addresses that pods get: no part of the world, which matters where blocks of addresses cover pods, too.
    pub pod_cidrs: Vec<Cidr>,
    /// Flows of well-known components.
    pub presets: Vec<PresetUse>,
    /// The flows.
    pub flows: Vec<Flow>,
}

/// Some clients open connections to some servers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flow {
    /// The clients.
    pub from: Party,
    /// The servers.
    pub to: Party,
    /// The servers' own ports (not their Services'). Empty: every port of every protocol.
    #[serde(default)]
    pub ports: Vec<FlowPort>,
    /// What for: goes into the policies' annotations.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A name for the whole that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
}

/// One end of a flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Party {
    /// A workload by name.
    Workload(WorkloadName),
    /// Workloads by labels.
    Pods(PodsOf),
    /// Workloads that have any of these sets of labels: installations label one component differently.
    AnyOf(Vec<PodsOf>),
    /// Addresses.
    Cidr(Cidr),
    /// The nodes.
    Nodes,
    /// The Kubernetes API.
    ApiServer,
    /// The cluster's name servers.
    Dns,
    /// Every address outside of the cluster, the clouds' metadata services and [`FlowFile::pod_cidrs`] left out.
    World,
}

/// A workload by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `Deployment`, `StatefulSet`, …; needed only where two kinds share the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Workloads of one namespace whose pods have all of these labels; without labels, all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodsOf {
    /// Their namespace.
    pub namespace: String,
    /// Their labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A port, of TCP unless something else is said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FlowPort {
    /// `9200`.
    Number(u16),
    /// `"9300-9400"` or a container port's name.
    Text(String),
    /// With its protocol.
    Full(FullPort),
}

/// A port with its protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullPort {
    /// Absent: every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortText>,
    /// `TCP`, `UDP` or `SCTP`.
    #[serde(default)]
    pub protocol: ProtocolName,
}

/// A number, a range or a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PortText {
    /// `9200`.
    Number(u16),
    /// `"9300-9400"` or a container port's name.
    Text(String),
}

/// A protocol, as Kubernetes writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProtocolName {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Tcp => Self::Tcp,
            ProtocolName::Udp => Self::Udp,
            ProtocolName::Sctp => Self::Sctp,
        }
    }
}

impl From<Protocol> for ProtocolName {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
            Protocol::Sctp => Self::Sctp,
        }
    }
}

impl FlowPort {
    /// One port of a protocol.
    pub fn one(protocol: Protocol, port: u16) -> Self {
        match protocol {
            Protocol::Tcp => Self::Number(port),
            other => Self::Full(FullPort { port: Some(PortText::Number(port)), protocol: other.into() }),
        }
    }
}

/// Where names are resolved. Every workload that opens connections may ask there, over UDP and TCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns {
    /// False: nobody may, unless a flow to `dns` says so.
    pub enabled: bool,
    /// The name servers' namespace.
    pub namespace: String,
    /// The name servers' labels.
    pub labels: BTreeMap<String, String>,
    /// The port that the name servers' pods listen on: 53, on OpenShift 5353.
    pub port: u16,
    /// The address of a cache on each node, if there is one (169.254.20.10 by convention).
    pub node_local: Option<Cidr>,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            enabled: true,
            namespace: "kube-system".to_owned(),
            labels: BTreeMap::from([("k8s-app".to_owned(), "kube-dns".to_owned())]),
            port: 53,
            node_local: None,
        }
    }
}

/// Where the Kubernetes API is: selectors can't name it, because it isn't a pod of the cluster's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiServer {
    /// Its addresses: the control plane's, and the virtual one of the Service `kubernetes` where policies see it.
    pub addresses: Vec<Cidr>,
    /// Its ports.
    pub ports: Vec<u16>,
}

impl Default for ApiServer {
    fn default() -> Self {
        // 443 is the Service's port, 6443 what stands behind it.
        Self { addresses: Vec::new(), ports: vec![443, 6443] }
    }
}

/// A preset and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetUse {
    /// Which one; [`crate::presets::NAMES`].
    pub name: String,
    /// The namespace of its workloads.
    pub namespace: String,
    /// The name of the object that the workloads belong to, where the preset's labels have one.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The namespace of those who use it, if it is another one.
    #[serde(default)]
    pub users: Option<String>,
}

impl Party {
    /// The namespaces that it names.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        let one = match self {
            Self::Workload(workload) => Some(workload.namespace.as_str()),
            Self::Pods(pods) => Some(pods.namespace.as_str()),
            _ => None,
        };
        let several = match self {
            Self::AnyOf(any) => any.as_slice(),
            _ => &[],
        };
        one.into_iter().chain(several.iter().map(|pods| pods.namespace.as_str()))
    }
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Workload(WorkloadName { namespace, name, kind: Some(kind) }) => {
                write!(f, "{namespace}/{name}[{kind}]")
            }
            Self::Workload(WorkloadName { namespace, name, kind: None }) => write!(f, "{namespace}/{name}"),
            Self::Pods(pods) => write!(f, "{pods}"),
            Self::AnyOf(any) => {
                let any: Vec<String> = any.iter().map(ToString::to_string).collect();
                match any.split_first() {
                    Some((first, [])) => f.write_str(first),
                    Some((first, others)) => write!(f, "{first} (or {})", others.join(", ")),
                    None => f.write_str("nobody"),
                }
            }
            Self::Cidr(cidr) => write!(f, "{}", cidr.0),
            Self::Nodes => f.write_str("nodes"),
            Self::ApiServer => f.write_str("apiServer"),
            Self::Dns => f.write_str("dns"),
            Self::World => f.write_str("world"),
        }
    }
}

impl std::fmt::Display for PodsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { namespace, labels } = self;
        if labels.is_empty() {
            return write!(f, "{namespace}/*");
        }
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        write!(f, "{namespace}/{}", labels.join(","))
    }
}
