//! Whether policies allow what was declared, nothing else, and have no rule to spare: computed by `reach`.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use parapet_reach::model::{Block, Cluster, Direction, NetworkPolicy};
use parapet_reach::{AddressRange, Change, Endpoint, Options, PodId, PortSet, Reachability};
use serde::Serialize;

use crate::needs::{End, Need, Needs};
use crate::plan::{DEFAULT_DENY, OfRule, is_for_unread_names, parts, without};
use crate::select::Choice;
use crate::units::{UnitId, Units};

/// Some ports between two ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Tuple {
    /// The client: `namespace/name[Kind]`, or addresses.
    pub from: String,
    /// The server.
    pub to: String,
    /// The server's ports.
    pub ports: PortSet,
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} => {} : {}", self.from, self.to, self.ports)
    }
}

/// A connection that is allowed although nobody declared it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Excess {
    /// Which.
    pub tuple: Tuple,
    /// Why.
    pub reason: ExcessReason,
}

/// Why something that nobody declared is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExcessReason {
    /// A workload has the labels of another one that may: nothing but another label can prevent it.
    SameLabels,
    /// The policies are wider than need be.
    Unexplained,
}

/// What was found about a set of policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// (a) fails: declared, but not allowed.
    pub missing: Vec<Tuple>,
    /// (b) fails: allowed, but not declared.
    pub excess: Vec<Excess>,
    /// (c) fails: rules, peers and ports that nothing declared needs.
    pub removable: Vec<String>,
    /// Pairs of workloads, and of workloads and ranges of addresses, that were computed.
    pub pairs: u64,
}

impl Proof {
    /// Everything declared is allowed, nothing else is but what labels can't prevent, and nothing can be left out.
    pub fn holds(&self) -> bool {
        self.missing.is_empty()
            && self.removable.is_empty()
            && self.excess.iter().all(|excess| excess.reason == ExcessReason::SameLabels)
    }

    /// Computes it for `policies` in force instead of the NetworkPolicies of the scope's namespaces.
    pub fn of(cluster: &Cluster, units: &Units, needs: &Needs, policies: &[NetworkPolicy]) -> Self {
        let locked = locked(cluster, policies, needs);
        let mut allowed = Allowed::new(&locked, units, needs);
        let mut proof = Self { missing: allowed.missing(), ..Self::default() };
        allowed.excess(&mut proof);
        for policy in policies.iter().filter(|policy| &*policy.name != DEFAULT_DENY) {
            for part in parts(policy) {
                if is_for_unread_names(needs, policy, part) {
                    continue;
                }
                if allowed.holds_without(policy, &without(policy, part)) {
                    allowed.put(policy);
                    let what = match part.of_rule {
                        OfRule::Whole => String::new(),
                        OfRule::Peer(peer) => format!(" peer {}", peer + 1),
                        OfRule::Port(port) => format!(" port {}", port + 1),
                    };
                    let (direction, rule) = (part.direction.name(), part.rule + 1);
                    proof
                        .removable
                        .push(format!("{}/{}: {direction} rule {rule}{what}", policy.namespace, policy.name));
                }
            }
        }
        proof.excess.sort();
        proof
    }
}

/// The cluster with `policies` in place of those of the scope's namespaces.
pub(crate) fn locked(cluster: &Cluster, policies: &[NetworkPolicy], needs: &Needs) -> Cluster {
    let mut locked = cluster.clone();
    locked.network_policies.retain(|policy| !needs.scope.contains(&*policy.namespace));
    locked.network_policies.extend(policies.iter().cloned());
    locked.normalise();
    locked
}

/// The engine over a locked cluster, asked about needs.
pub(crate) struct Allowed<'a> {
    reach: Reachability<'a>,
    units: &'a Units,
    needs: &'a Needs,
    /// One pod for each class of pods in a workload.
    examples: Vec<Vec<PodId>>,
}

impl<'a> Allowed<'a> {
    pub(crate) fn new(locked: &'a Cluster, units: &'a Units, needs: &'a Needs) -> Self {
        let reach = Reachability::compute(locked, &Options::default());
        let examples = units.iter().map(|(_, unit)| {
            let mut seen = BTreeSet::new();
            let pods = unit.pods.iter().map(|pod| PodId(*pod));
            // Two of a class, so that one can be asked about the other.
            let mut kept: Vec<PodId> = Vec::new();
            for pod in pods {
                let class = reach.class_of(pod);
                let again = kept.iter().filter(|kept| reach.class_of(**kept) == class).count();
                if seen.insert(class) || again < 2 {
                    kept.push(pod);
                }
            }
            kept
        });
        let examples = examples.collect();
        Self { reach, units, needs, examples }
    }

