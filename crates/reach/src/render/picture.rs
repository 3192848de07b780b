//! What a picture shows: as many ends as eyes can tell apart. Above that, namespaces stand for their workloads.

use std::collections::BTreeMap;

use crate::listing::{Listing, PeerKind};
use crate::portset::PortSet;

/// More ends than this become namespaces: labels stay readable, and the picture is small enough for a browser.
pub(super) const MOST_ENDS: usize = 320;

/// More outside ranges than this become one end.
pub(super) const MOST_RANGES: usize = 24;

/// More connections than this make a graph that nobody can follow: it is drawn by namespace.
pub(super) const MOST_EDGES: usize = 1_500;

/// A grid of ends.
pub(super) struct Picture {
    pub(super) ends: Vec<End>,
    /// By source and destination.
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
    /// True if ends are namespaces.
    pub(super) by_namespace: bool,
    /// The colours that it has.
    pub(super) legend: &'static [Tint],
}

pub(super) struct End {
    pub(super) label: String,
    /// Ends of one group stand together.
    pub(super) group: String,
    pub(super) outside: bool,
}

pub(super) struct Cell {
    pub(super) ports: PortSet,
    pub(super) tint: Tint,
    /// Lines behind it.
    pub(super) lines: usize,
    /// What is said of it where it is pointed at; empty where a script says it.
    pub(super) says: String,
}

/// What the colour of a connection means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tint {
    EveryPort,
    SomePorts,
    Added,
    Removed,
    Changed,
}

impl Tint {
    /// In the legend.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EveryPort => "every port",
            Self::SomePorts => "some ports",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    /// Of a matrix's cell.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::EveryPort => "all",
            Self::SomePorts => "some",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    /// Of a graph's line.
    pub(super) fn edge(self) -> &'static str {
        match self {
            Self::EveryPort => "edge wide",
            Self::SomePorts => "edge",
            Self::Added => "edge added",
            Self::Removed => "edge removed",
            Self::Changed => "edge changed",
        }
    }
}

/// Where an end stands, its group and its label: ends that agree in all are one.
pub(super) type Key = (u8, String, String);

/// What is outside comes after the namespaces, what lets it in before them.
pub(super) const ENTRY: u8 = 0;
pub(super) const INSIDE: u8 = 1;
pub(super) const OUTSIDE: u8 = 2;

/// Of outside ranges that are too many to be told apart.
pub(super) fn outside() -> Key {
    (OUTSIDE, String::new(), "outside".to_owned())
}

impl Picture {
    /// For a matrix: by workload as long as rows have room for a label.
    pub(super) fn of(listing: &Listing) -> Self {
        let workloads = listing.peers.iter().filter(|peer| peer.kind == PeerKind::Workload).count();
        Self::grouped(listing, workloads > MOST_ENDS)
    }

    /// For a graph: by workload as long as eyes can follow the edges.
    pub(super) fn of_graph(listing: &Listing) -> Self {
        let by_workload = Self::of(listing);
        if by_workload.cells.len() > MOST_EDGES && !by_workload.by_namespace {
            return Self::grouped(listing, true);
        }
        by_workload
    }

    fn grouped(listing: &Listing, by_namespace: bool) -> Self {
        let mut used: Vec<usize> = (0..listing.peers.len())
            .filter(|index| listing.peers[*index].kind == PeerKind::Workload)
            .chain(listing.lines.iter().flat_map(|line| [line.source, line.destination]))
            .collect();
        used.sort_unstable();
        used.dedup();
        let ranges = used.iter().filter(|index| listing.peers[**index].kind == PeerKind::External).count();
        let mut picture = Self::new(by_namespace, &[Tint::EveryPort, Tint::SomePorts]);
        let mut known: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for index in used {
            let peer = &listing.peers[index];
            let key = match peer.kind {
                PeerKind::IngressController => (ENTRY, String::new(), peer.label.clone()),
                PeerKind::External if ranges > MOST_RANGES => outside(),
                PeerKind::External => (OUTSIDE, String::new(), peer.label.clone()),
                PeerKind::Workload if by_namespace => {
                    (INSIDE, peer.namespace.clone(), peer.namespace.clone())
                }
                PeerKind::Workload => (INSIDE, peer.namespace.clone(), peer.label.clone()),
            };
            known.entry(key).or_default().push(index);
        }
        let mut of_peer: BTreeMap<usize, usize> = BTreeMap::new();
        for (key, members) in known {
            let end = picture.add_end(key);
            of_peer.extend(members.into_iter().map(|member| (member, end)));
        }
        for line in &listing.lines {
            let (Some(source), Some(destination)) =
                (of_peer.get(&line.source), of_peer.get(&line.destination))
            else {
                continue;
            };
            let cell = picture.cells.entry((*source, *destination)).or_insert_with(|| Cell {
                ports: PortSet::none(),
                tint: Tint::SomePorts,
                lines: 0,
                says: String::new(),
            });
            cell.ports = cell.ports.union(&line.ports);
            cell.tint = if cell.ports.is_all() { Tint::EveryPort } else { Tint::SomePorts };
            cell.lines += 1;
        }
        picture
    }

    /// Without ends.
    pub(super) fn new(by_namespace: bool, legend: &'static [Tint]) -> Self {
        Self { ends: Vec::new(), cells: BTreeMap::new(), by_namespace, legend }
    }

    /// One more end; its number.
    pub(super) fn add_end(&mut self, (place, group, label): Key) -> usize {
        self.ends.push(End { label, group, outside: place != INSIDE });
        self.ends.len() - 1
    }
}
