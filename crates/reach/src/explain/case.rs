//! One connection traced through the tiers, policies and rules of both of its sides.

use std::net::{IpAddr, Ipv4Addr};

use super::{Decision, Effect, MeshExplanation, SideExplanation, Step, changes};
use crate::engine::{Endpoint, PodId, Reachability};
use crate::matching::{End, View, names_port, rule_ports};
use crate::mesh::Layer;
use crate::model::{Action, AdminPolicy, Direction, NetworkPolicy, Peer, Pod, Tier};
use crate::portset::{PortSet, Protocol};

/// A destination at which no port has a name.
const NOWHERE: End<'static> = End::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

/// One connection, while it is looked at.
pub(super) struct Case<'a, 'c> {
    pub(super) reachability: &'a Reachability<'c>,
    pub(super) port: (Protocol, u16),
    pub(super) source: Endpoint,
    pub(super) destination: Endpoint,
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
    pub(super) fn cuts(&self) -> Vec<PortSet> {
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

    pub(super) fn side(&self, direction: Direction) -> SideExplanation {
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
            let changes = changes::of_network_policies(own, allowed);
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

    pub(super) fn mesh(&self) -> Option<MeshExplanation> {
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

    pub(super) fn notes(&self) -> Vec<String> {
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
