//! What lets traffic in from outside: Ingress, Route and the Gateway API's routes, through Services to pods.
//!
//! The controller that serves them is a pod that manifests rarely show. Unless the caller names it, it is taken for a pod
//! without labels in a namespace without labels: rules for any peer admit it, rules that ask for a label don't.

use std::collections::BTreeMap;

use crate::engine::{PodId, Reachability};
use crate::listing::{View, find_endpoints};
use crate::matching::{self, End, rule_ports};
use crate::mesh::target_ports;
use crate::model::{
    Action, Backend, Cluster, Direction, EntryPoint, Labels, Namespace, Pod, PortRef, Service, ServicePort,
    Tier, WorkloadRef,
};
use crate::portset::{PortSet, Protocol};

/// What entry points reach, by pod; what policies keep from a backend becomes a note.
pub(crate) fn connections(
    reachability: &Reachability<'_>,
    view: &View,
    notes: &mut Vec<String>,
) -> BTreeMap<PodId, PortSet> {
    let cluster = reachability.cluster();
    let mut allowed: BTreeMap<PodId, PortSet> = BTreeMap::new();
    if cluster.entry_points.is_empty() {
        return allowed;
    }
    let controller = view.ingress_controller.as_deref().map(|name| (name, find_endpoints(cluster, name)));
    if let Some((name, found)) = &controller
        && found.is_empty()
    {
        notes.push(format!("the ingress controller {name} isn't in the input; an unknown pod is assumed"));
    }
    let controller = controller.and_then(|(_, found)| found.first().copied());
    for entry in &cluster.entry_points {
        for backend in &entry.backends {
            for (pod, ports) in wanted(cluster, entry, backend, view.compatible, notes) {
                let open = match controller {
                    Some(controller) => reachability.connections(controller, pod),
                    None => open_to_unknown(reachability, pod),
                };
                let through = ports.intersection(&open);
                if through.is_empty() {
                    let name = cluster.pods[pod.0].workload_string();
                    let note = format!(
                        "{} {}/{} sends to {name}, but policies block {ports} there",
                        entry.kind, entry.namespace, entry.name
                    );
                    if !notes.contains(&note) {
                        notes.push(note);
                    }
                } else {
                    let so_far = allowed.entry(pod).or_default();
                    *so_far = so_far.union(&through);
                }
            }
        }
    }
    allowed
}

/// The pods behind a backend, and the ports that requests go to.
fn wanted(
    cluster: &Cluster,
    entry: &EntryPoint,
    backend: &Backend,
    compatible: bool,
    notes: &mut Vec<String>,
) -> Vec<(PodId, PortSet)> {
    let mut services = cluster.services.iter();
    let Some(service) =
        services.find(|one| one.namespace == backend.namespace && one.name == backend.service)
    else {
        notes.push(format!(
            "{} {}/{} names the Service {}/{}, which isn't in the input",
            entry.kind, entry.namespace, entry.name, backend.namespace, backend.service
        ));
        return Vec::new();
    };
    let pods = cluster.pods.iter().enumerate().filter(|(_, pod)| service.selects(pod));
    pods.map(|(index, pod)| {
        let mut ports = PortSet::none();
        for port in service.ports.iter().filter(|port| is_meant(&entry.kind, backend, port, service)) {
            ports = ports.union(&target_ports(&port.target, port.protocol, pod));
        }
        if compatible {
            // netpol-analyzer counts declared container ports only.
            let declared = pod.ports.iter().map(|port| PortSet::one(Protocol::Tcp, port.port));
            ports = ports.intersection(&declared.fold(PortSet::none(), |set, port| set.union(&port)));
        }
        (PodId(index), ports)
    })
    .filter(|(_, ports)| !ports.is_empty())
    .collect()
}

/// A Route names the target port, or the service's port by name; everything else names the service's port.
fn is_meant(kind: &str, backend: &Backend, port: &ServicePort, service: &Service) -> bool {
    match &backend.port {
        None => true,
        Some(PortRef::Name(name)) if kind != "Route" => port.name.as_deref() == Some(name),
        Some(PortRef::Number(number)) if kind != "Route" => port.port == *number,
        Some(wanted @ PortRef::Name(name)) => {
            port.target == *wanted || port.name.as_deref() == Some(name) || service.ports.len() == 1
        }
        Some(wanted @ PortRef::Number(number)) => port.target == *wanted || port.port == *number,
    }
}

/// What a pod of a namespace that nobody knows may connect to: only the destination's side has a say.
fn open_to_unknown(reachability: &Reachability<'_>, destination: PodId) -> PortSet {
    let stranger = stranger();
    half_for(reachability, Direction::Ingress, destination, &stranger)
}

/// What `subject`'s side allows to, or from, a pod that isn't in the cluster.
pub(crate) fn half_for(
    reachability: &Reachability<'_>,
    direction: Direction,
    subject: PodId,
    stranger: &Stranger,
) -> PortSet {
    let cluster = reachability.cluster();
    let pod = &cluster.pods[subject.0];
    let mut with_stranger = Cluster {
        namespaces: cluster.namespaces.clone(),
        admin_policies: cluster.admin_policies.clone(),
        nodes: Vec::new(),
        ..Cluster::default()
    };
    if let Err(at) = with_stranger.namespaces.binary_search_by(|one| one.name.cmp(&stranger.namespace.name)) {
        with_stranger.namespaces.insert(at, stranger.namespace.clone());
    }
    let view = matching::View { cluster: &with_stranger, options: reachability.options() };
    let end = End::Pod(&stranger.pod);
    let target = match direction {
        Direction::Ingress => End::Pod(pod),
        Direction::Egress => end,
    };
    let mut open = PortSet::all();
    let mut allowed = PortSet::none();
    let isolating: Vec<_> = reachability.isolating(subject, direction).collect();
    for tier in [Tier::Admin, Tier::Baseline] {
        if tier == Tier::Baseline && !isolating.is_empty() {
            for policy in &isolating {
                for rule in policy.rules(direction) {
                    let matches = rule.peers.as_ref().is_none_or(|peers| {
                        peers.iter().any(|peer| view.is_peer(peer, &policy.namespace, end))
                    });
                    if matches {
                        let ports = rule_ports(rule.ports.as_deref(), target);
                        allowed = allowed.union(&ports.intersection(&open));
                    }
                }
            }
            return allowed;
        }
        let mut passed = PortSet::none();
        for policy in with_stranger.admin_policies.iter().filter(|policy| policy.tier == tier) {
            if !view.in_subject(&policy.subject, policy.kind, pod) {
                continue;
            }
            for rule in
                policy.rules(direction).iter().filter(|rule| view.is_admin_peer(rule, policy.kind, end))
            {
                let ports = rule_ports(rule.ports.as_deref(), target).intersection(&open);
                open = open.difference(&ports);
                match rule.action {
                    Action::Allow => allowed = allowed.union(&ports),
                    Action::Pass => passed = passed.union(&ports),
                    Action::Deny => {}
                }
            }
        }
        open = open.union(&passed);
    }
    allowed.union(&open)
}

/// A pod that isn't in the cluster, but could be.
#[derive(Clone, Debug)]
pub(crate) struct Stranger {
    pub(crate) namespace: Namespace,
    pub(crate) pod: Pod,
}

/// A pod without labels in a namespace without labels.
pub(crate) fn stranger() -> Stranger {
    let namespace = Namespace { name: "".into(), labels: Labels::default(), declared: false };
    let mut pod = Pod::new("", "", Labels::default());
    pod.workload = WorkloadRef { kind: "".into(), name: "".into() };
    Stranger { namespace, pod }
}
