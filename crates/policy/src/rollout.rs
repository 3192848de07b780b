//! In which order policies go in, and what they cut, before anything is applied.

use std::collections::BTreeSet;

use ipnet::IpNet;
use parapet_reach::model::{Cluster, Direction, NetworkPolicy};
use parapet_reach::{AddressRange, Endpoint, Options, PodId, PortSet, Reachability};
use serde::Serialize;

use crate::UnitId;
use crate::needs::{End, Needs};
use crate::plan::DEFAULT_DENY;
use crate::proof::{Tuple, addresses_in, locked, name_of};
use crate::units::Units;

/// What applying policies does to a cluster as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rollout {
    /// `namespace/name` of the policies in the order in which they go in: what allows first, what denies last.
    pub order: Vec<String>,
    /// Connections that somebody is known to use and that end: look at these before anything else.
    pub known: Vec<Cut>,
    /// For each workload that loses clients on a port that it declares: how many.
    pub by_server: Vec<(String, PortSet, usize)>,
    /// Workloads that lose addresses outside as clients (of ports that they declare) or as servers.
    pub outside: Vec<Outside>,
}

/// A connection that ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cut {
    /// Which.
    pub tuple: Tuple,
    /// How it is known, as its flow's reason says.
    pub known_by: String,
}

/// What a workload loses outside of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Outside {
    /// `namespace/name[Kind]`.
    pub workload: String,
    /// From outside (ingress), or to it (egress).
    pub direction: Direction,
    /// Ports that are closed towards some address.
    pub ports: PortSet,
}

impl Rollout {
    /// Compares `cluster` as it is with `policies` in force. `known` are the needs that manifests or observations show.
    pub fn of(
        cluster: &Cluster,
        units: &Units,
        needs: &Needs,
        policies: &[NetworkPolicy],
        known: Option<&Needs>,
    ) -> Self {
        let mut order: Vec<&NetworkPolicy> = policies.iter().collect();
        order.sort_by_key(|policy| (&*policy.name == DEFAULT_DENY, &policy.namespace, &policy.name));
        let order = order.into_iter().map(|policy| format!("{}/{}", policy.namespace, policy.name)).collect();
        let locked = locked(cluster, policies, needs);
        let change = Change::new(cluster, &locked, units, needs);
        let mut rollout = Self { order, ..Self::default() };
        for need in known.iter().flat_map(|known| &known.all) {
            let ports = change.cut(&need.from, &need.to).intersection(&need.ports);
            if !ports.is_empty() {
                let flow = need.flows.first().and_then(|flow| known?.flows.get(*flow));
                let (from, to) = (name_of(&need.from, units), name_of(&need.to, units));
                rollout.known.push(Cut {
                    tuple: Tuple { from, to, ports },
                    known_by: flow.map(|flow| flow.reason.clone()).unwrap_or_default(),
                });
            }
        }
        rollout.known.sort();
        for (server, unit) in units.iter() {
            let declared = unit
                .pods
                .iter()
                .flat_map(|pod| cluster.pods[*pod].ports.iter())
                .fold(PortSet::none(), |all, port| all.union(&PortSet::one(port.protocol, port.port)));
            let mut lost = PortSet::none();
            let mut clients = 0;
            for (client, _) in units.iter().filter(|(client, _)| *client != server) {
                let cut = change.cut(&End::Unit(client), &End::Unit(server)).intersection(&declared);
                if !cut.is_empty() {
                    lost = lost.union(&cut);
                    clients += 1;
                }
            }
            if clients > 0 {
                rollout.by_server.push((unit.to_string(), lost, clients));
            }
            for direction in Direction::BOTH {
                let all = change.cut_outside(server, direction);
                let ports = if direction == Direction::Ingress { all.intersection(&declared) } else { all };
                if !ports.is_empty() {
                    rollout.outside.push(Outside { workload: unit.to_string(), direction, ports });
                }
            }
        }
        rollout
    }
}

/// A cluster before and after. Both have the same pods in the same order.
struct Change<'a> {
    before: Reachability<'a>,
    after: Reachability<'a>,
    /// One pod for each class of pods in a workload.
    examples: Vec<Vec<PodId>>,
    /// By direction: ranges of addresses that neither cuts.
    ranges: [Vec<AddressRange>; 2],
    /// What was cut out of declared blocks on purpose, such as the clouds' metadata services.
    holes: BTreeSet<IpNet>,
}

impl<'a> Change<'a> {
    fn new(before: &'a Cluster, after: &'a Cluster, units: &Units, needs: &Needs) -> Self {
        let (before, after) = Reachability::compute_both(before, after, &Options::default());
        let examples = units.iter().map(|(_, unit)| {
            let mut seen = BTreeSet::new();
            let pods = unit.pods.iter().map(|pod| PodId(*pod));
            pods.filter(|pod| seen.insert((before.class_of(*pod), after.class_of(*pod)))).collect()
        });
        let examples = examples.collect();
        let ranges = Direction::BOTH.map(|direction| before.external_ranges(direction));
        let blocks = needs.all.iter().flat_map(|need| [&need.from, &need.to]).filter_map(|end| match end {
            End::Block(block) => Some(block),
            End::Unit(_) => None,
        });
        let holes = blocks.flat_map(|block| block.except.iter().copied()).collect();
        Self { before, after, examples, ranges, holes }
    }

    /// What some pod or address of `from` may use at some of `to`, and may not any more.
    fn cut(&self, from: &End, to: &End) -> PortSet {
        let mut cut = PortSet::none();
        for source in self.endpoints(from, Direction::Ingress) {
            for destination in self.endpoints(to, Direction::Egress) {
                cut = cut.union(&self.cut_between(source, destination));
            }
        }
        cut
    }

    fn cut_outside(&self, unit: UnitId, direction: Direction) -> PortSet {
        let mut cut = PortSet::none();
        let on_purpose = |range: &&AddressRange| self.holes.iter().any(|hole| hole.contains(&range.first));
        for range in self.ranges(direction).iter().filter(|range| !on_purpose(range)) {
            for pod in &self.examples[unit.0] {
                let (pod, address) = (Endpoint::Pod(*pod), Endpoint::Address(range.first));
                cut = cut.union(&match direction {
                    Direction::Ingress => self.cut_between(address, pod),
                    Direction::Egress => self.cut_between(pod, address),
                });
            }
        }
        cut
    }

    fn cut_between(&self, source: Endpoint, destination: Endpoint) -> PortSet {
        let after = self.after.connections(source, destination);
        self.before.connections(source, destination).difference(&after)
    }

    fn endpoints(&self, end: &End, direction: Direction) -> Vec<Endpoint> {
        match end {
            End::Unit(unit) => self.examples[unit.0].iter().map(|pod| Endpoint::Pod(*pod)).collect(),
            End::Block(block) => {
                let ranges = self.ranges(direction).iter();
                ranges.flat_map(|range| addresses_in(block, range)).map(Endpoint::Address).collect()
            }
        }
    }

    fn ranges(&self, direction: Direction) -> &[AddressRange] {
        let at = Direction::BOTH.iter().position(|one| *one == direction);
        at.map_or(&[], |at| self.ranges[at].as_slice())
    }
}
