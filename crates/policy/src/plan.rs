//! The least NetworkPolicies for some needs.

use std::collections::{BTreeMap, BTreeSet};

use parapet_reach::model::{
    Block, Cluster, Direction, NAMESPACE_NAME_LABEL, NetworkPolicy, Peer, PolicyPort, Rule, Selector,
};
use parapet_reach::{PortSet, Protocol};

use crate::needs::{DnsPeer, End, Need, Needs};
use crate::proof::{Allowed, locked};
use crate::select::Choice;
use crate::units::{UnitId, Units};

/// Name of the policy that denies what no other allows, one in each namespace.
pub const DEFAULT_DENY: &str = "default-deny";
/// The longest name of a Kubernetes object.
const LONGEST_NAME: usize = 253;

/// Policies, and what each is for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// By namespace and name; [`DEFAULT_DENY`] is the first of each namespace.
    pub policies: Vec<NetworkPolicy>,
    /// By (namespace, name): the flows that the policy is for, indices into [`Needs::flows`].
    pub flows: BTreeMap<(String, String), BTreeSet<usize>>,
    /// By (namespace, name): the workload that the policy is about; none for [`DEFAULT_DENY`].
    pub subjects: BTreeMap<(String, String), UnitId>,
}

impl Plan {
    /// The least policies of the needs' scope. `cluster` is what the needs were resolved in; its own NetworkPolicies in
    /// the scope's namespaces are taken as replaced.
    pub fn generate(cluster: &Cluster, units: &Units, needs: &Needs) -> Self {
        let mut plan = Self { policies: Vec::new(), flows: BTreeMap::new(), subjects: BTreeMap::new() };
        for namespace in &needs.scope {
            let mut deny = NetworkPolicy::new(namespace, DEFAULT_DENY, Selector::everything());
            (deny.isolates_ingress, deny.isolates_egress) = (true, true);
            plan.policies.push(deny);
        }
        let names = names(units, needs);
        for (id, unit) in units.iter() {
            if !needs.scope.contains(&*unit.namespace) || unit.host_network {
                continue;
            }
            let mine = |end: &End| *end == End::Unit(id);
            let ingress: Vec<&Need> = needs.all.iter().filter(|need| mine(&need.to)).collect();
            let egress: Vec<&Need> = needs.all.iter().filter(|need| mine(&need.from)).collect();
            if ingress.is_empty() && egress.is_empty() {
                continue;
            }
            let name = &names[&id];
            let mut policy = NetworkPolicy::new(&unit.namespace, name, Choice::of(id, units).selector());
            policy.isolates_ingress = !ingress.is_empty();
            policy.isolates_egress = !egress.is_empty();
            policy.ingress =
                rules(units, &unit.namespace, ingress.iter().map(|need| (&need.from, &need.ports)), None);
            let dns = needs.dns.as_ref().filter(|_| !egress.is_empty());
            policy.egress =
                rules(units, &unit.namespace, egress.iter().map(|need| (&need.to, &need.ports)), dns);
            let key = (unit.namespace.to_string(), name.clone());
            let flows = ingress.iter().chain(&egress).flat_map(|need| &need.flows).copied().collect();
            plan.flows.insert(key.clone(), flows);
            plan.subjects.insert(key, id);
            plan.policies.push(policy);
        }
        plan.policies.sort_by(|a, b| order(a).cmp(&order(b)));
        plan.prune(cluster, units, needs);
        plan
    }

    /// Takes out what can go without breaking a need: labels that match several workloads make rules that others imply.
    fn prune(&mut self, cluster: &Cluster, units: &Units, needs: &Needs) {
        let locked = locked(cluster, &self.policies, needs);
        let mut allowed = Allowed::new(&locked, units, needs);
        for index in 0..self.policies.len() {
            let mut at = 0;
            loop {
                let parts = parts(&self.policies[index]);
                let Some(part) = parts.get(at) else { break };
                let without = without(&self.policies[index], *part);
                let spared = is_for_unread_names(needs, &self.policies[index], *part);
                if !spared && allowed.holds_without(&self.policies[index], &without) {
                    self.policies[index] = without;
                    // A rule may have lost its last but one peer, which is a part no more.
                    at = 0;
                } else {
                    at += 1;
                }
            }
        }
    }
}

/// One thing that could be left out of a policy: a rule, a peer of it, or a port of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) direction: Direction,
    pub(crate) rule: usize,
    pub(crate) of_rule: OfRule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfRule {
    Whole,
    Peer(usize),
    Port(usize),
}

/// Everything that could be left out: rules before their peers and ports.
pub(crate) fn parts(policy: &NetworkPolicy) -> Vec<Part> {
    let mut parts = Vec::new();
    for direction in Direction::BOTH {
        for (rule, Rule { peers, ports }) in policy.rules(direction).iter().enumerate() {
            parts.push(Part { direction, rule, of_rule: OfRule::Whole });
            let peers = peers.as_ref().map_or(0, Vec::len);
            let ports = ports.as_ref().map_or(0, Vec::len);
            // Without its only peer or port a rule is gone, or would mean everything.
            let several = |count: usize| if count > 1 { 0..count } else { 0..0 };
            parts.extend(several(peers).map(|peer| Part { direction, rule, of_rule: OfRule::Peer(peer) }));
            parts.extend(several(ports).map(|port| Part { direction, rule, of_rule: OfRule::Port(port) }));
        }
    }
    parts
}

