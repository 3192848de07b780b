//! Who can talk to whom, by workload: what reports are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::engine::{AddressRange, Endpoint, PodId, Reachability};
use crate::entry;
use crate::model::{Cluster, Direction, Pod};
use crate::options::{Hairpin, IpBlockPods, Options};
use crate::portset::{PortSet, Protocol};

/// The name of what stands for every entry point (Ingress, Route, Gateway).
pub const INGRESS_CONTROLLER: &str = "{ingress-controller}";

/// What a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// netpol-analyzer's lines: no lines from replica to replica, IPv6 only where a policy names IPv6 blocks.
    pub compatible: bool,
    /// Lines with outside addresses.
    pub external: bool,
    /// Lines inside the cluster.
    pub internal: bool,
    /// Only lines with one of these at an end: `name`, `namespace/name` or `ingress-controller`; empty: all.
    pub focus: Vec<String>,
    /// With `focus`: the other end must be one of these; empty: all.
    pub focus_peers: Vec<String>,
    /// With `focus`: only lines out of (egress) or into (ingress) it.
    pub focus_direction: Option<Direction>,
    /// Only lines that allow this.
    pub focus_connection: Option<(Protocol, u16)>,
    /// Only lines with an end in one of these namespaces; empty: all.
    pub namespaces: Vec<String>,
    /// The workload (`namespace/name`) that serves Ingress and Route, if it is known.
    pub ingress_controller: Option<String>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            compatible: false,
            external: true,
            internal: true,
            focus: Vec::new(),
            focus_peers: Vec::new(),
            focus_direction: None,
            focus_connection: None,
            namespaces: Vec::new(),
            ingress_controller: None,
        }
    }
}

/// One end of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Peer {
    /// `namespace/name[Kind]`, `first-last[External]` or [`INGRESS_CONTROLLER`].
    pub name: String,
    /// Empty outside the cluster.
    pub namespace: String,
    /// The workload's own name; empty outside the cluster.
    pub workload: String,
    /// `name[Kind]`, or the name again.
    pub label: String,
    /// What it is.
    pub kind: PeerKind,
    /// Pods behind it.
    pub replicas: u64,
}

/// What an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKind {
    /// A workload of the cluster.
    Workload,
    /// Addresses outside.
    External,
    /// The entry points.
    IngressController,
}

/// One line: what `source` may connect to at `destination`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index into [`Listing::peers`].
    pub source: usize,
    /// Index into [`Listing::peers`].
    pub destination: usize,
    /// The ports, never none.
    pub ports: Arc<PortSet>,
}

/// Where the verdict depends on whether blocks of addresses cover pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModeDependent {
    /// Who connects.
    pub source: String,
    /// To whom.
    pub destination: String,
    /// If blocks cover outside addresses only.
    pub never: PortSet,
    /// If they cover pods too.
    pub always: PortSet,
}