    /// Whether every need still holds with `changed` instead of `policy`; if not, `policy` is back in force.
    pub(crate) fn holds_without(&mut self, policy: &NetworkPolicy, changed: &NetworkPolicy) -> bool {
        self.put(changed);
        let selected: BTreeSet<UnitId> =
            self.reach.selected(policy).into_iter().map(|pod| self.units.of_pod(pod.0)).collect();
        let concerned = |end: &End| matches!(end, End::Unit(unit) if selected.contains(unit));
        let holds = self
            .needs
            .all
            .iter()
            .filter(|need| concerned(&need.from) || concerned(&need.to))
            .all(|need| self.lacking(need).is_empty());
        if !holds {
            self.put(policy);
        }
        holds
    }

    pub(crate) fn put(&mut self, policy: &NetworkPolicy) {
        self.reach.edit(Change::Put(policy.clone()));
    }

    pub(crate) fn missing(&self) -> Vec<Tuple> {
        let lacking = self.needs.all.iter().filter_map(|need| {
            let ports = self.lacking(need);
            (!ports.is_empty()).then(|| Tuple {
                from: name_of(&need.from, self.units),
                to: name_of(&need.to, self.units),
                ports,
            })
        });
        lacking.collect()
    }

    /// The declared ports that some pods of the need's ends may not use.
    fn lacking(&self, need: &Need) -> PortSet {
        let ends = self.endpoints(&need.from, Direction::Ingress).into_iter().flat_map(|from| {
            self.endpoints(&need.to, Direction::Egress).into_iter().map(move |to| (from, to))
        });
        ends.filter(|(from, to)| from != to || self.has_replicas(*from))
            .map(|(from, to)| need.ports.difference(&self.reach.connections(from, to)))
            .fold(PortSet::none(), |all, ports| all.union(&ports))
    }

    fn has_replicas(&self, end: Endpoint) -> bool {
        matches!(end, Endpoint::Pod(pod) if self.reach.cluster().pods[pod.0].replicas > 1)
    }

    fn endpoints(&self, end: &End, direction: Direction) -> Vec<Endpoint> {
        match end {
            End::Unit(unit) => self.examples[unit.0].iter().map(|pod| Endpoint::Pod(*pod)).collect(),
            End::Block(block) => {
                let ranges = self.reach.external_ranges(direction);
                ranges.iter().flat_map(|range| addresses_in(block, range)).map(Endpoint::Address).collect()
            }
        }
    }

    pub(crate) fn external_ranges(&self, direction: Direction) -> Vec<AddressRange> {
        self.reach.external_ranges(direction)
    }

    pub(crate) fn half(&self, direction: Direction, subject: Endpoint, peer: Endpoint) -> &PortSet {
        self.reach.half(direction, subject, peer)
    }

