//! The least policy for one workload that lets through what the input shows to be used, for patches.
//!
//! What is shown: Services that variables, arguments and configurations name, exporters, monitors, entry points, and for
//! Elasticsearch the clients that its role has. `parapet policy generate` does the same for whole namespaces, with proof.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use parapet_manifest::{Document, Node};
use parapet_policy::flows::{Flow, FlowPort, Party, PortText, WorkloadName};
use parapet_policy::{Units, infer};
use parapet_reach::{Cluster, DecodeOptions};
use serde_json::{Value, json};

use crate::reach::Protocol;
use crate::rules::{ingress_backends, is_its_client, same_cluster, scrapes, targets};
use crate::world::{Role, Workload, World};

/// Workloads up to which flows are looked for: each text of each is searched for names.
const MOST: usize = 2_000;

/// A port as policies name it.
type Port = (Protocol, u16);

/// Who opens connections to whom, by the numbers of workloads.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Client, server → ports of the server.
    between: BTreeMap<(usize, usize), BTreeSet<Port>>,
    /// Server → ports that entry points lead to from inside of the cluster.
    entered: BTreeMap<usize, BTreeSet<Port>>,
    /// Server → ports that load balancers and node ports lead to from anywhere.
    open: BTreeMap<usize, BTreeSet<Port>>,
}

impl Shown {
    /// All that the input shows.
    pub(crate) fn of(world: &World<'_>) -> Self {
        let mut shown = Self::default();
        if world.workloads.len() > MOST {
            return shown;
        }
        shown.named(world);
        shown.exported(world);
        shown.scraped(world);
        shown.entered(world);
        for elasticsearch in world.of(&[Role::Elasticsearch]) {
            for other in &world.workloads {
                if other.number == elasticsearch.number || same_cluster(other, elasticsearch) {
                    shown.note(other.number, elasticsearch.number, (Protocol::Tcp, 9300));
                } else if is_its_client(world, other, elasticsearch) {
                    shown.note(other.number, elasticsearch.number, (Protocol::Tcp, 9200));
                }
            }
        }
        shown
    }

    /// The clients of a workload, with their ports of it.
    pub(crate) fn clients(&self, to: usize) -> impl Iterator<Item = (usize, &BTreeSet<Port>)> {
        self.between
            .iter()
            .filter(move |((_, server), _)| *server == to)
            .map(|((client, _), ports)| (*client, ports))
    }

    /// Whether an entry point, a load balancer or a node port leads to a port.
    pub(crate) fn is_led_to(&self, to: usize, port: Port) -> bool {
        [&self.entered, &self.open]
            .iter()
            .any(|known| known.get(&to).is_some_and(|ports| ports.contains(&port)))
    }

    /// The servers of a workload, with the ports that it uses.
    pub(crate) fn servers(&self, from: usize) -> impl Iterator<Item = (usize, &BTreeSet<Port>)> {
        self.between.range((from, 0)..=(from, usize::MAX)).map(|((_, server), ports)| (*server, ports))
    }

    fn note(&mut self, from: usize, to: usize, port: Port) {
        self.between.entry((from, to)).or_default().insert(port);
    }