/// The policy without a part of it.
pub(crate) fn without(policy: &NetworkPolicy, part: Part) -> NetworkPolicy {
    let mut policy = policy.clone();
    let rules = match part.direction {
        Direction::Ingress => &mut policy.ingress,
        Direction::Egress => &mut policy.egress,
    };
    match part.of_rule {
        OfRule::Whole => drop(rules.remove(part.rule)),
        OfRule::Peer(peer) => {
            if let Some(peers) = &mut rules[part.rule].peers {
                peers.remove(peer);
            }
        }
        OfRule::Port(port) => {
            if let Some(ports) = &mut rules[part.rule].ports {
                ports.remove(port);
            }
        }
    }
    policy
}

/// Name servers that were not read are no workload, so nothing would be missed without them: they are asked for all
/// the same.
pub(crate) fn is_for_unread_names(needs: &Needs, policy: &NetworkPolicy, part: Part) -> bool {
    let Some(dns) = &needs.dns else { return false };
    let peer = dns_peer(dns);
    let rule = &policy.rules(part.direction)[part.rule];
    part.direction == Direction::Egress && rule.peers.as_ref().is_some_and(|peers| peers.contains(&peer))
}

fn dns_peer(dns: &DnsPeer) -> Peer {
    Peer::Pods {
        namespaces: Some(Selector::labels([(NAMESPACE_NAME_LABEL, dns.namespace.as_str())])),
        pods: Selector::labels(dns.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
    }
}

/// Same peers, one rule with several ports; same ports, one rule with several peers; in an order that doesn't depend on
/// the order of flows.
fn rules<'a>(
    units: &Units,
    namespace: &str,
    wanted: impl Iterator<Item = (&'a End, &'a PortSet)>,
    dns: Option<&DnsPeer>,
) -> Vec<Rule> {
    let mut by_peer: BTreeMap<Peer, PortSet> = BTreeMap::new();
    let mut want = |peer: Peer, ports: &PortSet| {
        let known = by_peer.entry(peer).or_default();
        *known = known.union(ports);
    };
    for (end, ports) in wanted {
        want(peer(units, namespace, end), ports);
    }
    if let Some(dns) = dns {
        let ports = PortSet::one(Protocol::Udp, dns.port).union(&PortSet::one(Protocol::Tcp, dns.port));
        want(dns_peer(dns), &ports);
    }
    let mut by_ports: BTreeMap<PortSet, Vec<Peer>> = BTreeMap::new();
    for (peer, ports) in by_peer {
        by_ports.entry(ports).or_default().push(peer);
    }
    let mut rules: Vec<Rule> = by_ports
        .into_iter()
        .map(|(ports, peers)| Rule { peers: Some(peers), ports: policy_ports(&ports) })
        .collect();
    rules.sort_by(|a, b| (&a.peers, &a.ports).cmp(&(&b.peers, &b.ports)));
    rules
}

fn peer(units: &Units, namespace: &str, end: &End) -> Peer {
    match end {
        End::Block(Block { cidr, except }) => Peer::Block(Block { cidr: *cidr, except: except.clone() }),
        End::Unit(id) => {
            let unit = units.get(*id);
            let elsewhere = *unit.namespace != *namespace;
            Peer::Pods {
                namespaces: elsewhere.then(|| Selector::labels([(NAMESPACE_NAME_LABEL, &*unit.namespace)])),
                pods: Choice::of(*id, units).selector(),
            }
        }
    }
}

fn policy_ports(ports: &PortSet) -> Option<Vec<PolicyPort>> {
    let ranges = |(protocol, first, last)| PolicyPort::Range { protocol, first, last };
    (!ports.is_all()).then(|| ports.iter().map(ranges).collect())
}

fn order(policy: &NetworkPolicy) -> (&str, bool, &str) {
    (&policy.namespace, &*policy.name != DEFAULT_DENY, &policy.name)
}

/// `allow-<workload>`, and the kind where two workloads share a name.
fn names(units: &Units, needs: &Needs) -> BTreeMap<UnitId, String> {
    let mut taken: BTreeSet<(&str, String)> = BTreeSet::new();
    let mut names = BTreeMap::new();
    for (id, unit) in units.iter().filter(|(_, unit)| needs.scope.contains(&*unit.namespace)) {
        let mut name = shortened(format!("allow-{}", unit.workload.name));
        if !taken.insert((&unit.namespace, name.clone())) {
            name = shortened(format!("allow-{}-{}", unit.workload.kind.to_lowercase(), unit.workload.name));
            taken.insert((&unit.namespace, name.clone()));
        }
        names.insert(id, name);
    }
    names
}

fn shortened(mut name: String) -> String {
    // Names of workloads are ASCII; others could not have been applied.
    name.truncate(name.floor_char_boundary(LONGEST_NAME));
    name
}
