//! Who can talk to whom, by workload: what reports are made of.

mod explained;
mod notes;
mod people;

use std::sync::Arc;

use serde::Serialize;

pub use explained::explain_pairs;
use notes::{by_address, hairpins, mode_dependent, notes, unknown_names};
use people::{People, workload_key};

use crate::engine::{Endpoint, PodId, Reachability};
use crate::entry;
use crate::model::{Cluster, Direction, Pod};
use crate::options::{IpBlockPods, Options};
use crate::portset::{PortSet, Protocol};

/// Lines that a listing holds: some two gigabytes as text. Three thousand workloads that nothing separates have so many.
pub const MOST_LINES: usize = 10_000_000;

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
    /// Lines after which the rest is left out: [`MOST_LINES`].
    pub most_lines: usize,
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
            most_lines: MOST_LINES,
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
    /// There are more lines than the view takes, and not all of them are here.
    pub too_many: bool,
}

impl Listing {
    /// Computes and lists.
    pub fn of(cluster: &Cluster, options: &Options, view: &View) -> Self {
        let reachability = Reachability::compute(cluster, options);
        let mut listing = Self::of_computed(&reachability, view);
        if options.ip_block_pods == IpBlockPods::BothAndReport
            && !listing.too_many
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
        let mut too_many = false;
        reachability.rows(|row| {
            let sources = row.source_classes.iter().flat_map(|class| &people.of_class[*class]);
            let ranges = row.source_ranges.iter().filter_map(|range| people.sources[*range].as_ref());
            for source in sources.chain(ranges) {
                if lines.len() > view.most_lines {
                    too_many = true;
                    return;
                }
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
        notes.extend(unknown_names(&people));
        if !view.compatible {
            notes.extend(hairpins(reachability));
            notes.extend(by_address(reachability));
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
            too_many,
        }
    }

    /// The peer of an index.
    pub fn peer(&self, index: usize) -> &Peer {
        &self.peers[index]
    }
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