    /// Services that are named in variables, arguments and ConfigMaps.
    fn named(&mut self, world: &World<'_>) {
        let objects: Vec<Value> = world.documents.iter().map(|document| document.root.to_json()).collect();
        let namespace = &world.options.namespace;
        let decode = DecodeOptions { default_namespace: namespace.clone(), ..DecodeOptions::default() };
        let (cluster, _) = Cluster::from_objects(objects.clone(), &decode);
        let units = Units::of(&cluster);
        let number = |party: &Party| {
            let Party::Workload(WorkloadName { namespace, name, kind }) = party else { return None };
            let is_it = |workload: &&Workload<'_>| {
                workload.namespace == namespace
                    && *workload.document.name == **name
                    && kind.as_deref().is_none_or(|kind| &*workload.document.kind == kind)
            };
            world.workloads.iter().find(is_it).map(|workload| workload.number)
        };
        for Flow { from, to, ports, .. } in infer::flows(&objects, &cluster, &units, namespace) {
            let (Some(from), Some(to)) = (number(&from), number(&to)) else { continue };
            ports.iter().filter_map(one_port).for_each(|port| self.note(from, to, port));
        }
    }

    /// Where collectors send, operators' kinds included.
    fn exported(&mut self, world: &World<'_>) {
        for collector in &world.collectors {
            for exporter in &collector.exporters {
                let Some(service) = service_of(world, &exporter.host, world.namespace(collector.document))
                else {
                    continue;
                };
                for to in world.backends(service) {
                    let port = translated(service, exporter.port, to);
                    collector
                        .workloads
                        .iter()
                        .for_each(|from| self.note(*from, to.number, (Protocol::Tcp, port)));
                }
            }
        }
    }

    fn scraped(&mut self, world: &World<'_>) {
        for scrape in scrapes(world) {
            for (target, port) in targets(world, &scrape) {
                for prometheus in world.of(&[Role::Prometheus]) {
                    self.note(prometheus.number, target.number, (Protocol::Tcp, port));
                }
            }
        }
    }

    fn entered(&mut self, world: &World<'_>) {
        for ingress in world.kind("Ingress").chain(world.kind("Route")) {
            for (pointer, name) in ingress_backends(ingress) {
                let Some(service) = world.find("Service", world.namespace(ingress), name) else { continue };
                let at = pointer.rsplit_once("/name").map_or("", |(at, _)| at);
                let wanted = ingress.at(&format!("{at}/port/number")).and_then(Node::as_i64);
                self.led_to(world, service, wanted, false);
            }
        }
        for service in world.kind("Service") {
            let kind = service.at("/spec/type").and_then(Node::as_str);
            if matches!(kind, Some("NodePort" | "LoadBalancer")) {
                self.led_to(world, service, None, true);
            }
        }
    }

    fn led_to(&mut self, world: &World<'_>, service: &Document, wanted: Option<i64>, from_anywhere: bool) {
        let Some(service) = world.documents.iter().find(|known| std::ptr::eq(*known, service)) else {
            return;
        };
        for to in world.backends(service) {
            for port in service.at("/spec/ports").map_or(&[] as &[Node], Node::items) {
                let number = port.get("port").and_then(Node::as_i64);
                if wanted.is_some() && wanted != number {
                    continue;
                }
                let Some(target) = crate::rules::target_port(port, to) else { continue };
                let protocol = Protocol::parse(port.get("protocol").and_then(Node::as_str).unwrap_or("TCP"));
                let known = if from_anywhere { &mut self.open } else { &mut self.entered };
                known.entry(to.number).or_default().insert((protocol, target));
            }
        }
    }
}

fn one_port(port: &FlowPort) -> Option<Port> {
    match port {
        FlowPort::Number(number) => Some((Protocol::Tcp, *number)),
        FlowPort::Full(full) => match &full.port {
            Some(PortText::Number(number)) => {
                let protocol = match parapet_reach::Protocol::from(full.protocol) {
                    parapet_reach::Protocol::Tcp => Protocol::Tcp,
                    parapet_reach::Protocol::Udp => Protocol::Udp,
                    parapet_reach::Protocol::Sctp => Protocol::Sctp,
                };
                Some((protocol, *number))
            }
            _ => None,
        },
        FlowPort::Text(_) => None,
    }
}

/// The Service that a host names, seen from a namespace.
pub(crate) fn service_of<'w>(world: &'w World<'w>, host: &str, namespace: &str) -> Option<&'w Document> {
    let mut parts = host.split('.');
    let name = parts.next()?;
    let there = parts.next().unwrap_or(namespace);
    world.find("Service", there, name)
}

/// The port of a pod that a Service's port leads to; the same where the Service doesn't have it.
pub(crate) fn translated(service: &Document, port: u16, to: &Workload<'_>) -> u16 {
    let ports = service.at("/spec/ports").map_or(&[] as &[Node], Node::items);
    ports
        .iter()
        .find(|entry| entry.get("port").and_then(Node::as_i64) == Some(i64::from(port)))
        .and_then(|entry| crate::rules::target_port(entry, to))
        .unwrap_or(port)
}

/// A workload's labels but for those that tell its nodes' roles, which change.
pub(crate) fn identity<'l>(workload: &'l Workload<'_>) -> BTreeMap<&'l str, &'l str> {
    let labels = workload.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    labels.filter(|(key, _)| !key.starts_with("elasticsearch.k8s.elastic.co/node-")).collect()
}

