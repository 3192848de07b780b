//! The reasons of every line that a view shows, and of those that policies keep from it.

use std::collections::BTreeMap;

use super::people::{People, WorkloadKey, workload_key};
use super::{PeerKind, View};
use crate::engine::{Endpoint, PodId, Reachability};
use crate::model::Direction;
use crate::portset::PortSet;
use crate::render::ExplainedPair;

/// Pairs that are explained at most: each may take several explanations, and nobody reads more.
const MOST_PAIRS: usize = 250_000;

/// One end of a pair: its peer's index, and two of its pods (the second for a pair with itself), or an address.
struct Explained {
    peer: usize,
    first: Endpoint,
    second: Endpoint,
}

/// Why each pair of the view may connect, or may not, by the peers' names; outside addresses included. None if there are
/// too many pairs to explain.
pub fn explain_pairs(reachability: &Reachability<'_>, view: &View) -> Option<Vec<ExplainedPair>> {
    let people = People::new(reachability, view);
    let sources = ends(reachability, &people, Direction::Ingress);
    let destinations = ends(reachability, &people, Direction::Egress);
    let outside = |end: &Explained| people.all[end.peer].kind == PeerKind::External;
    let mut wanted = Vec::new();
    for source in &sources {
        for destination in destinations.iter().filter(|to| !(outside(source) && outside(to))) {
            // Denied pairs are explained too, so that the ports of a line play no part yet.
            let any = view
                .focus_connection
                .map_or_else(PortSet::all, |(protocol, port)| PortSet::one(protocol, port));
            if people.shows(source.peer, destination.peer, &any) {
                wanted.push((source, destination));
            }
        }
        if wanted.len() > MOST_PAIRS {
            return None;
        }
    }
    let explain = |(source, destination): (&Explained, &Explained)| {
        let to = if source.peer == destination.peer { destination.second } else { destination.first };
        let mut parts = reachability.explain_all(source.first, to);
        if let Some((protocol, port)) = view.focus_connection {
            parts.retain(|(ports, _)| ports.contains(protocol, port));
        }
        let name = |end: &Explained| people.all[end.peer].name.clone();
        ExplainedPair { source: name(source), destination: name(destination), parts }
    };
    Some(wanted.into_iter().map(explain).collect())
}

/// Everybody who can be at this end of a connection, by name: workloads, and outside addresses as sources (ingress) or
/// destinations (egress).
fn ends(reachability: &Reachability<'_>, people: &People<'_>, direction: Direction) -> Vec<Explained> {
    let mut pods: BTreeMap<(WorkloadKey, usize), [PodId; 2]> = BTreeMap::new();
    for (index, pod) in reachability.cluster().pods.iter().enumerate() {
        let (key, class) = (workload_key(pod), reachability.class_of(PodId(index)));
        let of_peer = pods.entry((key, class)).or_insert([PodId(index); 2]);
        if of_peer[0] == of_peer[1] {
            of_peer[1] = PodId(index);
        }
    }
    let mut ends = Vec::new();
    for ((key, class), [first, second]) in pods {
        let mut of_class = people.of_class[class].iter();
        if let Some(peer) = of_class.find(|peer| people.keys[**peer].as_ref() == Some(&key)) {
            ends.push(Explained { peer: *peer, first: first.into(), second: second.into() });
        }
    }
    let peers = match direction {
        Direction::Ingress => &people.sources,
        Direction::Egress => &people.destinations,
    };
    for (range, peer) in reachability.external_ranges(direction).into_iter().zip(peers) {
        let address = Endpoint::Address(range.first);
        ends.extend(peer.map(|peer| Explained { peer, first: address, second: address }));
    }
    ends.sort_by_key(|end| end.peer);
    ends
}
