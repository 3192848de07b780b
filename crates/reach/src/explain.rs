//! Why one connection is allowed or denied: which policies and rules say so, and what would change it.

mod case;
mod changes;

use serde::Serialize;

use case::Case;

use crate::engine::{Endpoint, Reachability};
use crate::model::Direction;
use crate::portset::{PortSet, Protocol};

/// Why a connection is allowed or denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who connects.
    pub source: String,
    /// To whom.
    pub destination: String,
    /// With which protocol.
    pub protocol: Protocol,
    /// At which port of the destination.
    pub port: u16,
    /// The verdict: both sides and the mesh allow it, or it never leaves the pod.
    pub allowed: bool,
    /// A pod that connects to its own address: no policy sees that.
    pub own_address: bool,
    /// The source's side.
    pub egress: SideExplanation,
    /// The destination's side.
    pub ingress: SideExplanation,
    /// The mesh, where it is in the way.
    pub mesh: Option<MeshExplanation>,
    /// What the verdict doesn't cover.
    pub notes: Vec<String>,
}

/// One side of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SideExplanation {
    /// Which side.
    pub direction: Direction,
    /// What it says.
    pub allowed: bool,
    /// What decides.
    pub decision: Decision,
    /// Every policy about this side, in the order of evaluation, and what it says to this connection.
    pub steps: Vec<Step>,
    /// What would turn the verdict of this side.
    pub changes: Vec<String>,
}

/// What decides one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Outside the cluster: no policy has a say.
    Outside,
    /// A host-network pod, which counts as its node: no policy selects it.
    HostNetwork,
    /// A rule of the administrators' tier.
    Admin,
    /// A rule of a NetworkPolicy.
    NetworkPolicy,
    /// Isolated, and no rule of a NetworkPolicy matches.
    Isolated,
    /// A rule of the baseline tier.
    Baseline,
    /// No policy is about it: allowed.
    Default,
}

/// A policy, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The kind of policy.
    pub kind: &'static str,
    /// `namespace/name`, or the name alone.
    pub policy: String,
    /// The rule in question, counted from 1.
    pub rule: Option<usize>,
    /// What it says.
    pub effect: Effect,
}

/// What a policy says to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// This rule allows it.
    Allows,
    /// This rule denies it.
    Denies,
    /// This rule passes it on to the next tier.
    Passes,
    /// This rule would match, but an earlier one has decided.
    TooLate,
    /// This rule has the peer, but not the port.
    OtherPort,
    /// This rule has the port, but not the peer.
    OtherPeer,
    /// This rule has neither.
    NoMatch,
    /// The policy isolates and has no rule.
    NoRules,
}

/// What the mesh says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeshExplanation {
    /// Whether the proxies let it through.
    pub allowed: bool,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
}

impl Reachability<'_> {
    /// Explains one verdict; it is the one that [`Reachability::allowed`] gives.
    pub fn explain(
        &self,
        source: impl Into<Endpoint>,
        destination: impl Into<Endpoint>,
        protocol: Protocol,
        port: u16,
    ) -> Explanation {
        let (source, destination) = (source.into(), destination.into());
        let case = Case { reachability: self, port: (protocol, port), source, destination };
        let egress = case.side(Direction::Egress);
        let ingress = case.side(Direction::Ingress);
        let mesh = case.mesh();
        let own_address = match (source, destination) {
            (Endpoint::Pod(a), Endpoint::Pod(b)) => a == b && self.cluster().pods[a.0].replicas == 1,
            _ => false,
        };
        let let_through = mesh.as_ref().is_none_or(|mesh| mesh.allowed);
        Explanation {
            source: self.name_of(source),
            destination: self.name_of(destination),
            protocol,
            port,
            allowed: own_address || egress.allowed && ingress.allowed && let_through,
            own_address,
            egress,
            ingress,
            mesh,
            notes: case.notes(),
        }
    }

    /// Explains every port of a pair: ports with the same reasons stand together, allowed ones first.
    pub fn explain_all(
        &self,
        source: impl Into<Endpoint>,
        destination: impl Into<Endpoint>,
    ) -> Vec<(PortSet, Explanation)> {
        let (source, destination) = (source.into(), destination.into());
        let case = Case { reachability: self, port: (Protocol::Tcp, 1), source, destination };
        let mut parts = vec![PortSet::all()];
        for cut in case.cuts() {
            let halves = |part: &PortSet| [part.intersection(&cut), part.difference(&cut)];
            parts = parts.iter().flat_map(halves).filter(|part| !part.is_empty()).collect();
        }
        let mut explained: Vec<(PortSet, Explanation)> = Vec::new();
        for part in parts {
            let Some((protocol, port, _)) = part.iter().next() else { continue };
            let new = self.explain(source, destination, protocol, port);
            let same = |one: &&mut (PortSet, Explanation)| {
                let steps = |explanation: &Explanation| {
                    (
                        explanation.egress.steps.clone(),
                        explanation.ingress.steps.clone(),
                        explanation.mesh.clone(),
                    )
                };
                one.1.allowed == new.allowed && steps(&one.1) == steps(&new)
            };
            match explained.iter_mut().find(same) {
                Some((ports, _)) => *ports = ports.union(&part),
                None => explained.push((part, new)),
            }
        }
        explained.sort_by(|a, b| (!a.1.allowed, &a.0).cmp(&(!b.1.allowed, &b.0)));
        explained
    }

    /// `namespace/name[Kind]` of a pod's workload, or the address.
    pub fn name_of(&self, endpoint: Endpoint) -> String {
        match endpoint {
            Endpoint::Pod(pod) => self.cluster().pods[pod.0].workload_string(),
            Endpoint::Address(address) => address.to_string(),
        }
    }
}

impl Effect {
    /// What a rule says, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Allows => "allows it",
            Self::Denies => "denies it",
            Self::Passes => "passes it on",
            Self::TooLate => "matches, but an earlier rule has decided",
            Self::OtherPort => "has this peer, but not this port",
            Self::OtherPeer => "has this port, but not this peer",
            Self::NoMatch => "has neither this peer nor this port",
            Self::NoRules => "isolates, and has no rule",
        }
    }
}

impl Decision {
    /// What decides a side, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Outside => "outside the cluster, no policy has a say",
            Self::HostNetwork => "shares its node's network, no policy binds it",
            Self::Admin => "an administrators' rule decides",
            Self::NetworkPolicy => "a NetworkPolicy allows it",
            Self::Isolated => "isolated, and no rule matches",
            Self::Baseline => "a baseline rule decides",
            Self::Default => "no policy is about it",
        }
    }

    /// True if no policy was involved.
    pub fn is_default(self) -> bool {
        matches!(self, Self::Outside | Self::HostNetwork | Self::Default)
    }
}
