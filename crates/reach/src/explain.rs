//! Why one connection is allowed or denied: which policies and rules say so, and what would change it.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use crate::engine::{Endpoint, PodId, Reachability};
use crate::matching::{End, View, names_port, rule_ports};
use crate::mesh::Layer;
use crate::model::{Action, AdminPolicy, Direction, NetworkPolicy, Peer, Pod, Tier};
use crate::portset::{PortSet, Protocol};

/// A destination at which no port has a name.
const NOWHERE: End<'static> = End::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

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

struct Case<'a, 'c> {
    reachability: &'a Reachability<'c>,
    port: (Protocol, u16),
    source: Endpoint,
    destination: Endpoint,
}

impl<'a> Case<'a, '_> {
    fn view(&self) -> View<'a> {
        View { cluster: self.reachability.cluster(), options: self.reachability.options() }
    }

    fn end(&self, endpoint: Endpoint) -> End<'a> {
        match endpoint {
            Endpoint::Pod(PodId(index)) => End::Pod(&self.reachability.cluster().pods[index]),
            Endpoint::Address(address) => End::Address(address),
        }
    }

    /// Port sets between which reasons can differ: those that a rule about either end names.
    fn cuts(&self) -> Vec<PortSet> {
        let destination = self.end(self.destination);
        let mut cuts = Vec::new();
        let ends = [(Direction::Egress, self.source), (Direction::Ingress, self.destination)];
        for (direction, subject) in ends {
            let End::Pod(pod) = self.end(subject) else { continue };
            let view = self.view();
            for policy in self.reachability.network_policies().filter(|policy| view.selects(policy, pod)) {
                let rules = policy.rules(direction).iter();
                cuts.extend(rules.map(|rule| rule_ports(rule.ports.as_deref(), destination)));
            }
            let about = view.cluster.admin_policies.iter();
            for policy in about.filter(|policy| view.in_subject(&policy.subject, policy.kind, pod)) {
                let rules = policy.rules(direction).iter();
                cuts.extend(rules.map(|rule| rule_ports(rule.ports.as_deref(), destination)));
            }
        }
        if let Some(mesh) = Layer::new(self.reachability.cluster()) {
            if let End::Pod(pod) = destination {
                cuts.push(mesh.inbound(self.end(self.source), pod));
                cuts.push(PortSet::range(Protocol::Tcp, 1, u16::MAX));
            }
            if let End::Pod(pod) = self.end(self.source) {
                cuts.push(mesh.outbound(pod, destination));
            }
        }
        cuts.sort();
        cuts.dedup();
        cuts
    }

    fn side(&self, direction: Direction) -> SideExplanation {
        let (subject, peer) = match direction {
            Direction::Egress => (self.source, self.destination),
            Direction::Ingress => (self.destination, self.source),
        };
        let peer = self.end(peer);
        let settled = |allowed, decision, steps: Vec<Step>, changes| SideExplanation {
            direction,
            allowed,
            decision,
            steps,
            changes,
        };
        let End::Pod(subject) = self.end(subject) else {
            return settled(true, Decision::Outside, Vec::new(), Vec::new());
        };
        let mut steps = Vec::new();
        let admin = self.tier(Tier::Admin, direction, subject, peer, &mut steps);
        if let Some(action @ (Action::Allow | Action::Deny)) = admin {
            let changes = changes::of_admin(&steps, action);
            return settled(action == Action::Allow, Decision::Admin, steps, changes);
        }
        let isolating: Vec<&NetworkPolicy> = self
            .reachability
            .network_policies()
            .filter(|policy| policy.isolates(direction) && self.view().selects(policy, subject))
            .collect();
        if !isolating.is_empty() {
            let before = steps.len();
            for policy in &isolating {
                self.network_policy(policy, direction, peer, &mut steps);
            }
            let own = &steps[before..];
            let allowed = own.iter().any(|step| step.effect == Effect::Allows);
            let changes = changes::of_network_policies(own, allowed, self.port);
            let decision = if allowed { Decision::NetworkPolicy } else { Decision::Isolated };
            return settled(allowed, decision, steps, changes);
        }
        let baseline = self.tier(Tier::Baseline, direction, subject, peer, &mut steps);
        if let Some(action @ (Action::Allow | Action::Deny)) = baseline {
            let changes = changes::of_baseline(action, subject, direction);
            return settled(action == Action::Allow, Decision::Baseline, steps, changes);
        }
        if self.view().is_node_like(subject) {
            return settled(true, Decision::HostNetwork, steps, changes::of_host_network());
        }
        settled(true, Decision::Default, steps, changes::of_default(subject, direction))
    }

    /// What the first matching rule of the tier says; every rule that matters becomes a step.
    fn tier(
        &self,
        tier: Tier,
        direction: Direction,
        subject: &Pod,
        peer: End<'_>,
        steps: &mut Vec<Step>,
    ) -> Option<Action> {
        let view = self.view();
        let policies: &[AdminPolicy] = &view.cluster.admin_policies;
        let about = policies.iter().filter(|policy| policy.tier == tier);
        let mut decided = None;
        for policy in about.filter(|policy| view.in_subject(&policy.subject, policy.kind, subject)) {
            for (index, rule) in policy.rules(direction).iter().enumerate() {
                let has_peer = view.is_admin_peer(rule, policy.kind, peer);
                let has_port = names_port(rule.ports.as_deref(), self.end(self.destination), self.port);
                let effect = match (has_peer && has_port, decided, rule.action) {
                    (true, Some(_), _) => Effect::TooLate,
                    (true, None, action) => {
                        decided = Some(action);
                        match action {
                            Action::Allow => Effect::Allows,
                            Action::Deny => Effect::Denies,
                            Action::Pass => Effect::Passes,
                        }
                    }
                    _ => miss(has_peer, has_port),
                };
                steps.push(Step {
                    kind: policy.kind.name(),
                    policy: policy.name.to_string(),
                    rule: Some(index + 1),
                    effect,
                });
            }
        }
        decided
    }

    fn network_policy(
        &self,
        policy: &NetworkPolicy,
        direction: Direction,
        peer: End<'_>,
        steps: &mut Vec<Step>,
    ) {
        let step = |rule, effect| Step {
            kind: "NetworkPolicy",
            policy: format!("{}/{}", policy.namespace, policy.name),
            rule,
            effect,
        };
        if policy.rules(direction).is_empty() {
            steps.push(step(None, Effect::NoRules));
        }
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            let names = |at| names_port(rule.ports.as_deref(), at, self.port);
            let destination = self.end(self.destination);
            let effect = match &rule.peers {
                None if names(destination) => Effect::Allows,
                None => miss(true, false),
                Some(peers) => {
                    let mut here =
                        peers.iter().filter(|one| self.view().is_peer(one, &policy.namespace, peer));
                    let has_peer = here.clone().next().is_some();
                    // A port's name means nothing at an address, even where a pod has the address.
                    let has_port = here.any(|one| match (one, direction) {
                        (Peer::Block(_), Direction::Egress) => names(NOWHERE),
                        _ => names(destination),
                    });
                    if has_port { Effect::Allows } else { miss(has_peer, !has_peer && names(destination)) }
                }
            };
            steps.push(step(Some(index + 1), effect));
        }
    }

    fn mesh(&self) -> Option<MeshExplanation> {
        let layer = Layer::new(self.reachability.cluster())?;
        let (source, destination) = (self.end(self.source), self.end(self.destination));
        let (protocol, port) = self.port;
        let outbound = match source {
            End::Pod(pod) if layer.confines(pod) => Some(layer.outbound(pod, destination)),
            _ => None,
        };
        let inbound = match destination {
            End::Pod(pod) if layer.guards(pod) => Some(layer.inbound_explained(source, pod, self.port)),
            _ => None,
        };
        if outbound.is_none() && inbound.is_none() {
            return None;
        }
        let let_out = outbound.is_none_or(|ports: PortSet| ports.contains(protocol, port));
        let mut reasons = Vec::new();
        if !let_out {
            reasons.push("the source's Sidecar knows only its registry, and this isn't in it".to_owned());
        }
        let (let_in, why) = inbound.unwrap_or((true, Vec::new()));
        reasons.extend(why);
        Some(MeshExplanation { allowed: let_out && let_in, reasons })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (endpoint, role) in [(self.source, "source"), (self.destination, "destination")] {
            let End::Pod(pod) = self.end(endpoint) else { continue };
            if self.view().is_node_like(pod) {
                notes.push(format!(
                    "the {role} shares its node's network: it counts as the node ({}), and reaches every pod of \
                     that node whatever policies say",
                    self.reachability.options()
                ));
            }
        }
        if let (Endpoint::Pod(a), Endpoint::Pod(b)) = (self.source, self.destination)
            && a == b
            && self.reachability.cluster().pods[a.0].replicas > 1
        {
            notes.push("between two replicas; a replica always reaches its own address".to_owned());
        }
        if matches!(self.destination, Endpoint::Pod(_)) {
            notes.push("a pod's own node always reaches it".to_owned());
        }
        notes
    }
}

