//! What a reader of a listing should know beside its lines: what is unknown, and what depends on a mode.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::people::{People, is_named};
use super::{Line, Listing, ModeDependent, PeerKind, View};
use crate::engine::{PodId, Reachability};
use crate::model::{Cluster, Direction, Peer, Service};
use crate::options::{Hairpin, IpBlockPods, Options};
use crate::portset::PortSet;

/// Compares the two modes, workload by workload.
pub(super) fn mode_dependent(
    cluster: &Cluster,
    options: &Options,
    view: &View,
    never: &Listing,
) -> Vec<ModeDependent> {
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
pub(super) fn hairpins(reachability: &Reachability<'_>) -> Vec<String> {
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

/// What a view asks for and nobody is: its lines would be missing without a word.
pub(super) fn unknown_names(people: &People<'_>) -> Vec<String> {
    let View { focus, focus_peers, namespaces, .. } = people.view;
    let nobody = |name: &&String| !people.all.iter().any(|peer| is_named(peer, name));
    let workloads = focus.iter().chain(focus_peers).filter(nobody);
    let workloads =
        workloads.map(|name| format!("no workload {name:?} in the input: nothing is shown of it"));
    let nowhere = |name: &&String| !people.all.iter().any(|peer| peer.namespace == **name);
    let namespaces = namespaces.iter().filter(nowhere);
    workloads.chain(namespaces.map(|name| format!("no workload in a namespace {name:?}"))).collect()
}

/// Rules that let clients in by their addresses, for pods behind a Service whose requests nodes may forward.
pub(super) fn by_address(reachability: &Reachability<'_>) -> Vec<String> {
    let cluster = reachability.cluster();
    let forwards = |service: &&Service| matches!(&*service.kind, "LoadBalancer" | "NodePort");
    let services: Vec<&Service> = cluster.services.iter().filter(forwards).collect();
    let mut told = BTreeSet::new();
    for (index, pod) in cluster.pods.iter().enumerate().filter(|_| !services.is_empty()) {
        let mut behind = services.iter().filter(|service| service.selects(pod));
        let Some(service) = behind.next() else { continue };
        for policy in reachability.isolating(PodId(index), Direction::Ingress) {
            let peers = policy.ingress.iter().flat_map(|rule| rule.peers.iter().flatten());
            // Everybody, from the node or not, is the same to a rule for everybody.
            let some = |peer: &Peer| matches!(peer, Peer::Block(block) if block.cidr.prefix_len() > 0);
            if { peers }.any(some) {
                told.insert(format!(
                    "{} is behind {} {}/{}, and NetworkPolicy {}/{} lets clients in by address: unless \
                     externalTrafficPolicy is Local, it may see a node's address instead of theirs",
                    pod.workload_string(),
                    service.kind,
                    service.namespace,
                    service.name,
                    policy.namespace,
                    policy.name
                ));
            }
        }
    }
    told.into_iter().collect()
}

/// What the cluster's objects leave open.
pub(super) fn notes(cluster: &Cluster) -> Vec<String> {
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
    let mut host_ports: BTreeMap<String, PortSet> = BTreeMap::new();
    for pod in cluster.pods.iter().filter(|pod| !pod.host_network) {
        for port in pod.ports.iter().filter(|port| port.host_port.is_some()) {
            let open = host_ports.entry(pod.workload_string()).or_default();
            *open = open.union(&PortSet::one(port.protocol, port.port));
        }
    }
    if !host_ports.is_empty() {
        let each: Vec<String> =
            host_ports.iter().map(|(workload, ports)| format!("{workload} {ports}")).collect();
        notes.push(format!(
            "open on their nodes' addresses, too (hostPort), where policies may see the node instead of the client: {}",
            each.join("; ")
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
