//! Policies as nftables rules, field by field from the objects.
//!
//! Two chains for each pod and direction that a policy is about: the administrators' tier, and what comes after it, which is
//! the NetworkPolicies of a pod that one of them isolates, or else the baseline. What a rule allows returns (so that the other
//! end's chain has its say), and what an isolated pod isn't allowed is rejected. Nothing here asks the engine, or shares its
//! reading of selectors.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::Value;

use crate::tiers::{self, Tier};

/// A pod as rules see it.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    pub(crate) object: &'a Value,
    pub(crate) address: IpAddr,
}

/// The ruleset of a cluster: pods have `status.podIP`.
pub(crate) fn ruleset(objects: &[Value]) -> String {
    let pods: Vec<Pod<'_>> = of_kind(objects, "Pod")
        .filter_map(|object| Some(Pod { object, address: object["status"]["podIP"].as_str()?.parse().ok()? }))
        .collect();
    let mut chains = String::new();
    let mut egress = Vec::new();
    let mut ingress = Vec::new();
    for (index, pod) in pods.iter().enumerate() {
        for (direction, map) in [("Egress", &mut egress), ("Ingress", &mut ingress)] {
            let policies: Vec<&Value> = of_kind(objects, "NetworkPolicy")
                .filter(|policy| isolates(policy, direction) && selects(policy, pod.object))
                .collect();
            let chain = format!("{}_{index}", direction.to_lowercase());
            let next = format!("{chain}_next");
            let pass = format!("goto {next}");
            let admin = tiers::rules(objects, Tier::Admin, direction, pod, &pods, &pass);
            let baseline = tiers::rules(objects, Tier::Baseline, direction, pod, &pods, "return");
            if policies.is_empty() && admin.is_empty() && baseline.is_empty() {
                continue;
            }
            map.push((pod.address, format!("{} : jump {chain}", pod.address)));
            // A chain that others go to is written before them.
            let _ = writeln!(chains, "  chain {next} {{");
            if policies.is_empty() {
                chains.push_str(&baseline);
            } else {
                for policy in policies {
                    rules(policy, direction, pod, &pods, objects, &mut chains);
                }
                chains.push_str("    goto deny\n");
            }
            let _ = writeln!(chains, "  }}\n  chain {chain} {{\n{admin}    {pass}\n  }}");
        }
    }
    let jump = |field: &str, map: &[(IpAddr, String)]| {
        let mut text = String::new();
        for (family, is_v6) in [("ip", false), ("ip6", true)] {
            let jumps = map.iter().filter(|(address, _)| address.is_ipv6() == is_v6);
            let jumps: Vec<&str> = jumps.map(|(_, jump)| jump.as_str()).collect();
            if !jumps.is_empty() {
                let _ = writeln!(text, "    {family} {field} vmap {{ {} }}", jumps.join(", "));
            }
        }
        text
    };
    format!(
        "flush ruleset\ntable inet policies {{\n  chain deny {{\n    meta l4proto tcp reject with tcp reset\n    \
         reject with icmpx type admin-prohibited\n  }}\n{chains}  chain forward {{\n    type filter hook forward priority 0; policy accept;\n    \
         ct state established,related accept\n{}{}  }}\n}}\n",
        jump("saddr", &egress),
        jump("daddr", &ingress)
    )
}

/// The objects of a kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// `policyTypes`, or what stands for them: always Ingress, Egress if there is an egress rule.
fn isolates(policy: &Value, direction: &str) -> bool {
    match policy["spec"]["policyTypes"].as_array().filter(|types| !types.is_empty()) {
        Some(types) => types.iter().any(|kind| kind == direction),
        None => {
            direction == "Ingress"
                || policy["spec"]["egress"].as_array().is_some_and(|rules| !rules.is_empty())
        }
    }
}

fn selects(policy: &Value, pod: &Value) -> bool {
    policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
        && matches(&policy["spec"]["podSelector"], &pod["metadata"]["labels"])
}

/// A label selector over labels; null and `{}` match everything.
pub(crate) fn matches(selector: &Value, labels: &Value) -> bool {
    let mut wanted = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    wanted.all(|(key, value)| labels.get(key) == Some(value)) && { expressions }.all(|expression| {
        let value = expression["key"].as_str().and_then(|key| labels.get(key));
        let listed = || expression["values"].as_array().into_iter().flatten().any(|one| Some(one) == value);
        match expression["operator"].as_str() {
            Some("In") => listed(),
            Some("NotIn") => !listed(),
            Some("Exists") => value.is_some(),
            Some("DoesNotExist") => value.is_none(),
            _ => false,
        }
    })
}