fn miss(has_peer: bool, has_port: bool) -> Effect {
    match (has_peer, has_port) {
        (true, _) => Effect::OtherPort,
        (false, true) => Effect::OtherPeer,
        (false, false) => Effect::NoMatch,
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

mod changes {
    //! What would turn a verdict, in words.

    use super::{Action, Direction, Effect, Pod, Protocol, Step};

    pub(super) fn of_admin(steps: &[Step], action: Action) -> Vec<String> {
        let effect = if action == Action::Allow { Effect::Allows } else { Effect::Denies };
        let deciding = steps.iter().filter(|step| step.effect == effect);
        deciding
            .map(|step| {
                format!(
                    "change rule {} of {} {}, or let a rule before it match",
                    number(step),
                    step.kind,
                    step.policy
                )
            })
            .collect()
    }

    pub(super) fn of_network_policies(
        steps: &[Step],
        allowed: bool,
        (protocol, port): (Protocol, u16),
    ) -> Vec<String> {
        if allowed {
            let allowing: Vec<String> = steps
                .iter()
                .filter(|step| step.effect == Effect::Allows)
                .map(|step| format!("rule {} of {}", number(step), step.policy))
                .collect();
            return vec![format!("it is denied once none allows it any more: {}", allowing.join(", "))];
        }
        let mut changes = Vec::new();
        for step in steps {
            let port = format!("{} {port}", protocol.name());
            changes.extend(match step.effect {
                Effect::OtherPort => Some(format!(
                    "add {port} to rule {} of {}, which has this peer already",
                    number(step),
                    step.policy
                )),
                Effect::OtherPeer => Some(format!(
                    "add the peer to rule {} of {}, which has {port} already",
                    number(step),
                    step.policy
                )),
                _ => None,
            });
        }
        if changes.is_empty() {
            let mut policies: Vec<&str> = steps.iter().map(|step| step.policy.as_str()).collect();
            policies.dedup();
            changes.push(format!("add a rule for it to one of: {}", policies.join(", ")));
        }
        changes
    }

    pub(super) fn of_baseline(action: Action, subject: &Pod, direction: Direction) -> Vec<String> {
        let verdict = if action == Action::Allow { "isolates" } else { "allows" };
        vec![format!(
            "a NetworkPolicy in {} that selects the pod and {verdict} {} goes before the baseline",
            subject.namespace,
            direction.name().to_lowercase()
        )]
    }

    pub(super) fn of_host_network() -> Vec<String> {
        vec!["policies don't bind it: give the pod a network of its own (hostNetwork: false)".to_owned()]
    }

    pub(super) fn of_default(subject: &Pod, direction: Direction) -> Vec<String> {
        vec![format!(
            "a NetworkPolicy in {} that selects the pod, with policyTypes: [{}], denies what it doesn't allow",
            subject.namespace,
            direction.name()
        )]
    }

    fn number(step: &Step) -> usize {
        step.rule.unwrap_or_default()
    }
}
