//! Where good implementations differ, the caller says which one is meant; every report repeats it.

use serde::Serialize;

/// The declared modes of a computation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Options {
    /// Whether blocks of addresses cover pods.
    pub ip_block_pods: IpBlockPods,
    /// What a pod in its node's network is to policies.
    pub host_network: HostNetwork,
    /// A pod that reaches itself through a Service.
    pub hairpin: Hairpin,
}

/// Whether an `ipBlock` covers the addresses of pods. Implementations differ, and the API leaves it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpBlockPods {
    /// Only addresses outside the cluster (as Cilium does by default).
    Never,
    /// Pods whose addresses are known, too (as Calico does).
    Always,
    /// Computed as `Never`; reports say where `Always` would differ.
    #[default]
    BothAndReport,
}

/// What policies make of pods with `hostNetwork: true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostNetwork {
    /// They are their node: no policy selects them, and only blocks of addresses match them, by the node's address.
    #[default]
    NodeAddress,
    /// They are pods like others.
    AsPods,
}

/// Traffic of a pod to itself through a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hairpin {
    /// Policies apply to it.
    #[default]
    Subject,
    /// It is always allowed.
    Allowed,
}

impl IpBlockPods {
    /// The mode's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::BothAndReport => "both-and-report",
        }
    }
}

impl HostNetwork {
    /// The mode's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::NodeAddress => "node-address",
            Self::AsPods => "as-pods",
        }
    }
}

impl Hairpin {
    /// The mode's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Allowed => "allowed",
        }
    }
}

/// One line for the head of a report.
impl std::fmt::Display for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ipblock-pods={} hostnetwork={} hairpin={} cni=unknown",
            self.ip_block_pods.name(),
            self.host_network.name(),
            self.hairpin.name()
        )
    }
}