fn rules(
    policy: &Value,
    direction: &str,
    subject: &Pod<'_>,
    pods: &[Pod<'_>],
    objects: &[Value],
    out: &mut String,
) {
    let (rules, peers_key, field) = match direction {
        "Egress" => (&policy["spec"]["egress"], "to", "daddr"),
        _ => (&policy["spec"]["ingress"], "from", "saddr"),
    };
    for rule in rules.as_array().into_iter().flatten() {
        // No peers: everybody. Otherwise each peer is a match on addresses of its own.
        let everybody = [Value::Null];
        let peers = match rule[peers_key].as_array() {
            Some(peers) if !peers.is_empty() => peers.as_slice(),
            _ => &everybody,
        };
        for peer in peers {
            let (matched, members) = addresses(peer, policy, field, pods, objects);
            let Some(matched) = matched else { continue };
            let ports = match rule["ports"].as_array() {
                Some(ports) if !ports.is_empty() => ports.as_slice(),
                _ => {
                    let _ = writeln!(out, "    {matched} return");
                    continue;
                }
            };
            for port in ports {
                let protocol = port["protocol"].as_str().unwrap_or("TCP").to_lowercase();
                match (&port["port"], &port["endPort"]) {
                    (Value::Null, _) => {
                        let _ = writeln!(out, "    {matched} meta l4proto {protocol} return");
                    }
                    (Value::Number(first), Value::Number(last)) => {
                        let _ = writeln!(out, "    {matched} {protocol} dport {first}-{last} return");
                    }
                    (Value::Number(number), _) => {
                        let _ = writeln!(out, "    {matched} {protocol} dport {number} return");
                    }
                    (Value::String(name), _) if direction == "Ingress" => {
                        for number in named(subject.object, name, &protocol) {
                            let _ = writeln!(out, "    {matched} {protocol} dport {number} return");
                        }
                    }
                    (Value::String(name), _) => {
                        // The name is the peer's: a number of its own for each.
                        for peer in &members {
                            for number in named(pods[*peer].object, name, &protocol) {
                                let address = pods[*peer].address;
                                let _ = writeln!(
                                    out,
                                    "    {} {field} {address} {protocol} dport {number} return",
                                    family(&address.to_string())
                                );
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The match on a peer's addresses (none: it matches nobody), and the pods among them.
fn addresses(
    peer: &Value,
    policy: &Value,
    field: &str,
    pods: &[Pod<'_>],
    objects: &[Value],
) -> (Option<String>, Vec<usize>) {
    let all = || (0..pods.len()).collect();
    if peer.is_null() {
        return (Some(String::new()), all());
    }
    if let Some(cidr) = peer["ipBlock"]["cidr"].as_str() {
        let except: Vec<&str> =
            peer["ipBlock"]["except"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let family = family(cidr);
        let mut matched = format!("{family} {field} {cidr}");
        if !except.is_empty() {
            let _ = write!(matched, " {family} {field} != {{ {} }}", except.join(", "));
        }
        // Names of ports have no meaning for addresses.
        return (Some(matched), Vec::new());
    }
    let namespaces: BTreeSet<&str> = match &peer["namespaceSelector"] {
        Value::Null => policy["metadata"]["namespace"].as_str().into_iter().collect(),
        selector => namespaces_of(selector, objects),
    };
    let members: Vec<usize> = pods
        .iter()
        .enumerate()
        .filter(|(_, pod)| {
            pod.object["metadata"]["namespace"]
                .as_str()
                .is_some_and(|namespace| namespaces.contains(namespace))
                && matches(&peer["podSelector"], &pod.object["metadata"]["labels"])
        })
        .map(|(index, _)| index)
        .collect();
    let listed: Vec<String> = members.iter().map(|index| pods[*index].address.to_string()).collect();
    let matched =
        listed.first().map(|first| format!("{} {field} {{ {} }}", family(first), listed.join(", ")));
    (matched, members)
}

/// The names of the namespaces that a selector matches, each with the label that holds its name.
pub(crate) fn namespaces_of<'a>(selector: &Value, objects: &'a [Value]) -> BTreeSet<&'a str> {
    let selected = of_kind(objects, "Namespace").filter(|namespace| {
        let mut labels = namespace["metadata"]["labels"].clone();
        labels["kubernetes.io/metadata.name"] = namespace["metadata"]["name"].clone();
        matches(selector, &labels)
    });
    selected.filter_map(|namespace| namespace["metadata"]["name"].as_str()).collect()
}

/// The keyword for an address, or a block of them. The pods of a cluster are of one family.
pub(crate) fn family(text: &str) -> &'static str {
    if text.contains(':') { "ip6" } else { "ip" }
}

fn named(pod: &Value, name: &str, protocol: &str) -> BTreeSet<u64> {
    named_any(pod, name).into_iter().filter(|(one, _)| one == protocol).map(|(_, number)| number).collect()
}

/// What a name means at a pod: protocols, in small letters, and numbers.
pub(crate) fn named_any(pod: &Value, name: &str) -> BTreeSet<(String, u64)> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    let named = ports.filter(|port| port["name"] == name).filter_map(|port| {
        let protocol = port["protocol"].as_str().unwrap_or("TCP").to_lowercase();
        Some((protocol, port["containerPort"].as_u64()?))
    });
    named.collect()
}
