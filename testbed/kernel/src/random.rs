//! Random clusters as objects: few labels, few ports and many kinds of rules, so that they meet each other often.
//!
//! A cluster's pods have addresses of one family: a pod with two is covered by a block as soon as one of them is, but a
//! packet has one of them only. Blocks are of both families, since a rule may name either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::worker::PORTS;

const NAMESPACES: [&str; 3] = ["red", "green", "blue"];
const KEYS: [&str; 3] = ["app", "tier", "zone"];
const VALUES: [&str; 3] = ["a", "b", "c"];
const NAMES: [&str; 2] = ["http", "admin"];

/// Addresses outside of every cluster: in and out of the blocks that policies name.
pub(crate) const OUTSIDE: [IpAddr; 8] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 130)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 200)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x10)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0x8000, 0, 0, 0, 0x10)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 7)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 0xc8)),
];
const BLOCKS: [(&str, &[&str]); 12] = [
    ("::/0", &[]),
    ("::/0", &["2001:db8:1::/48"]),
    ("2001:db8:1::/48", &["2001:db8:1:8000::/49"]),
    ("2001:db8:2::/48", &[]),
    ("fd00:77::/125", &[]),
    ("fd00:77::/120", &["fd00:77::4/126", "fd00:77::9/128"]),
    ("0.0.0.0/0", &[]),
    ("0.0.0.0/0", &["192.0.2.0/24"]),
    ("192.0.2.0/24", &["192.0.2.128/25"]),
    ("198.51.100.0/24", &[]),
    ("10.77.0.0/29", &[]),
    ("10.77.0.0/24", &["10.77.0.4/30", "10.77.0.9/32"]),
];

/// Which addresses the pods of a cluster have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// The address of a pod.
fn pod_address(family: Family, index: u8) -> IpAddr {
    let last = index.saturating_add(1);
    match family {
        Family::V4 => Ipv4Addr::new(10, 77, 0, last).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0x77, 0, 0, 0, 0, 0, last.into()).into(),
    }
}

/// The objects of one cluster.
pub(crate) fn cluster(seed: u64, pods: u8, family: Family) -> Vec<Value> {
    let rng = &mut SmallRng::seed_from_u64(seed);
    let mut objects: Vec<Value> = NAMESPACES
        .iter()
        .map(|name| {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels(rng)}})
        })
        .collect();
    for index in 0..pods {
        let mut ports = Vec::new();
        for name in NAMES {
            if rng.random_ratio(2, 3) {
                let protocol = pick(rng, &["TCP", "TCP", "UDP"]);
                ports.push(json!({"name": name, "containerPort": pick(rng, &PORTS), "protocol": protocol}));
            }
        }
        let address = pod_address(family, index);
        objects.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("p{index}"), "namespace": pick(rng, &NAMESPACES), "labels": labels(rng)},
            "spec": {"containers": [{"name": "main", "image": "x", "ports": ports}]},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
        }));
    }
    for index in 0..rng.random_range(1..7) {
        objects.push(policy(rng, index));
    }
    // Every other cluster has administrators, too.
    if rng.random_ratio(1, 2) {
        for index in 0..rng.random_range(1..4) {
            objects.push(admin_policy(rng, index));
        }
    }
    objects
}