/// A workload as a policy's peer, seen from a namespace; none if nothing tells it from others.
pub(crate) fn peer(workload: &Workload<'_>, namespace: &str) -> Option<Value> {
    if workload.labels.is_empty() {
        return None;
    }
    let mut peer = json!({"podSelector": {"matchLabels": identity(workload)}});
    if workload.namespace != namespace {
        peer["namespaceSelector"] =
            json!({"matchLabels": {"kubernetes.io/metadata.name": workload.namespace}});
    }
    Some(peer)
}

/// A port as policies write it.
pub(crate) fn port((protocol, number): Port) -> Value {
    let protocol = match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    };
    json!({"protocol": protocol, "port": number})
}

/// The rule for the name servers.
pub(crate) fn dns() -> Value {
    json!({
        "to": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    })
}

/// The rule for the API server's addresses.
pub(crate) fn api_server(world: &World<'_>) -> Value {
    let address = |address: &IpAddr| json!({"ipBlock": {"cidr": ipnet::IpNet::from(*address).to_string()}});
    let to: Vec<Value> = world.options.api_server.iter().map(address).collect();
    let ports = [443, 6443].map(|number| port((Protocol::Tcp, number)));
    json!({"to": to, "ports": ports})
}

/// The policy that isolates what comes in, and lets in whom the input shows to come. Nothing for pods without labels.
pub(crate) fn ingress(world: &World<'_>, workload: &Workload<'_>) -> Value {
    let shown = world.shown();
    let known = shown.clients(workload.number).filter_map(|(number, ports)| {
        Some((peer(world.workloads.get(number)?, workload.namespace)?, ports.clone()))
    });
    let mut rules = grouped(known, "from");
    if let Some(ports) = shown.entered.get(&workload.number) {
        let controllers: Vec<Value> = world
            .workloads
            .iter()
            .filter(|other| is_controller(other))
            .filter_map(|one| peer(one, workload.namespace))
            .collect();
        let from = if controllers.is_empty() { vec![json!({"namespaceSelector": {}})] } else { controllers };
        rules.push(json!({"from": from, "ports": ports.iter().copied().map(port).collect::<Vec<_>>()}));
    }
    if let Some(ports) = shown.open.get(&workload.number) {
        rules.push(json!({"ports": ports.iter().copied().map(port).collect::<Vec<_>>()}));
    }
    policy(workload, "Ingress", rules)
}

/// The policy that isolates what goes out, and lets through what the input shows, names' resolution included.
pub(crate) fn egress(world: &World<'_>, workload: &Workload<'_>) -> Value {
    let known = world.shown().servers(workload.number).filter_map(|(number, ports)| {
        Some((peer(world.workloads.get(number)?, workload.namespace)?, ports.clone()))
    });
    let mut rules = grouped(known, "to");
    if !rules.is_empty() {
        rules.push(dns());
    }
    if !world.options.api_server.is_empty() && world.asks_api_server(workload) {
        rules.push(api_server(world));
    }
    policy(workload, "Egress", rules)
}

fn policy(workload: &Workload<'_>, kind: &str, rules: Vec<Value>) -> Value {
    let field = kind.to_lowercase();
    let mut policy = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": format!("{}-{field}", workload.name), "namespace": workload.namespace},
        "spec": {"podSelector": {"matchLabels": identity(workload)}, "policyTypes": [kind]},
    });
    if !rules.is_empty() {
        policy["spec"][field] = Value::Array(rules);
    }
    policy
}

/// One rule for all peers of the same ports.
fn grouped(peers: impl Iterator<Item = (Value, BTreeSet<Port>)>, side: &str) -> Vec<Value> {
    let mut by_ports: BTreeMap<BTreeSet<Port>, Vec<Value>> = BTreeMap::new();
    for (peer, ports) in peers {
        let known = by_ports.entry(ports).or_default();
        if !known.contains(&peer) {
            known.push(peer);
        }
    }
    by_ports
        .into_iter()
        .map(|(ports, peers)| json!({side: peers, "ports": ports.into_iter().map(port).collect::<Vec<_>>()}))
        .collect()
}

/// Images of what Ingresses are served by.
const CONTROLLERS: &[&str] = &[
    "ingress-nginx/controller",
    "nginx-ingress",
    "traefik",
    "haproxy-ingress",
    "kubernetes-ingress",
    "contour",
    "kong",
];

/// Whether a workload serves Ingresses.
pub(crate) fn is_controller(workload: &Workload<'_>) -> bool {
    let images = workload.containers.iter().filter_map(|container| container.image());
    images.into_iter().any(|image| CONTROLLERS.iter().any(|known| image.contains(known)))
}
