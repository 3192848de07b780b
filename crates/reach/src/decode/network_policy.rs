//! NetworkPolicy, with its defaulting (policyTypes, protocol) and its validation.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::field::Field;
use super::selector::{is_port_name, selector};
use crate::model::{Block, NetworkPolicy, Peer, PolicyPort, Rule, Selector};
use crate::portset::Protocol;

/// Reads `spec`; nothing comes back if it can't be told whom the policy is about.
pub(super) fn network_policy(spec: &Field<'_>, namespace: Arc<str>, name: Arc<str>) -> Option<NetworkPolicy> {
    spec.only(&["podSelector", "policyTypes", "ingress", "egress"]);
    let Ok(pod_selector) = selector(&spec.get("podSelector")) else { return None };
    let ingress = spec.get("ingress").list();
    let egress = spec.get("egress").list();
    let types_field = spec.get("policyTypes");
    let types = types_field.list();
    let (mut isolates_ingress, mut isolates_egress) =
        (types.is_empty(), types.is_empty() && !egress.is_empty());
    if types.len() > 2 {
        types_field.error("there are two policyTypes at most: Ingress and Egress");
        return None;
    }
    for one in &types {
        match one.text() {
            Some("Ingress") => isolates_ingress = true,
            Some("Egress") => isolates_egress = true,
            Some(other) => {
                one.error(format!("unknown policy type {other:?}; there are Ingress and Egress"));
                return None;
            }
            None => return None,
        }
    }
    Some(NetworkPolicy {
        namespace,
        name,
        pod_selector: pod_selector.unwrap_or_default(),
        isolates_ingress,
        isolates_egress,
        ingress: ingress.iter().map(|field| rule(field, "from")).collect(),
        egress: egress.iter().map(|field| rule(field, "to")).collect(),
    })
}

fn rule(field: &Field<'_>, peers_key: &str) -> Rule {
    if !field.is_present() {
        field.error("an empty list item is a rule that allows everything; write {} if that is meant");
        return Rule::default();
    }
    if !field.is_map() {
        return Rule { peers: Some(Vec::new()), ports: Some(Vec::new()) };
    }
    field.only(&[peers_key, "ports"]);
    let peers = field.get(peers_key).list();
    let ports = field.get("ports").list();
    Rule {
        peers: (!peers.is_empty()).then(|| peers.iter().filter_map(peer).collect()),
        ports: (!ports.is_empty()).then(|| ports.iter().filter_map(port).collect()),
    }
}

fn peer(field: &Field<'_>) -> Option<Peer> {
    field.only(&["podSelector", "namespaceSelector", "ipBlock"]);
    let (pods, namespaces, block) =
        (field.get("podSelector"), field.get("namespaceSelector"), field.get("ipBlock"));
    if block.is_present() {
        if pods.is_present() || namespaces.is_present() {
            field.error("ipBlock can't stand beside podSelector or namespaceSelector in one peer");
            return None;
        }
        return ip_block(&block).map(Peer::Block);
    }
    if !pods.is_present() && !namespaces.is_present() {
        field.error(
            "a peer needs podSelector, namespaceSelector or ipBlock; an empty one doesn't mean everybody",
        );
        return None;
    }
    match (selector(&pods), selector(&namespaces)) {
        (Ok(pods), Ok(namespaces)) => {
            Some(Peer::Pods { namespaces, pods: pods.unwrap_or_else(Selector::everything) })
        }
        _ => None,
    }
}

fn ip_block(field: &Field<'_>) -> Option<Block> {
    field.only(&["cidr", "except"]);
    let cidr_field = field.get("cidr");
    if !cidr_field.is_present() {
        cidr_field.error("an ipBlock needs a cidr");
    }
    let cidr = cidr(&cidr_field)?;
    let mut except = Vec::new();
    for one in field.get("except").list() {
        let inside = self::cidr(&one)?;
        match (cidr, inside) {
            (IpNet::V4(_), IpNet::V6(_)) | (IpNet::V6(_), IpNet::V4(_)) => {
                one.error(format!("{inside} and {cidr} are of different IP versions"));
                return None;
            }
            _ if !cidr.contains(&inside) || inside.prefix_len() <= cidr.prefix_len() => {
                one.error(format!("{inside} must lie strictly inside {cidr}"));
                return None;
            }
            _ => except.push(inside),
        }
    }
    except.sort();
    Some(Block { cidr, except })
}

/// Reads a block of addresses. Host bits are masked with a warning; leading zeros are an error, because they were once
/// read as decimal and elsewhere as octal.
pub(super) fn cidr(field: &Field<'_>) -> Option<IpNet> {
    let text = field.text()?;
    let leading_zero = |octet: &str| octet.len() > 1 && octet.starts_with('0');
    let ambiguous = !text.contains(':') && text.split(['.', '/']).any(leading_zero);
    match text.parse::<IpNet>() {
        Ok(net) if !ambiguous => {
            if net.trunc() != net {
                field.warn(format!("{text} has host bits set; it means {}", net.trunc()));
            }
            Some(net.trunc())
        }
        _ => {
            let hint = match decimal_reading(text) {
                Some(decimal) => format!("; leading zeros are ambiguous, read as decimal it is {decimal}"),
                None if text.parse::<IpAddr>().is_ok() => "; it has no prefix length, such as /32".to_owned(),
                None => String::new(),
            };
            field.error(format!("{text:?} is no block of addresses such as 10.0.0.0/8 or fd00::/8{hint}"));
            None
        }
    }
}

/// What an address with leading zeros is if they are ignored.
fn decimal_reading(text: &str) -> Option<IpNet> {
    let (address, prefix) = text.split_once('/')?;
    let octets: Vec<u8> = address.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    let octets: [u8; 4] = octets.try_into().ok()?;
    IpNet::new(Ipv4Addr::from(octets).into(), prefix.parse().ok()?).ok()
}

fn port(field: &Field<'_>) -> Option<PolicyPort> {
    field.only(&["protocol", "port", "endPort"]);
    let protocol = protocol(&field.get("protocol"))?;
    let (port, end) = (field.get("port"), field.get("endPort"));
    let Some(value) = port.value() else {
        if end.is_present() {
            end.error("endPort needs port");
            return None;
        }
        return Some(PolicyPort::all_of(protocol));
    };
    if let Some(name) = value.as_str() {
        if !is_port_name(name) {
            let hint =
                if name.parse::<u16>().is_ok() { "; leave out the quotes to mean the number" } else { "" };
            port.error(format!("{name:?} can't be a port's name{hint}"));
            return None;
        }
        if end.is_present() {
            end.error("endPort needs a port by number, not by name");
            return None;
        }
        return Some(PolicyPort::Named { protocol: Some(protocol), name: name.to_owned() });
    }
    let first = port.port()?;
    let last = if end.is_present() { end.port()? } else { first };
    if last < first {
        end.error(format!("endPort {last} is below port {first}"));
        return None;
    }
    Some(PolicyPort::Range { protocol, first, last })
}

/// TCP if absent; nothing if it can't be one.
pub(super) fn protocol(field: &Field<'_>) -> Option<Protocol> {
    if !field.is_present() {
        return Some(Protocol::Tcp);
    }
    let name = field.text()?;
    let protocol = Protocol::from_name(name);
    if protocol.is_none() {
        field.error(format!("unknown protocol {name:?}; there are TCP, UDP and SCTP, in capitals"));
    }
    protocol
}
