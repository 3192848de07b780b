//! What a picture shows: as many ends as eyes can tell apart. Above that, namespaces stand for their workloads.

use std::collections::BTreeMap;

use crate::listing::{Listing, PeerKind};
use crate::portset::PortSet;

/// More ends than this become namespaces: labels stay readable, and the picture is small enough for a browser.
const MOST_ENDS: usize = 320;

/// More outside ranges than this become one end.
const MOST_RANGES: usize = 24;

/// More connections than this make a graph that nobody can follow: it is drawn by namespace.
const MOST_EDGES: usize = 1_500;

/// A grid of ends.
pub(super) struct Picture {
    pub(super) ends: Vec<End>,
    /// By source and destination.
    pub(super) cells: BTreeMap<(usize, usize), Cell>,
    /// True if ends are namespaces.
    pub(super) by_namespace: bool,
}

pub(super) struct End {
    pub(super) label: String,
    /// Ends of one group stand together.
    pub(super) group: String,
    pub(super) outside: bool,
}

pub(super) struct Cell {
    pub(super) ports: PortSet,
    /// Lines behind it.
    pub(super) lines: usize,
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
        let mut ends: Vec<End> = Vec::new();
        let mut known: BTreeMap<(u8, String, String), Vec<usize>> = BTreeMap::new();
        for index in used {
            let peer = &listing.peers[index];
            let (rank, group, label) = match peer.kind {
                PeerKind::IngressController => (0, String::new(), peer.label.clone()),
                PeerKind::External if ranges > MOST_RANGES => (2, String::new(), "outside".to_owned()),
                PeerKind::External => (2, String::new(), peer.label.clone()),
                PeerKind::Workload if by_namespace => (1, peer.namespace.clone(), peer.namespace.clone()),
                PeerKind::Workload => (1, peer.namespace.clone(), peer.label.clone()),
            };
            known.entry((rank, group, label)).or_default().push(index);
        }
        let mut of_peer: BTreeMap<usize, usize> = BTreeMap::new();
        for ((rank, group, label), members) in known {
            of_peer.extend(members.into_iter().map(|member| (member, ends.len())));
            ends.push(End { label, group, outside: rank != 1 });
        }
        let mut cells: BTreeMap<(usize, usize), Cell> = BTreeMap::new();
        for line in &listing.lines {
            let (Some(source), Some(destination)) =
                (of_peer.get(&line.source), of_peer.get(&line.destination))
            else {
                continue;
            };
            let cell = cells
                .entry((*source, *destination))
                .or_insert_with(|| Cell { ports: PortSet::none(), lines: 0 });
            cell.ports = cell.ports.union(&line.ports);
            cell.lines += 1;
        }
        Self { ends, cells, by_namespace }
    }
}
