//! Random clusters, small enough to try every tuple, and rich in what engines get wrong.

use std::net::IpAddr;
use std::sync::Arc;

use parapet_reach::model::{
    Action, AdminKind, AdminPeer, AdminPolicy, AdminRule, Block, Cluster, ContainerPort, Labels, Namespace,
    NetworkPolicy, Node, Operator, Peer, Pod, PolicyPort, Requirement, Rule, Selector, Subject, Tier,
};
use parapet_reach::{Endpoint, HostNetwork, IpBlockPods, Options, PodId, Protocol};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Blocks whose edges are worth trying, of both IP versions, some inside others.
const BLOCKS: [(&str, &[&str]); 8] = [
    ("0.0.0.0/0", &["10.0.0.0/8"]),
    ("0.0.0.0/0", &[]),
    ("10.0.0.0/8", &["10.0.0.0/30"]),
    ("10.0.0.0/30", &["10.0.0.1/32", "10.0.0.3/32"]),
    ("192.168.0.0/16", &[]),
    ("::/0", &["fd00::/64"]),
    ("fd00::/64", &["fd00::1/128"]),
    ("255.255.255.255/32", &[]),
];

/// Addresses at those edges.
pub(crate) const ADDRESSES: [&str; 10] = [
    "0.0.0.0",
    "9.255.255.255",
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.4",
    "192.168.7.7",
    "255.255.255.255",
    "::",
    "fd00::1",
    "fd00::2",
];

/// Ports at the edges of what the rules below name.
pub(crate) const PORTS: [u16; 8] = [1, 79, 80, 81, 443, 8080, 8443, 65535];

pub(crate) fn selector() -> impl Strategy<Value = Selector> {
    let values = || vec(select(&["a", "b", "", "c"][..]).prop_map(str::to_owned), 1..3);
    let operator = prop_oneof![
        4 => values().prop_map(Operator::In),
        3 => values().prop_map(Operator::NotIn),
        1 => Just(Operator::Exists),
        1 => Just(Operator::DoesNotExist),
    ];
    let key = select(&["app", "tier", "env", "pod-template-hash"][..]);
    let requirement =
        (key, operator).prop_map(|(key, operator)| Requirement { key: key.to_owned(), operator });
    prop_oneof![2 => Just(0usize), 3 => Just(1), 1 => Just(2)]
        .prop_flat_map(move |count| vec(requirement.clone(), count))
        .prop_map(Selector::new)
}

fn labels() -> impl Strategy<Value = Labels> {
    let value = || option::of(select(&["a", "b", "", "c"][..]));
    (value(), value(), value()).prop_map(|(app, tier, env)| {
        let pairs = [("app", app), ("tier", tier), ("env", env)];
        pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    })
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp][..])
}

fn port_name() -> impl Strategy<Value = &'static str> {
    select(&["http", "dns", "metrics"][..])
}

fn pod() -> impl Strategy<Value = Pod> {
    let number = select(&[80u16, 81, 8080, 8443][..]);
    let port = (option::of(port_name()), protocol(), number).prop_map(|(name, protocol, port)| {
        ContainerPort { name: name.map(Arc::from), protocol, port, host_port: None }
    });
    let address = || vec(select(&ADDRESSES[..]).prop_map(|text| text.parse::<IpAddr>().unwrap()), 0..3);
    let place =
        (select(&["x", "y", "z"][..]), labels(), prop::bool::weighted(0.15), prop::bool::weighted(0.2));
    (place, vec(port, 0..4), address(), address(), 1u32..3).prop_map(
        |((namespace, labels, host_network, hashed), mut ports, addresses, node_addresses, replicas)| {
            ports.sort();
            let mut pod = Pod::new(namespace, "pod", labels);
            pod.ports = ports.into();
            pod.host_network = host_network;
            pod.replicas = replicas;
            pod.addresses = addresses;
            pod.node_addresses = node_addresses;
            if hashed {
                pod.unknown_labels = ["pod-template-hash".into()].into();
            }
            pod
        },
    )
}

pub(crate) fn port() -> impl Strategy<Value = PolicyPort> {
    prop_oneof![
        2 => (protocol(), select(&PORTS[..])).prop_map(|(protocol, port)| PolicyPort::one(protocol, port)),
        1 => protocol().prop_map(PolicyPort::all_of),
        2 => (protocol(), select(&PORTS[..]), select(&PORTS[..])).prop_map(|(protocol, a, b)| {
            PolicyPort::Range { protocol, first: a.min(b), last: a.max(b) }
        }),
        2 => (protocol(), port_name())
            .prop_map(|(protocol, name)| PolicyPort::Named { protocol: Some(protocol), name: name.to_owned() }),
    ]
}

fn block() -> impl Strategy<Value = Block> {
    select(&BLOCKS[..]).prop_map(|(cidr, except)| Block {
        cidr: cidr.parse().unwrap(),
        except: except.iter().map(|hole| hole.parse().unwrap()).collect(),
    })
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![
        3 => (option::of(namespace_selector()), selector())
            .prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods }),
        1 => block().prop_map(Peer::Block),
    ]
}

fn namespace_selector() -> impl Strategy<Value = Selector> {
    prop_oneof![
        selector(),
        select(&["x", "y", "z"][..])
            .prop_map(|name| Selector::labels([("kubernetes.io/metadata.name", name)])),
    ]
}