/// A kind of administrators' policies: its version, its name, its tier where it says one, and its actions.
type AdminKind = (&'static str, &'static str, Option<&'static str>, &'static [&'static str]);

const ADMIN_KINDS: [AdminKind; 4] = [
    ("v1alpha1", "AdminNetworkPolicy", None, &["Allow", "Deny", "Pass"]),
    ("v1alpha2", "ClusterNetworkPolicy", Some("Admin"), &["Accept", "Deny", "Pass"]),
    ("v1alpha2", "ClusterNetworkPolicy", Some("Baseline"), &["Accept", "Deny", "Pass"]),
    ("v1alpha1", "BaselineAdminNetworkPolicy", None, &["Allow", "Deny"]),
];

/// An administrator's policy of any kind. Priorities differ: of equal ones the order isn't defined.
fn admin_policy(rng: &mut SmallRng, index: usize) -> Value {
    // Of the last kind there is one at most.
    let kinds = if index == 0 { &ADMIN_KINDS[..] } else { &ADMIN_KINDS[..3] };
    let of = pick(rng, kinds);
    let (version, kind, tier, _) = of;
    let mut spec = json!({ "subject": admin_peer(rng) });
    for (key, peers) in [("ingress", "from"), ("egress", "to")] {
        let count = rng.random_range(0..4);
        spec[key] = (0..count).map(|_| admin_rule(rng, &of, peers)).collect();
    }
    let name = if kind == "BaselineAdminNetworkPolicy" {
        "default".to_owned()
    } else {
        spec["priority"] = json!(index + 1);
        format!("admin{index}")
    };
    if let Some(tier) = tier {
        spec["tier"] = tier.into();
    }
    let api = format!("policy.networking.k8s.io/{version}");
    json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn admin_rule(rng: &mut SmallRng, (version, _, _, actions): &AdminKind, peers_key: &str) -> Value {
    let older = *version == "v1alpha1";
    let mut rule = json!({ "action": pick(rng, actions) });
    // Names of ports have no meaning for networks, and the API doesn't take them together.
    let networks = peers_key == "to" && rng.random_ratio(1, 3);
    let count = rng.random_range(1..3);
    rule[peers_key] = (0..count)
        .map(|_| if networks { json!({"networks": [pick(rng, &BLOCKS).0]}) } else { admin_peer(rng) })
        .collect();
    if rng.random_ratio(3, 4) {
        let count = rng.random_range(1..3);
        let key = if older { "ports" } else { "protocols" };
        rule[key] = (0..count).map(|_| admin_port(rng, older, !networks)).collect();
    }
    rule
}

fn admin_peer(rng: &mut SmallRng) -> Value {
    match rng.random_range(0..2) {
        0 => json!({"namespaces": selector(rng)}),
        _ => json!({"pods": {"namespaceSelector": selector(rng), "podSelector": selector(rng)}}),
    }
}

fn admin_port(rng: &mut SmallRng, older: bool, by_name: bool) -> Value {
    let protocol = pick(rng, &["TCP", "TCP", "UDP"]);
    let (first, name) = (pick(rng, &PORTS), pick(rng, &NAMES));
    let last = rng.random_range(first..=9300.max(first));
    let small = protocol.to_lowercase();
    match (rng.random_range(u8::from(!by_name)..4), older) {
        (0, true) => json!({"namedPort": name}),
        (0, false) => json!({"destinationNamedPort": name}),
        (1, true) => json!({"portRange": {"protocol": protocol, "start": first, "end": last}}),
        (1, false) => json!({ small: {"destinationPort": {"range": {"start": first, "end": last}}} }),
        (_, true) => json!({"portNumber": {"protocol": protocol, "port": first}}),
        (2, false) => json!({ small: {} }),
        (_, false) => json!({ small: {"destinationPort": {"number": first}} }),
    }
}

fn policy(rng: &mut SmallRng, index: usize) -> Value {
    let mut spec = json!({"podSelector": selector(rng)});
    let types: [&[&str]; 4] = [&[], &["Ingress"], &["Egress"], &["Ingress", "Egress"]];
    let types = pick(rng, &types);
    if !types.is_empty() {
        spec["policyTypes"] = json!(types);
    }
    for (key, peers) in [("ingress", "from"), ("egress", "to")] {
        if rng.random_ratio(3, 4) {
            let count = rng.random_range(0..3);
            spec[key] = (0..count).map(|_| rule(rng, peers)).collect();
        }
    }
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": format!("np{index}"), "namespace": pick(rng, &NAMESPACES)},
        "spec": spec,
    })
}

fn rule(rng: &mut SmallRng, peers_key: &str) -> Value {
    let mut rule = json!({});
    if rng.random_ratio(4, 5) {
        let count = rng.random_range(1..3);
        rule[peers_key] = (0..count).map(|_| peer(rng)).collect();
    }
    if rng.random_ratio(3, 4) {
        let count = rng.random_range(1..3);
        rule["ports"] = (0..count).map(|_| port(rng)).collect();
    }
    rule
}

fn peer(rng: &mut SmallRng) -> Value {
    match rng.random_range(0..5) {
        0 => json!({"podSelector": selector(rng)}),
        1 => json!({"namespaceSelector": selector(rng)}),
        2 => {
            json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": pick(rng, &NAMESPACES)}}, "podSelector": selector(rng)})
        }
        3 => json!({"namespaceSelector": selector(rng), "podSelector": selector(rng)}),
        _ => {
            let (cidr, except) = pick(rng, &BLOCKS);
            if except.is_empty() {
                json!({"ipBlock": {"cidr": cidr}})
            } else {
                json!({"ipBlock": {"cidr": cidr, "except": except}})
            }
        }
    }
}

fn port(rng: &mut SmallRng) -> Value {
    let protocol = pick(rng, &["TCP", "TCP", "UDP"]);
    match rng.random_range(0..5) {
        0 => json!({ "protocol": protocol }),
        1 => json!({"protocol": protocol, "port": pick(rng, &NAMES)}),
        2 => {
            let first = pick(rng, &PORTS);
            json!({"protocol": protocol, "port": first, "endPort": rng.random_range(first..=9300.max(first))})
        }
        3 => json!({"port": pick(rng, &PORTS)}),
        _ => json!({"protocol": protocol, "port": pick(rng, &PORTS)}),
    }
}

fn selector(rng: &mut SmallRng) -> Value {
    let key = pick(rng, &KEYS);
    let values: Vec<&str> = VALUES.iter().copied().filter(|_| rng.random_ratio(1, 2)).collect();
    let values = if values.is_empty() { vec!["a"] } else { values };
    match rng.random_range(0..6) {
        0 => json!({}),
        1 | 2 => json!({"matchLabels": {key: values[0]}}),
        3 => json!({"matchExpressions": [{"key": key, "operator": "In", "values": values}]}),
        4 => json!({"matchExpressions": [{"key": key, "operator": "NotIn", "values": values}]}),
        _ => json!({"matchExpressions": [{"key": key, "operator": pick(rng, &["Exists", "DoesNotExist"])}]}),
    }
}

fn labels(rng: &mut SmallRng) -> Value {
    let mut labels = json!({});
    for key in KEYS {
        if rng.random_ratio(3, 4) {
            labels[key] = json!(pick(rng, &VALUES));
        }
    }
    labels
}

fn pick<T: Copy>(rng: &mut SmallRng, from: &[T]) -> T {
    *from.choose(rng).expect("there is something to pick from")
}
