//! Flows that were seen: connections that others recorded, as declared flows.
//!
//! Parapet's own form is one JSON object a line: `{"from": PARTY, "to": PARTY, "port": 9200, "protocol": "TCP"}`, parties as
//! in [`crate::flows`]. Hubble's (`hubble observe -o json`) and Calico's flow logs are read as those tools write them
//! ([`calico`] says which).
//! Only what was let through counts, and only in the direction in which the connection was opened.

mod calico;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use parapet_reach::{PortSet, Protocol};
use serde::Deserialize;
use serde_json::Value;

use crate::Cidr;
use crate::flows::{Flow, Party, PodsOf, ProtocolName, WorkloadName};
use crate::infer::flow_ports;

/// A line of a record of connections.
const LONGEST_LINE: usize = 1 << 20;
/// Different connections that one record may hold.
const MOST_CONNECTIONS: usize = 200_000;
/// Addresses of nodes that are kept of one record: the largest clusters have 5,000 nodes, each with an address or two.
const MOST_ADDRESSES: usize = 10_000;
/// How Cilium names the ends of connections that are nodes, this one or another.
const CILIUM_NODES: [&str; 2] = ["reserved:host", "reserved:remote-node"];
/// How Cilium names the API server, which is often a node as well.
const CILIUM_API_SERVER: &str = "reserved:kube-apiserver";

/// Who wrote the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Parapet's own form.
    Parapet,
    /// Cilium's Hubble.
    Hubble,
    /// Calico's flow logs.
    Calico,
}

/// What a record came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Each pair of parties once, with all its ports.
    pub flows: Vec<Flow>,
    /// Lines that say nothing about a connection that was let through: replies, drops, other events.
    pub skipped: u64,
    /// Lines that could not be read: number (from 1) and why. The first hundred.
    pub unreadable: Vec<(usize, String)>,
    /// Addresses that the record gives of what it calls nodes: [`Party::Nodes`] in its flows.
    pub nodes: BTreeSet<Cidr>,
    /// The same of the Kubernetes API: [`Party::ApiServer`].
    pub api_server: BTreeSet<Cidr>,
}

/// Reads a record, line by line.
pub fn read(lines: impl Iterator<Item = String>, format: Format) -> Observed {
    let mut observed = Observed::default();
    let mut seen: BTreeMap<(Party, Party), PortSet> = BTreeMap::new();
    let mut refuse = |line: usize, why: String| {
        if observed.unreadable.len() < 100 {
            observed.unreadable.push((line, why));
        }
    };
    let mut skipped = 0;
    let mut known = Known::default();
    for (index, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if line.len() > LONGEST_LINE {
            refuse(index + 1, format!("longer than {LONGEST_LINE} bytes"));
            continue;
        }
        let read = match format {
            Format::Parapet => own(&line).map(Some),
            Format::Hubble => {
                serde_json::from_str(&line).map_err(|e| e.to_string()).map(|value| hubble(&value, &mut known))
            }
            Format::Calico => serde_json::from_str(&line)
                .map_err(|e| e.to_string())
                .and_then(|value| calico::connection(&value, &mut known)),
        };
        match read {
            Ok(Some((from, to, protocol, port))) => {
                if seen.len() >= MOST_CONNECTIONS && !seen.contains_key(&(from.clone(), to.clone())) {
                    refuse(index + 1, format!("more than {MOST_CONNECTIONS} different connections"));
                    continue;
                }
                let ports = seen.entry((from, to)).or_default();
                *ports = ports.union(&PortSet::one(protocol, port));
            }
            Ok(None) => skipped += 1,
            Err(why) => refuse(index + 1, why),
        }
    }
    observed.skipped = skipped;
    (observed.nodes, observed.api_server) = (known.nodes, known.api_server);
    observed.flows = seen
        .into_iter()
        .map(|((from, to), ports)| Flow {
            from,
            to,
            ports: flow_ports(&ports),
            reason: "was seen".to_owned(),
            pipeline: None,
        })
        .collect();
    observed
}

type Connection = (Party, Party, Protocol, u16);

/// Addresses of those who are named by what they are.
#[derive(Default)]
struct Known {
    nodes: BTreeSet<Cidr>,
    api_server: BTreeSet<Cidr>,
}

impl Known {
    /// The nodes, one of which has this address, if it is told.
    fn node(&mut self, address: &Value) -> Party {
        if self.nodes.len() < MOST_ADDRESSES {
            self.nodes.extend(address_of(address));
        }
        Party::Nodes
    }

