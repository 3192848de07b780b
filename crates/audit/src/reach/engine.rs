//! The engine's answers for the workloads of a world.
//!
//! Each workload, an operator's as well as Kubernetes' own, becomes one pod with its template's labels and ports: that is
//! what policies see. Namespaces, policies and the mesh's objects are handed on as they are.

use std::net::IpAddr;

use parapet_manifest::Document;
use parapet_reach::model::{Cluster, Direction};
use parapet_reach::{
    DecodeOptions, Endpoint, Implied, PodId, Problem, Protocol as EngineProtocol, Reachability, operators,
};
use serde_json::{Value, json};

use super::{End, Protocol, Reach};
use crate::options::Options;
use crate::world::Workload;

/// Kinds that are workloads to the audit and so are not handed on.
const REPLACED: &[&str] = &[
    "Pod",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
];

/// Stands for an address that no policy has in mind: documentation's own (RFC 5737, RFC 3849).
const SOMEBODY: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 77)),
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77)),
];

/// The engine's cluster, and what is wrong with the objects, by the number of the document; with workloads, too, though
/// others stand for them here.
pub(crate) fn cluster(
    documents: &[Document],
    workloads: &[Workload<'_>],
    options: &Options,
) -> (Cluster, Vec<(usize, Problem)>) {
    let (replaced, kept): (Vec<usize>, Vec<usize>) =
        (0..documents.len()).partition(|index| is_replaced(&documents[*index]));
    let decode = DecodeOptions { default_namespace: options.namespace.clone(), ..DecodeOptions::default() };
    let objects_of = |numbers: &[usize]| -> Vec<Value> {
        numbers.iter().map(|index| documents[*index].root.to_json()).collect()
    };
    let (_, of_workloads) = Cluster::from_objects(objects_of(&replaced), &decode);
    let stand_ins = workloads.iter().map(pod);
    let (cluster, of_others) = Cluster::from_objects(objects_of(&kept).into_iter().chain(stand_ins), &decode);
    let number_of =
        |numbers: &[usize], problem: Problem| Some((*numbers.get(problem.object.index)?, problem));
    let problems = of_workloads
        .into_iter()
        .filter_map(|problem| number_of(&replaced, problem))
        .chain(of_others.into_iter().filter_map(|problem| number_of(&kept, problem)))
        .collect();
    (cluster, problems)
}

/// Whether the audit's own workloads stand for an object.
fn is_replaced(document: &Document) -> bool {
    REPLACED.contains(&&*document.kind) || operators::is_group(document.group())
}

fn pod_name(number: usize) -> String {
    format!("workload-{number}")
}

fn pod(workload: &Workload<'_>) -> Value {
    let ports: Vec<Value> = workload
        .ports()
        .iter()
        .map(|port| {
            let protocol = match port.protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Sctp => "SCTP",
            };
            match port.name {
                Some(name) => json!({"name": name, "containerPort": port.number, "protocol": protocol}),
                None => json!({"containerPort": port.number, "protocol": protocol}),
            }
        })
        .collect();
    let annotations = workload.at("/metadata/annotations").map_or_else(|| json!({}), |node| node.to_json());
    let mut status = json!({});
    if let Some(node) = workload.document.root.get("status").filter(|_| &*workload.document.kind == "Pod") {
        status = node.to_json();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(workload.number),
            "namespace": workload.namespace,
            "labels": workload.labels,
            "annotations": annotations,
        },
        "spec": {
            "hostNetwork": workload.flag("hostNetwork"),
            "serviceAccountName": workload.service_account(),
            "containers": [{"name": "main", "image": "-", "ports": ports}],
        },
        "status": status,
    })
}

/// Answers from the engine.
pub(crate) struct Engine<'c> {
    reachability: Reachability<'c>,
    /// By the number of the workload.
    pods: Vec<Option<PodId>>,
    /// One address of each range outside that some policy tells apart.
    outside: Vec<IpAddr>,
}

impl<'c> Engine<'c> {
    pub(crate) fn new(
        cluster: &'c Cluster,
        workloads: &[Workload<'_>],
        options: &parapet_reach::Options,
    ) -> Self {
        let reachability = Reachability::compute(cluster, options);
        let by_name: std::collections::HashMap<(&str, &str), usize> = cluster
            .pods
            .iter()
            .enumerate()
            .map(|(index, pod)| ((&*pod.namespace, &*pod.name), index))
            .collect();
        let pods = workloads
            .iter()
            .map(|workload| {
                by_name
                    .get(&(workload.namespace, pod_name(workload.number).as_str()))
                    .map(|index| PodId(*index))
            })
            .collect();
        let mut outside: Vec<IpAddr> = [Direction::Ingress, Direction::Egress]
            .into_iter()
            .flat_map(|direction| reachability.external_ranges(direction))
            .map(|range| range.first)
            .chain(SOMEBODY)
            .collect();
        outside.sort_unstable();
        outside.dedup();
        Self { reachability, pods, outside }
    }

    fn ends(&self, end: End) -> Vec<Endpoint> {
        match end {
            End::Workload(number) => {
                self.pods.get(number).copied().flatten().map(Endpoint::Pod).into_iter().collect()
            }
            End::Address(address) => vec![Endpoint::Address(address)],
            End::Outside => SOMEBODY.map(Endpoint::Address).to_vec(),
            End::Somewhere => self.outside.iter().copied().map(Endpoint::Address).collect(),
        }
    }
}

impl Reach for Engine<'_> {
    fn allows(&self, from: End, to: End, protocol: Protocol, port: u16) -> bool {
        let protocol = match protocol {
            Protocol::Tcp => EngineProtocol::Tcp,
            Protocol::Udp => EngineProtocol::Udp,
            Protocol::Sctp => EngineProtocol::Sctp,
        };
        let destinations = self.ends(to);
        self.ends(from).into_iter().any(|source| {
            destinations
                .iter()
                .any(|destination| self.reachability.allowed(source, *destination, protocol, port))
        })
    }

    fn implied(&self) -> Vec<Implied> {
        parapet_reach::implied(self.reachability.cluster(), self.reachability.options())
    }
}