/// Every allowed connection of a cluster, by workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The declared modes.
    pub options: Options,
    /// True if something could not be read.
    pub incomplete: bool,
    /// Sorted by name.
    pub peers: Vec<Peer>,
    /// Sorted by source and destination.
    pub lines: Vec<Line>,
    /// Pairs whose verdict depends on a mode (only in the mode that asks for them).
    pub mode_dependent: Vec<ModeDependent>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Listing {
    /// Computes and lists.
    pub fn of(cluster: &Cluster, options: &Options, view: &View) -> Self {
        let reachability = Reachability::compute(cluster, options);
        let mut listing = Self::of_computed(&reachability, view);
        if options.ip_block_pods == IpBlockPods::BothAndReport
            && cluster.pods.iter().any(|pod| !pod.addresses.is_empty())
        {
            listing.mode_dependent = mode_dependent(cluster, options, view, &listing);
        }
        listing
    }

    /// Lists what was computed.
    pub fn of_computed(reachability: &Reachability<'_>, view: &View) -> Self {
        let cluster = reachability.cluster();
        let people = People::new(reachability, view);
        let mut lines = Vec::new();
        reachability.rows(|row| {
            let sources = row.source_classes.iter().flat_map(|class| &people.of_class[*class]);
            let ranges = row.source_ranges.iter().filter_map(|range| people.sources[*range].as_ref());
            for source in sources.chain(ranges) {
                for group in &row.groups {
                    let classes = group.classes.iter().flat_map(|class| &people.of_class[class as usize]);
                    let outside = people.all[*source].kind == PeerKind::External;
                    let ranges = group.ranges.iter().filter(|_| !outside);
                    let ranges = ranges.filter_map(|range| people.destinations[range as usize].as_ref());
                    for destination in classes.chain(ranges) {
                        if people.shows(*source, *destination, &group.ports) {
                            let ports = Arc::clone(&group.ports);
                            lines.push(Line { source: *source, destination: *destination, ports });
                        }
                    }
                }
            }
        });
        let mut notes = notes(cluster);
        let entries = entry::connections(reachability, view, &mut notes);
        if !view.compatible {
            notes.extend(hairpins(reachability));
        }
        for (workload, ports) in entries {
            let found = people.of_class[reachability.class_of(workload)].iter();
            let key = workload_key(&cluster.pods[workload.0]);
            for destination in found.filter(|peer| people.keys[**peer].as_ref() == Some(&key)) {
                let source = people.controller;
                if people.shows(source, *destination, &ports) {
                    lines.push(Line { source, destination: *destination, ports: Arc::new(ports.clone()) });
                }
            }
        }
        lines.sort_by_key(|line| (line.source, line.destination));
        lines.dedup_by(|next, line| {
            let same = (next.source, next.destination) == (line.source, line.destination);
            if same {
                line.ports = Arc::new(line.ports.union(&next.ports));
            }
            same
        });
        Self {
            options: reachability.options().clone(),
            incomplete: cluster.incomplete,
            peers: people.all,
            lines,
            mode_dependent: Vec::new(),
            notes,
        }
    }

    /// The peer of an index.
    pub fn peer(&self, index: usize) -> &Peer {
        &self.peers[index]
    }
}

type WorkloadKey = (Arc<str>, Arc<str>, Arc<str>);

fn workload_key(pod: &Pod) -> WorkloadKey {
    (Arc::clone(&pod.namespace), Arc::clone(&pod.workload.name), Arc::clone(&pod.workload.kind))
}

/// The ends of all lines, with their classes and ranges.
struct People<'v> {
    view: &'v View,
    all: Vec<Peer>,
    keys: Vec<Option<WorkloadKey>>,
    of_class: Vec<Vec<usize>>,
    sources: Vec<Option<usize>>,
    destinations: Vec<Option<usize>>,
    controller: usize,
    focused: Vec<bool>,
    focus_peer: Vec<bool>,
    in_namespace: Vec<bool>,
}

impl<'v> People<'v> {
    fn new(reachability: &Reachability<'_>, view: &'v View) -> Self {
        let mut named: Vec<(Peer, Option<WorkloadKey>, From)> = workloads(reachability);
        for direction in Direction::BOTH {
            let ranges = reachability.external_ranges(direction);
            let v6_matters = ranges.iter().filter(|range| range.is_v6()).count() > 1;
            for (index, range) in ranges.into_iter().enumerate() {
                if !range.is_v6() || !view.compatible || v6_matters {
                    named.push((outside(&range), None, From::Range(direction, index)));
                }
            }
        }
        let controller = Peer {
            name: INGRESS_CONTROLLER.to_owned(),
            namespace: String::new(),
            workload: String::new(),
            label: INGRESS_CONTROLLER.to_owned(),
            kind: PeerKind::IngressController,
            replicas: 1,
        };
        named.push((controller, None, From::Controller));
        named.sort_by(|a, b| (&a.0.name, &a.1).cmp(&(&b.0.name, &b.1)));
        let mut people = Self {
            view,
            all: Vec::new(),
            keys: Vec::new(),
            of_class: vec![Vec::new(); reachability.class_count()],
            sources: vec![None; reachability.external_ranges(Direction::Ingress).len()],
            destinations: vec![None; reachability.external_ranges(Direction::Egress).len()],
            controller: 0,
            focused: Vec::new(),
            focus_peer: Vec::new(),
            in_namespace: Vec::new(),
        };
        for (peer, key, from) in named {
            // One range is one peer, as source and as destination.
            let again = key.is_none() && people.all.last().is_some_and(|last| last.name == peer.name);
            if !again {
                people.focused.push(view.focus.iter().any(|name| is_named(&peer, name)));
                people.focus_peer.push(view.focus_peers.iter().any(|name| is_named(&peer, name)));
                people.in_namespace.push(view.namespaces.contains(&peer.namespace));
                people.keys.push(key);
                people.all.push(peer);
            }
            let index = people.all.len() - 1;
            match from {
                From::Class(class) => people.of_class[class].push(index),
                From::Range(Direction::Ingress, range) => people.sources[range] = Some(index),
                From::Range(Direction::Egress, range) => people.destinations[range] = Some(index),
                From::Controller => people.controller = index,
            }
        }
        people
    }