    fn api_server(&mut self, address: &Value) -> Party {
        if self.api_server.len() < MOST_ADDRESSES {
            self.api_server.extend(address_of(address));
        }
        Party::ApiServer
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    from: Party,
    to: Party,
    port: u16,
    #[serde(default)]
    protocol: ProtocolName,
}

fn own(line: &str) -> Result<Connection, String> {
    let Line { from, to, port, protocol } = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if port == 0 {
        return Err("port 0 can't be connected to".to_owned());
    }
    Ok((from, to, protocol.into(), port))
}

/// One event of `hubble observe -o json`; older versions don't wrap it in `flow`.
fn hubble(event: &Value, known: &mut Known) -> Option<Connection> {
    let flow = event.get("flow").unwrap_or(event);
    let is_reply = flow["is_reply"].as_bool() == Some(true) || flow["is_reply"]["value"] == true;
    if flow["verdict"] != "FORWARDED" || is_reply {
        return None;
    }
    let (protocol, l4) = [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)]
        .into_iter()
        .find_map(|(key, protocol)| Some((protocol, flow["l4"].get(key)?)))?;
    let port = port(&l4["destination_port"])?;
    let mut end = |key: &str| {
        let (end, address) = (&flow[key], &flow["IP"][key]);
        let is =
            |name: &str| end["labels"].as_array().is_some_and(|labels| labels.iter().any(|one| one == name));
        let namespace = end["namespace"].as_str().filter(|namespace| !namespace.is_empty());
        let Some(namespace) = namespace else {
            return match () {
                () if is(CILIUM_API_SERVER) => Some(known.api_server(address)),
                () if CILIUM_NODES.into_iter().any(is) => Some(known.node(address)),
                () => of_address(address),
            };
        };
        let workload = &end["workloads"][0];
        match (workload["name"].as_str(), workload["kind"].as_str()) {
            (Some(name), kind) => Some(workload_party(namespace, name, kind)),
            _ => hubble_labels(namespace, &end["labels"])
                .or_else(|| Some(workload_party(namespace, of_pod(end["pod_name"].as_str()?), None))),
        }
    };
    Some((end("source")?, end("destination")?, protocol, port))
}

/// Cilium's labels of Kubernetes pods: `k8s:app=web`; those that Cilium adds are left out.
fn hubble_labels(namespace: &str, labels: &Value) -> Option<Party> {
    let labels: BTreeMap<String, String> = labels
        .as_array()?
        .iter()
        .filter_map(|label| label.as_str()?.strip_prefix("k8s:")?.split_once('='))
        .filter(|(key, _)| !key.starts_with("io.cilium.") && !key.starts_with("io.kubernetes."))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    (!labels.is_empty()).then(|| Party::Pods(PodsOf { namespace: namespace.to_owned(), labels }))
}

/// The workload of a pod's name, where nothing else is told: without a StatefulSet's ordinal, or without the five characters
/// that are made up for each pod and the hash before them. A bare pod is its own.
fn of_pod(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((front, ordinal)) if !ordinal.is_empty() && ordinal.chars().all(|c| c.is_ascii_digit()) => front,
        Some((front, made_up)) if made_up.len() == 5 && made_up.chars().all(|c| MADE_UP.contains(c)) => {
            without_hash(front)
        }
        _ => name,
    }
}

/// The characters that Kubernetes makes names up of: no word is made of them.
const MADE_UP: &str = "bcdfghjklmnpqrstvwxz2456789";

/// Without the hash that a Deployment puts behind its name for a ReplicaSet: letters and digits that no word is made of.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((front, hash))
            if (6..=10).contains(&hash.len()) && hash.chars().all(|c| MADE_UP.contains(c)) =>
        {
            front
        }
        _ => name,
    }
}

fn workload_party(namespace: &str, name: &str, kind: Option<&str>) -> Party {
    // A ReplicaSet is a Deployment's, and the manifests know the Deployment.
    let (name, kind) = match kind {
        Some("ReplicaSet") => (without_hash(name), None),
        kind => (name, kind),
    };
    Party::Workload(WorkloadName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
    })
}

fn of_address(address: &Value) -> Option<Party> {
    address_of(address).map(Party::Cidr)
}

fn address_of(address: &Value) -> Option<Cidr> {
    Some(Cidr(address.as_str()?.parse::<IpAddr>().ok()?.into()))
}

fn port(value: &Value) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|port| *port > 0)
}