    /// Everything allowed that nobody declared, and how many pairs were looked at.
    fn excess(&self, proof: &mut Proof) {
        let declared = self.needs.between();
        let alike = self.selected_with();
        let nothing = PortSet::none();
        let in_scope = |unit: UnitId| self.needs.scope.contains(&*self.units.get(unit).namespace);
        let visible: Vec<UnitId> =
            self.units.iter().filter(|(_, unit)| !unit.host_network).map(|(id, _)| id).collect();
        let mut tell = |from: String, to: String, extra: PortSet, of_others: PortSet| {
            let shared = extra.intersection(&of_others);
            for (ports, reason) in [
                (extra.difference(&of_others), ExcessReason::Unexplained),
                (shared, ExcessReason::SameLabels),
            ] {
                if !ports.is_empty() {
                    let tuple = Tuple { from: from.clone(), to: to.clone(), ports };
                    proof.excess.push(Excess { tuple, reason });
                }
            }
        };
        let mut pairs = 0;
        for &from in &visible {
            for &to in visible.iter().filter(|to| in_scope(from) || in_scope(**to)) {
                pairs += 1;
                let known = declared.get(&(from, to)).copied().unwrap_or(&nothing);
                let extra = self.allowed(from, to).difference(known);
                if !extra.is_empty() {
                    let clients = alike[from.0].iter();
                    let both = clients.flat_map(|from| alike[to.0].iter().map(move |to| (*from, *to)));
                    let of_others = both.filter_map(|pair| declared.get(&pair));
                    let of_others = of_others.fold(PortSet::none(), |all, ports| all.union(ports));
                    tell(self.units.get(from).to_string(), self.units.get(to).to_string(), extra, of_others);
                }
            }
        }
        for direction in Direction::BOTH {
            let ranges = self.reach.external_ranges(direction);
            for &unit in visible.iter().filter(|unit| in_scope(**unit)) {
                for range in &ranges {
                    pairs += 1;
                    let known = self.declared_at(unit, range.first, direction);
                    let here = self.examples[unit.0].iter().map(|pod| Endpoint::Pod(*pod));
                    let there = Endpoint::Address(range.first);
                    let extra = here
                        .map(|pod| self.reach.half(direction, pod, there).difference(&known))
                        .fold(PortSet::none(), |all, ports| all.union(&ports));
                    if extra.is_empty() {
                        continue;
                    }
                    let of_others = alike[unit.0].iter().fold(PortSet::none(), |all, other| {
                        all.union(&self.declared_at(*other, range.first, direction))
                    });
                    let (unit_name, range_name) = (self.units.get(unit).to_string(), range.to_string());
                    let (from, to) = match direction {
                        Direction::Egress => (unit_name, range_name),
                        Direction::Ingress => (range_name, unit_name),
                    };
                    tell(from, to, extra, of_others);
                }
            }
        }
        proof.pairs = pairs;
    }

    /// What some pod of one workload may use at some of another.
    pub(crate) fn allowed(&self, from: UnitId, to: UnitId) -> PortSet {
        let mut all = PortSet::none();
        for source in &self.examples[from.0] {
            for destination in &self.examples[to.0] {
                if source != destination || self.has_replicas(Endpoint::Pod(*source)) {
                    all = all.union(&self.reach.connections(*source, *destination));
                }
            }
        }
        all
    }

    pub(crate) fn declared_at(&self, unit: UnitId, address: IpAddr, direction: Direction) -> PortSet {
        let mine = End::Unit(unit);
        let all = self.needs.all.iter().filter_map(|need| {
            let (here, there) = match direction {
                Direction::Egress => (&need.from, &need.to),
                Direction::Ingress => (&need.to, &need.from),
            };
            (*here == mine && matches!(there, End::Block(block) if covers(block, address)))
                .then_some(&need.ports)
        });
        all.fold(PortSet::none(), |all, ports| all.union(ports))
    }

    /// For each workload those whose labels select it, too, itself among them: it gets what they get.
    pub(crate) fn selected_with(&self) -> Vec<Vec<UnitId>> {
        let mut alike: Vec<Vec<UnitId>> = self.units.iter().map(|(id, _)| vec![id]).collect();
        for (id, _) in self.units.iter().filter(|(_, unit)| !unit.host_network) {
            for also in Choice::of(id, self.units).also {
                alike[also.0].push(id);
            }
        }
        alike
    }
}

/// A workload's name, or a block with what is cut out of it.
pub(crate) fn name_of(end: &End, units: &Units) -> String {
    match end {
        End::Unit(unit) => units.get(*unit).to_string(),
        End::Block(Block { cidr, except }) if except.is_empty() => cidr.to_string(),
        End::Block(Block { cidr, except }) => {
            let except: Vec<String> = except.iter().map(IpNet::to_string).collect();
            format!("{cidr} except {}", except.join(", "))
        }
    }
}

fn covers(block: &Block, address: IpAddr) -> bool {
    block.cidr.contains(&address) && !block.except.iter().any(|except| except.contains(&address))
}

/// Addresses of `range` that stand for all those that `block` covers in it.
pub(crate) fn addresses_in(block: &Block, range: &AddressRange) -> Vec<IpAddr> {
    let behind = block.except.iter().filter_map(|except| next(except.broadcast()));
    let candidates = [range.first, block.cidr.network()].into_iter().chain(behind);
    let mut inside: Vec<IpAddr> =
        candidates.filter(|address| range.contains(*address) && covers(block, *address)).collect();
    inside.sort();
    inside.dedup();
    inside
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => Some(u32::from(address).checked_add(1)?).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => Some(u128::from(address).checked_add(1)?).map(|next| IpAddr::V6(next.into())),
    }
}