    fn shows(&self, source: usize, destination: usize, ports: &PortSet) -> bool {
        let view = self.view;
        let external = [source, destination].iter().any(|end| self.all[*end].kind == PeerKind::External);
        if source == destination && (view.compatible || self.all[source].replicas < 2) {
            return false;
        }
        if !(if external { view.external } else { view.internal }) {
            return false;
        }
        if !(view.namespaces.is_empty() || self.in_namespace[source] || self.in_namespace[destination]) {
            return false;
        }
        if view.focus_connection.is_some_and(|(protocol, port)| !ports.contains(protocol, port)) {
            return false;
        }
        if view.focus.is_empty() {
            return true;
        }
        let other = |end: usize| view.focus_peers.is_empty() || self.focus_peer[end];
        let out = self.focused[source] && other(destination);
        let into = self.focused[destination] && other(source);
        match view.focus_direction {
            Some(Direction::Egress) => out,
            Some(Direction::Ingress) => into,
            None => out || into,
        }
    }
}

enum From {
    Class(usize),
    Range(Direction, usize),
    Controller,
}

/// Workloads, one peer for each class that their pods fall into.
fn workloads(reachability: &Reachability<'_>) -> Vec<(Peer, Option<WorkloadKey>, From)> {
    let pods = &reachability.cluster().pods;
    let mut variants: BTreeMap<WorkloadKey, BTreeMap<usize, Vec<&Pod>>> = BTreeMap::new();
    for (index, pod) in pods.iter().enumerate() {
        let of_workload = variants.entry(workload_key(pod)).or_default();
        of_workload.entry(reachability.class_of(PodId(index))).or_default().push(pod);
    }
    let mut peers = Vec::new();
    for (key, classes) in variants {
        let several = classes.len() > 1;
        let differing = if several { differing_labels(classes.values().flatten()) } else { BTreeSet::new() };
        for (class, pods) in classes {
            let mut label = format!("{}[{}", key.1, key.2);
            if several {
                label += " ";
                label += &variant_name(&pods, &differing);
            }
            label += "]";
            let peer = Peer {
                name: format!("{}/{label}", key.0),
                namespace: key.0.to_string(),
                workload: key.1.to_string(),
                label,
                kind: PeerKind::Workload,
                replicas: pods.iter().map(|pod| u64::from(pod.replicas)).sum(),
            };
            peers.push((peer, Some(key.clone()), From::Class(class)));
        }
    }
    peers
}

fn differing_labels<'a>(pods: impl Iterator<Item = &'a &'a Pod>) -> BTreeSet<String> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut total = 0;
    for pod in pods {
        total += 1;
        for (key, value) in pod.labels.iter() {
            values.entry(key).or_default().insert(value);
            *counts.entry(key).or_default() += 1;
        }
    }
    let differing = values.into_iter().filter(|(key, values)| values.len() > 1 || counts[key] < total);
    differing.map(|(key, _)| key.to_owned()).collect()
}

/// What tells the variants of a workload apart: the pod's name if it is alone, else labels.
fn variant_name(pods: &[&Pod], differing: &BTreeSet<String>) -> String {
    if let [pod] = pods {
        return pod.name.to_string();
    }
    let labels = pods[0].labels.iter().filter(|(key, _)| differing.contains(*key));
    let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
    if labels.is_empty() { format!("{} and others", pods[0].name) } else { labels.join(",") }
}

fn outside(range: &AddressRange) -> Peer {
    let name = format!("{range}[External]");
    let (namespace, workload) = (String::new(), String::new());
    Peer { label: range.to_string(), name, namespace, workload, kind: PeerKind::External, replicas: 1 }
}

/// `name`, `namespace/name`, `ingress-controller`, or a peer's full name.
fn is_named(peer: &Peer, name: &str) -> bool {
    match peer.kind {
        PeerKind::IngressController => name == "ingress-controller" || name == INGRESS_CONTROLLER,
        PeerKind::External => name == peer.name || name == peer.label,
        PeerKind::Workload => match name.split_once('/') {
            _ if name == peer.name => true,
            Some((namespace, workload)) => namespace == peer.namespace && workload == peer.workload,
            None => name == peer.workload,
        },
    }
}