/// Flows whose parties are all in `known` namespaces or outside; the others' ends.
pub fn outside_of(flows: &[Flow], known: &BTreeSet<String>) -> BTreeSet<String> {
    let parties = flows.iter().flat_map(|flow| [&flow.from, &flow.to]);
    let all = parties.flat_map(Party::namespaces).map(str::to_owned);
    all.filter(|namespace| !known.contains(namespace)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, format: Format) -> (Vec<String>, u64, usize) {
        let observed = read(text.lines().map(str::to_owned), format);
        let flows = observed.flows.iter().map(|flow| format!("{} {} {:?}", flow.from, flow.to, flow.ports));
        (flows.collect(), observed.skipped, observed.unreadable.len())
    }

    #[test]
    fn a_pods_name_tells_its_workload_where_nothing_else_does() {
        let names =
            [("web-7d4b9c6f5-x2x4z", "web"), ("es-12", "es"), ("agent-x2x4z", "agent"), ("xwing", "xwing")];
        for (pod, workload) in names {
            assert_eq!(of_pod(pod), workload);
        }
    }

    #[test]
    fn hubble_events_are_connections_if_they_were_let_through() {
        let text = concat!(
            r#"{"flow":{"verdict":"FORWARDED","is_reply":false,"l4":{"TCP":{"source_port":4,"destination_port":9200}},"source":{"namespace":"a","workloads":[{"name":"web","kind":"Deployment"}]},"destination":{"namespace":"b","labels":["k8s:app=es","k8s:io.kubernetes.pod.namespace=b","reserved:x"]}}}"#,
            "\n",
            r#"{"flow":{"verdict":"FORWARDED","is_reply":true,"l4":{"TCP":{"destination_port":4}}}}"#,
            "\n",
            r#"{"flow":{"verdict":"DROPPED","l4":{"TCP":{"destination_port":4}}}}"#,
            "\n",
            r#"{"flow":{"verdict":"FORWARDED","IP":{"destination":"192.0.2.7"},"l4":{"UDP":{"destination_port":53}},"source":{"namespace":"a","workloads":[{"name":"web","kind":"Deployment"}]},"destination":{"identity":2}}}"#,
            "\nnot json\n"
        );
        let (flows, skipped, unreadable) = told(text, Format::Hubble);
        assert_eq!((skipped, unreadable), (2, 1));
        assert_eq!(
            flows,
            [
                "a/web[Deployment] b/app=es [Number(9200)]",
                "a/web[Deployment] 192.0.2.7/32 [Full(FullPort { port: Some(Number(53)), protocol: Udp })]"
            ]
        );
    }

    #[test]
    fn nodes_and_the_api_server_are_named_by_what_they_are() {
        let hubble = concat!(
            r#"{"flow":{"verdict":"FORWARDED","IP":{"source":"192.0.2.4","destination":"10.1.0.7"},"l4":{"TCP":{"destination_port":8080}},"source":{"labels":["reserved:remote-node"]},"destination":{"namespace":"a","workloads":[{"name":"web","kind":"Deployment"}]}}}"#,
            "\n",
            r#"{"flow":{"verdict":"FORWARDED","IP":{"destination":"192.0.2.5"},"l4":{"TCP":{"destination_port":6443}},"source":{"namespace":"a","workloads":[{"name":"web","kind":"Deployment"}]},"destination":{"labels":["reserved:kube-apiserver","reserved:remote-node"]}}}"#,
        );
        let calico = concat!(
            r#"{"action":"allow","proto":"tcp","dest_port":8080,"source_type":"hep","source_name_aggr":"node-1","source_ip":"192.0.2.4","dest_type":"wep","dest_namespace":"a","dest_name_aggr":"web-*"}"#,
            "\n",
            r#"{"action":"allow","proto":"tcp","dest_port":10250,"source_type":"wep","source_namespace":"a","source_name_aggr":"web-*","dest_type":"hep","dest_name_aggr":"node-2","dest_ip":null}"#,
        );
        let record = |text: &str, format| read(text.lines().map(str::to_owned), format);
        let parties = |observed: &Observed| -> Vec<String> {
            observed.flows.iter().map(|flow| format!("{} {}", flow.from, flow.to)).collect()
        };
        let node: BTreeSet<Cidr> = [Cidr("192.0.2.4/32".parse().unwrap())].into();
        let hubble = record(hubble, Format::Hubble);
        assert_eq!(parties(&hubble), ["a/web[Deployment] apiServer", "nodes a/web[Deployment]"]);
        assert_eq!((&hubble.nodes, hubble.api_server.len()), (&node, 1));
        let calico = record(calico, Format::Calico);
        assert_eq!(parties(&calico), ["a/web nodes", "nodes a/web"]);
        assert_eq!((&calico.nodes, calico.unreadable.len()), (&node, 0));
    }

    #[test]
    fn our_own_form_has_the_parties_of_declared_flows() {
        let text = concat!(
            r#"{"from":{"workload":{"namespace":"a","name":"web"}},"to":"world","port":443}"#,
            "\n",
            r#"{"from":{"workload":{"namespace":"a","name":"web"}},"to":"world","port":80}"#,
            "\n",
            r#"{"from":"world","to":"dns","port":0}"#,
            "\n",
            r#"{"from":"world","to":"dns","port":1,"x":2}"#
        );
        let (flows, skipped, unreadable) = told(text, Format::Parapet);
        assert_eq!((skipped, unreadable), (0, 2));
        assert_eq!(flows, ["a/web world [Number(80), Number(443)]"]);
    }
}
