//! Flows as connections between what policies can name: workloads, and blocks of addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use ipnet::IpNet;
use parapet_reach::model::{Block, Cluster};
use parapet_reach::{PortSet, Protocol};

use crate::error::PolicyError;
use crate::flows::{Flow, FlowFile, FlowPort, Party, PortText};
use crate::units::{UnitId, Units};
use crate::{presets, select};

/// Flows in one file.
const MOST_FLOWS: usize = 10_000;
/// Connections between two workloads, or a workload and a block, that flows may stand for.
const MOST_NEEDS: usize = 1_000_000;
/// Workloads named in an error.
const NAMED_IN_ERRORS: usize = 8;
/// The clouds' metadata services, which hand credentials to whoever asks: never a part of "the world".
const METADATA: [&str; 2] = ["169.254.169.254/32", "fd00:ec2::254/128"];

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

type Resolved = BTreeMap<(End, End), (PortSet, BTreeSet<usize>)>;

struct Resolver<'a> {
    file: &'a FlowFile,
    cluster: &'a Cluster,
    units: &'a Units,
    needs: Resolved,
    notes: BTreeSet<Note>,
}

impl Resolver<'_> {
    /// A preset is of components that an installation may have left out: flows with one that isn't there don't count, unless
    /// none is left.
    fn preset(&mut self, name: &str, of: Vec<Flow>, flows: &mut Vec<Flow>) -> Result<(), PolicyError> {
        let mut first_error = None;
        let before = flows.len();
        for flow in of {
            match self.flow(flows.len(), &flow) {
                Ok(()) => flows.push(flow),
                Err(PolicyError::NoSuchWorkload { party, known, .. }) => {
                    self.notes.insert(Note::Absent { preset: name.to_owned(), party: party.clone() });
                    let error = PolicyError::NothingOfPreset { preset: name.to_owned(), party, known };
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first_error {
            Some(error) if flows.len() == before => Err(error),
            _ => Ok(()),
        }
    }

    fn flow(&mut self, index: usize, flow: &Flow) -> Result<(), PolicyError> {
        let (from, to) = (self.party(index, &flow.from)?, self.party(index, &flow.to)?);
        if !from.iter().chain(&to).any(|end| matches!(end, End::Unit(_))) {
            return Err(PolicyError::NobodyHere { flow: index + 1 });
        }
        for server in &to {
            self.tell_of_host_network(server);
            let mut ports = self.ports(index, &flow.ports, server)?;
            if flow.to == Party::ApiServer && flow.ports.is_empty() {
                let known = self.file.api_server.ports.iter().map(|port| PortSet::one(Protocol::Tcp, *port));
                ports = known.fold(PortSet::none(), |ports, port| ports.union(&port));
            }
            for client in &from {
                self.tell_of_host_network(client);
                for (from, to) in self
                    .as_policies_see(client)
                    .into_iter()
                    .flat_map(|from| {
                        self.as_policies_see(server).into_iter().map(move |to| (from.clone(), to))
                    })
                    .collect::<Vec<_>>()
                {
                    self.need(from, to, &ports, index)?;
                }
            }
        }
        Ok(())
    }

    /// A workload in its node's network is its nodes' addresses to policies, or nothing if they are unknown.
    fn as_policies_see(&self, end: &End) -> Vec<End> {
        match end {
            End::Unit(unit) if self.units.get(*unit).host_network => {
                self.file.nodes.iter().map(|cidr| block(cidr.0)).collect()
            }
            end => vec![end.clone()],
        }
    }

    fn tell_of_host_network(&mut self, end: &End) {
        if let End::Unit(unit) = end
            && self.units.get(*unit).host_network
        {
            self.notes.insert(Note::HostNetwork { workload: self.units.get(*unit).to_string() });
        }
    }

    fn need(&mut self, from: End, to: End, ports: &PortSet, flow: usize) -> Result<(), PolicyError> {
        if !matches!(from, End::Unit(_)) && !matches!(to, End::Unit(_)) {
            return Ok(());
        }
        let (known, flows) = self.needs.entry((from, to)).or_default();
        *known = known.union(ports);
        flows.insert(flow);
        if self.needs.len() > MOST_NEEDS {
            return Err(PolicyError::TooMany {
                what: "connections",
                count: self.needs.len(),
                most: MOST_NEEDS,
            });
        }
        Ok(())
    }

    /// Every workload that opens connections asks for names, unless the file says that none does.
    fn names(&mut self, flows: &mut Vec<Flow>) -> Result<Option<DnsPeer>, PolicyError> {
        let dns = &self.file.dns;
        if !dns.enabled {
            return Ok(None);
        }
        let clients: BTreeSet<End> = self
            .needs
            .keys()
            .filter(|(from, _)| matches!(from, End::Unit(_)))
            .map(|(from, _)| from.clone())
            .collect();
        let servers = self.name_servers();
        let ports = PortSet::one(Protocol::Udp, dns.port).union(&PortSet::one(Protocol::Tcp, dns.port));
        let index = flows.len();
        for client in clients {
            for server in servers.iter().filter(|server| **server != client) {
                self.need(client.clone(), server.clone(), &ports, index)?;
            }
        }
        flows.push(Flow {
            from: Party::World,
            to: Party::Dns,
            ports: vec![FlowPort::one(Protocol::Tcp, dns.port), FlowPort::one(Protocol::Udp, dns.port)],
            reason: "names are resolved".to_owned(),
            pipeline: None,
        });
        if servers.iter().any(|server| matches!(server, End::Unit(_))) {
            return Ok(None);
        }
        let labels: Vec<String> = dns.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        self.notes.insert(Note::NoNameServers { place: format!("{}/{}", dns.namespace, labels.join(",")) });
        Ok(Some(DnsPeer { namespace: dns.namespace.clone(), labels: dns.labels.clone(), port: dns.port }))
    }

    fn name_servers(&self) -> Vec<End> {
        let dns = &self.file.dns;
        let mut servers = self.labelled(&dns.namespace, &dns.labels);
        servers.extend(dns.node_local.map(|cidr| block(cidr.0)));
        servers
    }

    fn labelled(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<End> {
        let has_all = |pod: usize| {
            let pod = &self.cluster.pods[pod];
            labels.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
        };
        self.units
            .iter()
            .filter(|(_, unit)| &*unit.namespace == namespace && unit.pods.iter().all(|pod| has_all(*pod)))
            .map(|(id, _)| End::Unit(id))
            .collect()
    }

    fn party(&self, flow: usize, party: &Party) -> Result<Vec<End>, PolicyError> {
        let addresses = |what, key, cidrs: &[crate::Cidr]| {
            if cidrs.is_empty() {
                return Err(PolicyError::AddressesMissing { flow: flow + 1, what, key });
            }
            Ok(cidrs.iter().map(|cidr| block(cidr.0)).collect())
        };
        let ends = match party {
            Party::Workload(wanted) => {
                let fits = |unit: &crate::Unit| {
                    *unit.namespace == *wanted.namespace
                        && *unit.workload.name == *wanted.name
                        && wanted.kind.as_ref().is_none_or(|kind| *unit.workload.kind == **kind)
                };
                self.units.iter().filter(|(_, unit)| fits(unit)).map(|(id, _)| End::Unit(id)).collect()
            }
            Party::Pods(wanted) => self.labelled(&wanted.namespace, &wanted.labels),
            Party::Cidr(cidr) => vec![block(cidr.0)],
            Party::Nodes => addresses("the nodes", "nodes", &self.file.nodes)?,
            Party::ApiServer => {
                addresses("the Kubernetes API", "apiServer.addresses", &self.file.api_server.addresses)?
            }
            Party::Dns => self.name_servers(),
            Party::World => world(),
        };
        if ends.is_empty() {
            let namespace = match party {
                Party::Workload(wanted) => Some(wanted.namespace.as_str()),
                Party::Pods(wanted) => Some(wanted.namespace.as_str()),
                _ => None,
            };
            let near = self.units.iter().filter(|(_, unit)| namespace.is_none_or(|n| *unit.namespace == *n));
            let mut known: Vec<String> =
                near.take(NAMED_IN_ERRORS).map(|(_, unit)| unit.to_string()).collect();
            if known.is_empty() {
                known = self.units.iter().take(NAMED_IN_ERRORS).map(|(_, unit)| unit.to_string()).collect();
            }
            return Err(PolicyError::NoSuchWorkload {
                flow: flow + 1,
                party: party.to_string(),
                known: known.join(", "),
            });
        }
        Ok(ends)
    }

    fn ports(&self, flow: usize, ports: &[FlowPort], server: &End) -> Result<PortSet, PolicyError> {
        if ports.is_empty() {
            return Ok(PortSet::all());
        }
        let mut all = PortSet::none();
        for port in ports {
            let (protocol, text) = match port {
                FlowPort::Number(number) => (Protocol::Tcp, Some(PortText::Number(*number))),
                FlowPort::Text(text) => (Protocol::Tcp, Some(PortText::Text(text.clone()))),
                FlowPort::Full(full) => (full.protocol.into(), full.port.clone()),
            };
            let one = match text {
                None => PortSet::range(protocol, 1, u16::MAX),
                Some(PortText::Number(0)) => return Err(bad(flow, "0")),
                Some(PortText::Number(number)) => PortSet::one(protocol, number),
                Some(PortText::Text(text)) => match range(&text) {
                    Some((first, last)) => PortSet::range(protocol, first, last),
                    None => self.named(flow, &text, protocol, server)?,
                },
            };
            all = all.union(&one);
        }
        Ok(all)
    }

    fn named(
        &self,
        flow: usize,
        name: &str,
        protocol: Protocol,
        server: &End,
    ) -> Result<PortSet, PolicyError> {
        let End::Unit(unit) = server else { return Err(bad(flow, name)) };
        let unit = self.units.get(*unit);
        let declared = unit.pods.iter().flat_map(|pod| self.cluster.pods[*pod].ports.iter());
        let found = declared
            .filter(|port| port.protocol == protocol && port.name.as_deref() == Some(name))
            .fold(PortSet::none(), |ports, port| ports.union(&PortSet::one(protocol, port.port)));
        if found.is_empty() {
            let (workload, port) = (unit.to_string(), name.to_owned());
            return Err(PolicyError::NoSuchPort { flow: flow + 1, workload, port });
        }
        Ok(found)
    }
}

fn bad(flow: usize, port: &str) -> PolicyError {
    PolicyError::BadPort { flow: flow + 1, port: port.to_owned() }
}

/// `first-last`, or a number in quotes.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (0 < first && first <= last).then_some((first, last))
}

fn block(cidr: IpNet) -> End {
    End::Block(Block { cidr, except: Vec::new() })
}

fn world() -> Vec<End> {
    let all = ["0.0.0.0/0", "::/0"].into_iter().zip(METADATA);
    all.filter_map(|(cidr, except)| {
        Some(End::Block(Block { cidr: cidr.parse().ok()?, except: vec![except.parse().ok()?] }))
    })
    .collect()
}
