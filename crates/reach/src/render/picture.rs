//! What a picture shows: as many ends as eyes can tell apart. Above that, namespaces stand for their workloads.

use std::collections::BTreeMap;

use crate::listing::{Listing, PeerKind};
use crate::portset::PortSet;

/// More ends than this become namespaces: labels stay readable, and the picture is small enough for a browser.
const MOST_ENDS: usize = 320;

/// More outside ranges than this become one end.
const MOST_RANGES: usize = 24;

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
    pub(super) fn of(listing: &Listing) -> Self {
        let mut used: Vec<usize> = (0..listing.peers.len())
            .filter(|index| listing.peers[*index].kind == PeerKind::Workload)
            .chain(listing.lines.iter().flat_map(|line| [line.source, line.destination]))
            .collect();
        used.sort_unstable();
        used.dedup();
        let ranges = used.iter().filter(|index| listing.peers[**index].kind == PeerKind::External).count();
        let by_namespace = used.len() - ranges.min(used.len()) > MOST_ENDS;
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
