//! Administrators' policies as nftables rules: AdminNetworkPolicy, BaselineAdminNetworkPolicy (v1alpha1) and
//! ClusterNetworkPolicy (v1alpha2), field by field from the objects.
//!
//! Their rules stand in the order of evaluation, and the first that matches ends it: Allow returns, Deny goes where everything
//! is rejected, and Pass goes on to what comes after the tier.

use std::fmt::Write as _;

use serde_json::Value;

use crate::nft::{Pod, family, matches, named_any, namespaces_of, of_kind};

/// Before or after NetworkPolicies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Admin,
    Baseline,
}

/// The rules of one tier about `subject`; `pass` is the statement for what is left to others.
pub(crate) fn rules(
    objects: &[Value],
    tier: Tier,
    direction: &str,
    subject: &Pod<'_>,
    pods: &[Pod<'_>],
    pass: &str,
) -> String {
    let mut policies: Vec<&Value> = objects.iter().filter(|object| tier_of(object) == Some(tier)).collect();
    policies.sort_by_key(|policy| policy["spec"]["priority"].as_u64().unwrap_or(0));
    let (rules_key, peers_key, field) = match direction {
        "Egress" => ("egress", "to", "daddr"),
        _ => ("ingress", "from", "saddr"),
    };
    let mut out = String::new();
    for policy in policies {
        if !members(&policy["spec"]["subject"], objects, pods)
            .iter()
            .any(|at| pods[*at].address == subject.address)
        {
            continue;
        }
        for rule in policy["spec"][rules_key].as_array().into_iter().flatten() {
            let verdict = match rule["action"].as_str() {
                Some("Allow" | "Accept") => "return",
                Some("Deny") => "goto deny",
                _ => pass,
            };
            for peer in rule[peers_key].as_array().into_iter().flatten() {
                let (matched, members) = addresses(peer, field, objects, pods);
                for matched in matched {
                    for ports in ports(rule, direction, subject) {
                        let _ = writeln!(out, "    {matched} {ports} {verdict}");
                    }
                }
                // A name is the peer's: a number of its own for each.
                for name in names(rule).filter(|_| direction == "Egress") {
                    for peer in members.iter().map(|at| &pods[*at]) {
                        for (protocol, number) in named_any(peer.object, name) {
                            let address = peer.address.to_string();
                            let family = family(&address);
                            let _ = writeln!(
                                out,
                                "    {family} daddr {address} {protocol} dport {number} {verdict}"
                            );
                        }
                    }
                }
            }
        }
    }
    out
}

fn tier_of(object: &Value) -> Option<Tier> {
    match (object["kind"].as_str()?, object["spec"]["tier"].as_str()) {
        ("AdminNetworkPolicy", _) | ("ClusterNetworkPolicy", Some("Admin")) => Some(Tier::Admin),
        ("BaselineAdminNetworkPolicy", _) | ("ClusterNetworkPolicy", Some("Baseline")) => {
            Some(Tier::Baseline)
        }
        _ => None,
    }
}

/// The pods of `namespaces` or of `pods`, in a subject or a peer.
fn members(of: &Value, objects: &[Value], pods: &[Pod<'_>]) -> Vec<usize> {
    let everything = Value::Object(serde_json::Map::new());
    let (namespaces, labels) = match (&of["namespaces"], &of["pods"]) {
        (Value::Null, Value::Null) => return Vec::new(),
        (Value::Null, both) => (&both["namespaceSelector"], &both["podSelector"]),
        (namespaces, _) => (namespaces, &everything),
    };
    let namespaces = namespaces_of(namespaces, objects);
    let is_member = |pod: &Pod<'_>| {
        let namespace = pod.object["metadata"]["namespace"].as_str();
        namespace.is_some_and(|namespace| namespaces.contains(namespace))
            && matches(labels, &pod.object["metadata"]["labels"])
    };
    (0..pods.len()).filter(|at| is_member(&pods[*at])).collect()
}

/// Matches on the peer's addresses, and the pods among them.
fn addresses(peer: &Value, field: &str, objects: &[Value], pods: &[Pod<'_>]) -> (Vec<String>, Vec<usize>) {
    if let Some(networks) = peer["networks"].as_array() {
        let one = |network: &str| format!("{} {field} {network}", family(network));
        return (networks.iter().filter_map(Value::as_str).map(one).collect(), Vec::new());
    }
    let members = members(peer, objects, pods);
    let listed: Vec<String> = members.iter().map(|at| pods[*at].address.to_string()).collect();
    let matched =
        listed.first().map(|first| format!("{} {field} {{ {} }}", family(first), listed.join(", ")));
    (matched.into_iter().collect(), members)
}

/// Matches on a rule's ports by number; by name, too, where they are the subject's own. No ports at all: everything.
fn ports(rule: &Value, direction: &str, subject: &Pod<'_>) -> Vec<String> {
    let Some(listed) = rule["ports"].as_array().or(rule["protocols"].as_array()) else {
        return vec![String::new()];
    };
    let mut matched = Vec::new();
    for port in listed {
        let (number, range) = (&port["portNumber"], &port["portRange"]);
        if let Some(protocol) = number["protocol"].as_str() {
            matched.push(format!("{} dport {}", protocol.to_lowercase(), number["port"]));
        }
        if let Some(protocol) = range["protocol"].as_str() {
            matched.push(format!("{} dport {}-{}", protocol.to_lowercase(), range["start"], range["end"]));
        }
        for protocol in ["tcp", "udp"] {
            let Some(of) = port.get(protocol) else { continue };
            let destination = &of["destinationPort"];
            matched.push(match (&destination["number"], &destination["range"]) {
                (Value::Null, Value::Null) => format!("meta l4proto {protocol}"),
                (Value::Null, range) => format!("{protocol} dport {}-{}", range["start"], range["end"]),
                (number, _) => format!("{protocol} dport {number}"),
            });
        }
    }
    for name in names(rule).filter(|_| direction == "Ingress") {
        let own = named_any(subject.object, name).into_iter();
        matched.extend(own.map(|(protocol, number)| format!("{protocol} dport {number}")));
    }
    matched
}

/// Names of ports that a rule lists.
fn names(rule: &Value) -> impl Iterator<Item = &str> {
    let listed = [&rule["ports"], &rule["protocols"]].into_iter().filter_map(Value::as_array).flatten();
    listed.filter_map(|port| port["namedPort"].as_str().or(port["destinationNamedPort"].as_str()))
}

/// Whether there is any of them.
pub(crate) fn any(objects: &[Value]) -> bool {
    ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"]
        .iter()
        .any(|kind| of_kind(objects, kind).next().is_some())
}
