//! The ends of lines: workloads by what tells their pods apart, ranges of addresses, the entry points' controller.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{INGRESS_CONTROLLER, Peer, PeerKind, View};
use crate::engine::{AddressRange, PodId, Reachability};
use crate::model::{Direction, Pod};
use crate::portset::PortSet;

pub(super) type WorkloadKey = (Arc<str>, Arc<str>, Arc<str>);

pub(super) fn workload_key(pod: &Pod) -> WorkloadKey {
    (Arc::clone(&pod.namespace), Arc::clone(&pod.workload.name), Arc::clone(&pod.workload.kind))
}

/// The ends of all lines, with their classes and ranges.
pub(super) struct People<'v> {
    pub(super) view: &'v View,
    pub(super) all: Vec<Peer>,
    pub(super) keys: Vec<Option<WorkloadKey>>,
    pub(super) of_class: Vec<Vec<usize>>,
    pub(super) sources: Vec<Option<usize>>,
    pub(super) destinations: Vec<Option<usize>>,
    pub(super) controller: usize,
    pub(super) focused: Vec<bool>,
    pub(super) focus_peer: Vec<bool>,
    pub(super) in_namespace: Vec<bool>,
}

impl<'v> People<'v> {
    pub(super) fn new(reachability: &Reachability<'_>, view: &'v View) -> Self {
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

    pub(super) fn shows(&self, source: usize, destination: usize, ports: &PortSet) -> bool {
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
pub(super) fn is_named(peer: &Peer, name: &str) -> bool {
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
