//! NetworkPolicy and the three kinds of administrators' policies, as plain values after defaulting.

use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;

use super::selector::Selector;
use crate::portset::Protocol;

/// Which side of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Direction {
    /// Traffic that comes in.
    Ingress,
    /// Traffic that goes out.
    Egress,
}

impl Direction {
    /// Both, in the order in which reports name them.
    pub const BOTH: [Self; 2] = [Self::Egress, Self::Ingress];

    /// `Ingress` or `Egress`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }
}

/// A NetworkPolicy (networking.k8s.io/v1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Where it lives, and the only namespace whose pods it selects.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `spec.podSelector`; absent means all pods.
    pub pod_selector: Selector,
    /// Isolates ingress (effective policyTypes).
    pub isolates_ingress: bool,
    /// Isolates egress (effective policyTypes).
    pub isolates_egress: bool,
    /// Ingress rules, as written; without effect unless `isolates_ingress`.
    pub ingress: Vec<Rule>,
    /// Egress rules, as written; without effect unless `isolates_egress`.
    pub egress: Vec<Rule>,
}

impl NetworkPolicy {
    /// A policy that selects, isolates neither direction and allows nothing; the start for building one.
    pub fn new(namespace: &str, name: &str, pod_selector: Selector) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            pod_selector,
            isolates_ingress: false,
            isolates_egress: false,
            ingress: Vec::new(),
            egress: Vec::new(),
        }
    }

    /// Whether it isolates in `direction`.
    pub fn isolates(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.isolates_ingress,
            Direction::Egress => self.isolates_egress,
        }
    }

    /// The rules of `direction`, as written.
    pub fn rules(&self, direction: Direction) -> &[Rule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// One rule: the product of peers and ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// None: every peer, in the cluster or not. `Some` of nothing matches nobody (all its elements were invalid).
    pub peers: Option<Vec<Peer>>,
    /// None: every port of every protocol. `Some` of nothing matches no port (all its elements were invalid).
    pub ports: Option<Vec<PolicyPort>>,
}

/// One element of `from` or `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Pods by labels.
    Pods {
        /// None: the policy's own namespace.
        namespaces: Option<Selector>,
        /// Which pods in them; an absent selector means all.
        pods: Selector,
    },
    /// Addresses.
    Block(Block),
}

/// An `ipBlock`: a block of addresses without some.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// Its host bits are masked.
    pub cidr: IpNet,
    /// Strictly inside `cidr`.
    pub except: Vec<IpNet>,
}

/// One element of `ports`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyPort {
    /// A protocol's ports `first` to `last`, both included.
    Range {
        /// TCP if the manifest names none.
        protocol: Protocol,
        /// The lowest.
        first: u16,
        /// The highest.
        last: u16,
    },
    /// The destination's container port of this name.
    Named {
        /// None only where the kind of policy has none: the container port's own protocol counts.
        protocol: Option<Protocol>,
        /// The port's name.
        name: String,
    },
}

impl PolicyPort {
    /// Every port of a protocol.
    pub fn all_of(protocol: Protocol) -> Self {
        Self::Range { protocol, first: 1, last: u16::MAX }
    }

    /// One port.
    pub fn one(protocol: Protocol, port: u16) -> Self {
        Self::Range { protocol, first: port, last: port }
    }
}

/// Which kind of administrator's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminKind {
    /// AdminNetworkPolicy (policy.networking.k8s.io/v1alpha1).
    AdminNetworkPolicy,
    /// BaselineAdminNetworkPolicy (v1alpha1), the one named `default`.
    BaselineAdminNetworkPolicy,
    /// ClusterNetworkPolicy (v1alpha2).
    ClusterNetworkPolicy,
}

impl AdminKind {
    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdminNetworkPolicy => "AdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            Self::ClusterNetworkPolicy => "ClusterNetworkPolicy",
        }
    }
}

/// Before or after NetworkPolicies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Decides before NetworkPolicies do.
    Admin,
    /// Decides only about pods that no NetworkPolicy isolates.
    Baseline,
}

/// An administrator's policy of any kind. Order of evaluation: tier, priority (lowest first), then name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminPolicy {
    /// Which kind.
    pub kind: AdminKind,
    /// Its name.
    pub name: Arc<str>,
    /// Its tier.
    pub tier: Tier,
    /// 0 to 1000, lowest first; 0 for the kind without priorities.
    pub priority: u32,
    /// Whose traffic it is about.
    pub subject: Subject,
    /// Ingress rules in order: the first that matches counts.
    pub ingress: Vec<AdminRule>,
    /// Egress rules in order: the first that matches counts.
    pub egress: Vec<AdminRule>,
}

impl AdminPolicy {
    /// The rules of `direction`.
    pub fn rules(&self, direction: Direction) -> &[AdminRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// Pods by namespace and labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// In which namespaces.
    pub namespaces: Selector,
    /// Which pods in them.
    pub pods: Selector,
}

/// One rule of an administrator's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRule {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What it does.
    pub action: Action,
    /// Never empty in valid input.
    pub peers: Vec<AdminPeer>,
    /// None: every port of every protocol.
    pub ports: Option<Vec<PolicyPort>>,
}

/// What an administrator's rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Allows, finally (`Allow`, `Accept`).
    Allow,
    /// Denies, finally.
    Deny,
    /// Leaves the decision to what comes after the tier.
    Pass,
}

impl Action {
    /// `Allow`, `Deny` or `Pass`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
            Self::Pass => "Pass",
        }
    }
}

/// One peer of an administrator's rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminPeer {
    /// Pods by namespace and labels.
    Pods(Subject),
    /// Nodes by labels: matches host-network pods of those nodes and the nodes' addresses, where they are known.
    Nodes(Selector),
    /// Addresses.
    Networks(Vec<IpNet>),
    /// Names that only the cluster's DNS can resolve: matches nothing that can be computed.
    DomainNames(Vec<String>),
    /// A peer of a kind that this version doesn't know: nothing is allowed by it, everything is denied by it.
    Unrecognised,
}