/// Compares the two modes, workload by workload.
fn mode_dependent(cluster: &Cluster, options: &Options, view: &View, never: &Listing) -> Vec<ModeDependent> {
    let options = Options { ip_block_pods: IpBlockPods::Always, ..options.clone() };
    let always = Listing::of_computed(&Reachability::compute(cluster, &options), view);
    let by_name = |listing: &Listing| -> BTreeMap<(String, String), Arc<PortSet>> {
        let inside = |line: &&Line| {
            [line.source, line.destination].iter().all(|end| listing.peers[*end].kind == PeerKind::Workload)
        };
        let named = |line: &Line| {
            let name = |end: usize| listing.peers[end].name.clone();
            ((name(line.source), name(line.destination)), Arc::clone(&line.ports))
        };
        listing.lines.iter().filter(inside).map(named).collect()
    };
    let (never, always) = (by_name(never), by_name(&always));
    let pairs: BTreeSet<&(String, String)> = never.keys().chain(always.keys()).collect();
    let ports = |map: &BTreeMap<(String, String), Arc<PortSet>>, pair| {
        map.get(pair).map(|ports| (**ports).clone()).unwrap_or_default()
    };
    pairs
        .into_iter()
        .map(|pair| ModeDependent {
            source: pair.0.clone(),
            destination: pair.1.clone(),
            never: ports(&never, pair),
            always: ports(&always, pair),
        })
        .filter(|pair| pair.never != pair.always)
        .collect()
}

/// Workloads that policies keep from themselves where they ask by a Service's name.
fn hairpins(reachability: &Reachability<'_>) -> Vec<String> {
    let cluster = reachability.cluster();
    let mut told = BTreeMap::new();
    for (index, pod) in cluster.pods.iter().enumerate().filter(|_| !cluster.services.is_empty()) {
        let pod_id = PodId(index);
        let behind = reachability.ports_behind_services(pod_id);
        let closed = behind.difference(&reachability.through_service(pod_id));
        if !closed.is_empty() {
            told.insert(pod.workload_string(), closed);
        }
    }
    let other = match reachability.options().hairpin {
        Hairpin::Subject => ", where hairpin=allowed they can",
        Hairpin::Allowed => ": a ClusterNetworkPolicy denies it",
    };
    let note = |(workload, ports): (String, PortSet)| {
        format!("{workload}: pods can't reach themselves through their Service at {ports}{other}")
    };
    told.into_iter().map(note).collect()
}

/// What the cluster's objects leave open.
fn notes(cluster: &Cluster) -> Vec<String> {
    let mut notes = Vec::new();
    let undeclared: Vec<&str> = cluster
        .namespaces
        .iter()
        .filter(|namespace| !namespace.declared && !namespace.name.is_empty())
        .map(|namespace| &*namespace.name)
        .collect();
    if !undeclared.is_empty() {
        notes.push(format!(
            "not in the input, so only their names are known, no labels: namespaces {}",
            undeclared.join(", ")
        ));
    }
    let hosts = cluster.pods.iter().filter(|pod| pod.host_network).count();
    if hosts > 0 {
        notes.push(format!(
            "{hosts} workloads share their node's network: every pod of that node is open to them, whatever policies say"
        ));
    }
    if !cluster.mesh.is_empty() {
        notes.push(
            "Istio's AuthorizationPolicy, PeerAuthentication and Sidecar are applied; its routing, gateways and \
             ServiceEntry aren't modelled"
                .to_owned(),
        );
    }
    notes
}

/// Finds the pods that a name on the command line means: `namespace/name`, `name`, `namespace/name[Kind]`, a pod's own
/// name, or an address.
pub fn find_endpoints(cluster: &Cluster, name: &str) -> Vec<Endpoint> {
    if let Ok(address) = name.parse() {
        return vec![Endpoint::Address(address)];
    }
    let matches = |pod: &Pod| {
        let full = pod.workload_string();
        let (namespace, short) = match name.split_once('/') {
            Some((namespace, short)) => (Some(namespace), short),
            None => (None, name),
        };
        full == name
            || namespace.is_none_or(|namespace| namespace == &*pod.namespace)
                && (short == &*pod.workload.name || short == &*pod.name)
    };
    let pods = cluster.pods.iter().enumerate().filter(|(_, pod)| matches(pod));
    pods.map(|(index, _)| Endpoint::Pod(PodId(index))).collect()
}
