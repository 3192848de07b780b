//! Who the parties of flows are in one cluster, and which ports they mean.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use parapet_reach::model::{Block, Cluster};
use parapet_reach::{PortSet, Protocol};

use super::{DnsPeer, End, Note};
use crate::Cidr;
use crate::error::PolicyError;
use crate::flows::{Flow, FlowFile, FlowPort, Party, PortText};
use crate::units::Units;

/// Connections between two workloads, or a workload and a block, that flows may stand for.
const MOST_NEEDS: usize = 1_000_000;
/// Workloads named in an error.
const NAMED_IN_ERRORS: usize = 8;
/// The clouds' metadata services, which hand credentials to whoever asks: never a part of "the world".
const METADATA: [&str; 2] = ["169.254.169.254/32", "fd00:ec2::254/128"];

/// The ports that pairs need, and the flows that say so.
pub(super) type Resolved = BTreeMap<(End, End), (PortSet, BTreeSet<usize>)>;

/// What flows are resolved in, and what they have come to so far.
pub(super) struct Resolver<'a> {
    pub(super) file: &'a FlowFile,
    pub(super) cluster: &'a Cluster,
    pub(super) units: &'a Units,
    pub(super) needs: Resolved,
    pub(super) notes: BTreeSet<Note>,
}

impl Resolver<'_> {
    /// A preset is of components that an installation may have left out: flows with one that isn't there don't count, unless
    /// none is left.
    pub(super) fn preset(
        &mut self,
        name: &str,
        of: Vec<Flow>,
        flows: &mut Vec<Flow>,
    ) -> Result<(), PolicyError> {
        let mut first_error = None;
        let before = flows.len();
        for flow in of {
            match self.flow(flows.len(), &flow) {
                Ok(()) => {
                    let (from, to) = (self.as_it_is_labelled(flow.from), self.as_it_is_labelled(flow.to));
                    flows.push(Flow { from, to, ..flow });
                }
                Err(PolicyError::NoSuchWorkload { party, known, .. }) => {
                    self.notes.insert(Note::Absent { preset: name.to_owned(), party: party.clone() });
                    let error = PolicyError::NothingOfPreset { preset: name.to_owned(), party, known };
                    first_error.get_or_insert(error);
                }
                Err(PolicyError::AddressesMissing { what, key, .. }) => {
                    return Err(PolicyError::AddressesMissing { by: format!("preset {name}"), what, key });
                }
                Err(error) => return Err(error),
            }
        }
        match first_error {
            Some(error) if flows.len() == before => Err(error),
            _ => Ok(()),
        }
    }

    /// Of the sets of labels that a component may have, those that it has here: reports and annotations name no others.
    fn as_it_is_labelled(&self, party: Party) -> Party {
        let Party::AnyOf(mut any) = party else { return party };
        any.retain(|one| !self.labelled(&one.namespace, &one.labels).is_empty());
        match <[_; 1]>::try_from(any) {
            Ok([one]) => Party::Pods(one),
            Err(any) => Party::AnyOf(any),
        }
    }

    /// Understands one flow; `index` is its own.
    pub(super) fn flow(&mut self, index: usize, flow: &Flow) -> Result<(), PolicyError> {
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
    pub(super) fn names(&mut self, flows: &mut Vec<Flow>) -> Result<Option<DnsPeer>, PolicyError> {
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
        let addresses = |what, key, cidrs: &[Cidr]| {
            if cidrs.is_empty() {
                return Err(PolicyError::AddressesMissing { by: format!("flow {}", flow + 1), what, key });
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
            Party::AnyOf(any) => {
                let ends = any.iter().flat_map(|wanted| self.labelled(&wanted.namespace, &wanted.labels));
                ends.collect::<BTreeSet<End>>().into_iter().collect()
            }
            Party::Cidr(cidr) => vec![block(cidr.0)],
            Party::Nodes => addresses("the nodes", "nodes", &self.file.nodes)?,
            Party::ApiServer => {
                addresses("the Kubernetes API", "apiServer.addresses", &self.file.api_server.addresses)?
            }
            Party::Dns => self.name_servers(),
            Party::World => world(&self.file.pod_cidrs),
        };
        if ends.is_empty() {
            let is_near = |namespace: &str| party.namespaces().any(|named| named == namespace);
            let near = self.units.iter().filter(|(_, unit)| is_near(&unit.namespace));
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

/// Both families, each without its metadata service and what pods get of it.
fn world(pods: &[Cidr]) -> Vec<End> {
    let all = ["0.0.0.0/0", "::/0"].into_iter().zip(METADATA);
    all.filter_map(|(cidr, metadata)| {
        let (cidr, metadata): (IpNet, IpNet) = (cidr.parse().ok()?, metadata.parse().ok()?);
        let inside = pods.iter().map(|pods| pods.0).filter(|pods| cidr.contains(pods) && cidr != *pods);
        let mut except = IpNet::aggregate(&inside.chain([metadata]).collect());
        except.sort();
        Some(End::Block(Block { cidr, except }))
    })
    .collect()
}
