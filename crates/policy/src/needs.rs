//! Flows as connections between what policies can name: workloads, and blocks of addresses.

mod resolver;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use parapet_reach::PortSet;
use parapet_reach::model::{Block, Cluster};

use crate::error::PolicyError;
use crate::flows::{Flow, FlowFile};
use crate::units::{UnitId, Units};
use crate::{presets, select};
use resolver::Resolver;

/// Flows in one file.
const MOST_FLOWS: usize = 10_000;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A workload.
    Unit(UnitId),
    /// Addresses outside of the cluster.
    Block(Block),
}

/// One workload or block may open connections to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The client.
    pub from: End,
    /// The server.
    pub to: End,
    /// The server's ports.
    pub ports: PortSet,
    /// The flows that ask for it: indices into [`Needs::flows`].
    pub flows: BTreeSet<usize>,
}

/// Something that people should know about how their flows were understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// Policies don't see pods in their node's network.
    HostNetwork {
        /// The workload.
        workload: String,
    },
    /// A workload can't be told from others by labels.
    SameLabels {
        /// The workload.
        workload: String,
        /// The others.
        others: Vec<String>,
        /// A label that would do.
        suggestion: String,
    },
    /// A preset speaks of a component that isn't there: what it would need is left out.
    Absent {
        /// The preset.
        preset: String,
        /// The component, as the preset names it.
        party: String,
    },
    /// A block as large as the world may cover pods, and nothing tells which addresses those have.
    BlocksMayCoverPods {
        /// The workload that may connect to it.
        workload: String,
    },
    /// Name servers were not found; policies name them by labels all the same.
    NoNameServers {
        /// Where they were looked for.
        place: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostNetwork { workload } => write!(
                f,
                "{workload} shares its node's network: policies can't restrict it, and others can only allow its nodes' addresses"
            ),
            Self::SameLabels { workload, others, suggestion } => write!(
                f,
                "{workload} has no label that tells it from {}: they get what it gets. Add {suggestion} to its pod template",
                others.join(", ")
            ),
            Self::Absent { preset, party } => {
                write!(f, "preset {preset}: no workload matches {party}; what it would need isn't allowed")
            }
            Self::BlocksMayCoverPods { workload } => write!(
                f,
                "{workload} may connect to the world: where the network plug-in lets blocks of addresses cover pods (as Calico \
                 does, and Cilium doesn't), to pods that nothing locks down, too, unless `podCidrs` says which addresses pods get"
            ),
            Self::NoNameServers { place } => {
                write!(
                    f,
                    "no name servers at {place} in what was read; the policies allow them by these labels all the same"
                )
            }
        }
    }
}

/// What flows come to in one cluster.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Every flow, those of presets and for names included.
    pub flows: Vec<Flow>,
    /// Every connection, by its ends.
    pub all: Vec<Need>,
    /// Namespaces to lock down.
    pub scope: BTreeSet<String>,
    /// What people should know.
    pub notes: BTreeSet<Note>,
    /// Who resolves names, by labels: they need not be among the workloads read.
    pub(crate) dns: Option<DnsPeer>,
}

/// Name servers that were not read: allowed by their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DnsPeer {
    pub(crate) namespace: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) port: u16,
}

impl Needs {
    /// Understands the flows of `file` in `cluster`.
    pub fn resolve(file: &FlowFile, cluster: &Cluster, units: &Units) -> Result<Self, PolicyError> {
        let mut flows = file.flows.clone();
        let too_many = |flows: &Vec<Flow>| match flows.len() {
            count if count > MOST_FLOWS => {
                Err(PolicyError::TooMany { what: "flows", count, most: MOST_FLOWS })
            }
            _ => Ok(()),
        };
        too_many(&flows)?;
        let mut resolver = Resolver { file, cluster, units, needs: BTreeMap::new(), notes: BTreeSet::new() };
        for (index, flow) in flows.iter().enumerate() {
            resolver.flow(index, flow)?;
        }
        for preset in &file.presets {
            resolver.preset(&preset.name, presets::flows(preset)?, &mut flows)?;
            too_many(&flows)?;
        }
        let dns = resolver.names(&mut flows)?;
        let Resolver { needs, mut notes, .. } = resolver;
        let mut all: Vec<Need> =
            needs.into_iter().map(|((from, to), (ports, flows))| Need { from, to, ports, flows }).collect();
        let mut scope: BTreeSet<String> = file.namespaces.iter().cloned().collect();
        if scope.is_empty() {
            for end in all.iter().flat_map(|need| [&need.from, &need.to]) {
                if let End::Unit(unit) = end {
                    scope.insert(units.get(*unit).namespace.to_string());
                }
            }
            // Name servers are asked by everybody; locking them down is a decision of its own.
            scope.remove(&file.dns.namespace);
        }
        // Flows among others are others' concern, whatever their own policies make of them.
        all.retain(|need| {
            [&need.from, &need.to].into_iter().any(|end| match end {
                End::Unit(unit) => scope.contains(&*units.get(*unit).namespace),
                End::Block(_) => false,
            })
        });
        for need in all.iter().filter(|_| file.pod_cidrs.is_empty()) {
            if let (End::Unit(unit), End::Block(block)) = (&need.from, &need.to)
                && block.cidr.prefix_len() == 0
            {
                notes.insert(Note::BlocksMayCoverPods { workload: units.get(*unit).to_string() });
            }
        }
        for (id, unit) in units.iter().filter(|(_, unit)| scope.contains(&*unit.namespace)) {
            let choice = select::Choice::of(id, units);
            let concerned =
                |other: &UnitId| all.iter().any(|need| [&need.from, &need.to].contains(&&End::Unit(*other)));
            if !choice.also.is_empty() && concerned(&id) {
                notes.insert(Note::SameLabels {
                    workload: unit.to_string(),
                    others: choice.also.iter().map(|other| units.get(*other).to_string()).collect(),
                    suggestion: format!("app.kubernetes.io/component: {}", unit.workload.name),
                });
            }
        }
        Ok(Self { flows, all, scope, notes, dns })
    }

    /// What each pair of workloads was declared to need.
    pub(crate) fn between(&self) -> HashMap<(UnitId, UnitId), &PortSet> {
        let pair = |need: &Need| match (&need.from, &need.to) {
            (End::Unit(from), End::Unit(to)) => Some((*from, *to)),
            _ => None,
        };
        self.all.iter().filter_map(|need| Some((pair(need)?, &need.ports))).collect()
    }
}