pub(crate) fn rule() -> impl Strategy<Value = Rule> {
    (option::weighted(0.8, vec(peer(), 0..3)), option::weighted(0.7, vec(port(), 0..3)))
        .prop_map(|(peers, ports)| Rule { peers, ports })
}

pub(crate) fn network_policy() -> impl Strategy<Value = NetworkPolicy> {
    let rules = || vec(rule(), 0..3);
    (select(&["x", "y", "z"][..]), selector(), any::<(bool, bool)>(), rules(), rules()).prop_map(
        |(namespace, pods, (isolates_ingress, isolates_egress), ingress, egress)| NetworkPolicy {
            isolates_ingress,
            isolates_egress,
            ingress,
            egress,
            ..NetworkPolicy::new(namespace, "policy", pods)
        },
    )
}

fn subject() -> impl Strategy<Value = Subject> {
    (namespace_selector(), selector()).prop_map(|(namespaces, pods)| Subject { namespaces, pods })
}

fn admin_policy() -> impl Strategy<Value = AdminPolicy> {
    let kind = select(
        &[
            (AdminKind::AdminNetworkPolicy, Tier::Admin),
            (AdminKind::BaselineAdminNetworkPolicy, Tier::Baseline),
            (AdminKind::ClusterNetworkPolicy, Tier::Admin),
            (AdminKind::ClusterNetworkPolicy, Tier::Baseline),
        ][..],
    );
    let rule =
        |egress: bool| {
            let peer = prop_oneof![
                6 => subject().prop_map(AdminPeer::Pods),
                if egress { 2 } else { 0 } => block().prop_map(|block| AdminPeer::Networks(vec![block.cidr])),
                if egress { 1 } else { 0 } => selector().prop_map(AdminPeer::Nodes),
                1 => Just(AdminPeer::Unrecognised),
            ];
            // Names without a protocol are these policies' own way.
            let port = prop_oneof![
                port(),
                port_name().prop_map(|name| PolicyPort::Named { protocol: None, name: name.to_owned() })
            ];
            let action = select(&[Action::Allow, Action::Deny, Action::Pass][..]);
            (action, vec(peer, 1..3), option::of(vec(port, 1..3)))
                .prop_map(|(action, peers, ports)| AdminRule { name: None, action, peers, ports })
        };
    (kind, 0u32..4, subject(), vec(rule(false), 0..3), vec(rule(true), 0..3)).prop_map(
        |((kind, tier), priority, subject, ingress, egress)| AdminPolicy {
            kind,
            name: "admin".into(),
            tier,
            priority,
            subject,
            ingress,
            egress,
        },
    )
}

/// A normalised cluster; `admin` at most so many administrators' policies.
pub(crate) fn cluster(admin: usize) -> impl Strategy<Value = Cluster> {
    let node = (labels(), select(&ADDRESSES[..]));
    let all = (
        vec(labels(), 3),
        vec(pod(), 1..7),
        vec(network_policy(), 0..5),
        vec(admin_policy(), 0..=admin),
        vec(node, 0..3),
    );
    all.prop_map(|(namespaces, pods, policies, admin, nodes)| {
        let mut cluster = Cluster {
            namespaces: ["x", "y", "z"].iter().zip(&namespaces).map(|(n, l)| Namespace::new(n, l)).collect(),
            pods,
            network_policies: policies,
            admin_policies: admin,
            nodes: nodes
                .into_iter()
                .enumerate()
                .map(|(index, (labels, address))| Node {
                    name: format!("node-{index}").into(),
                    labels,
                    addresses: vec![address.parse().unwrap()],
                })
                .collect(),
            ..Cluster::default()
        };
        for (index, pod) in cluster.pods.iter_mut().enumerate() {
            pod.name = format!("pod-{index}").into();
            pod.workload.name = Arc::clone(&pod.name);
        }
        for (index, policy) in cluster.network_policies.iter_mut().enumerate() {
            policy.name = format!("policy-{index}").into();
        }
        for (index, policy) in cluster.admin_policies.iter_mut().enumerate() {
            policy.name = format!("admin-{index}").into();
        }
        cluster.normalise();
        cluster
    })
}

pub(crate) fn options() -> impl Strategy<Value = Options> {
    let blocks = select(&[IpBlockPods::Never, IpBlockPods::Always, IpBlockPods::BothAndReport][..]);
    let hosts = select(&[HostNetwork::NodeAddress, HostNetwork::AsPods][..]);
    (blocks, hosts).prop_map(|(ip_block_pods, host_network)| Options {
        ip_block_pods,
        host_network,
        ..Options::default()
    })
}

/// Every pod, and every interesting address.
pub(crate) fn endpoints(cluster: &Cluster) -> Vec<Endpoint> {
    let pods = (0..cluster.pods.len()).map(|index| Endpoint::Pod(PodId(index)));
    pods.chain(ADDRESSES.iter().map(|address| Endpoint::Address(address.parse().unwrap()))).collect()
}

/// Every pair with at least one pod.
pub(crate) fn pairs(cluster: &Cluster) -> Vec<(Endpoint, Endpoint)> {
    let ends = endpoints(cluster);
    let outside = |end: &Endpoint| matches!(end, Endpoint::Address(_));
    let pairs = ends.iter().flat_map(|source| ends.iter().map(move |destination| (*source, *destination)));
    pairs.filter(|(source, destination)| !(outside(source) && outside(destination))).collect()
}
