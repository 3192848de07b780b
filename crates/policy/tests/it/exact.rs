//! engine(generate(F)) = F, and what the same labels may get besides: with every kind of port, blocks both ways, and workloads that
//! labels can't tell apart. The oracle is a loop over flows.

use std::net::IpAddr;

use ipnet::IpNet;
use parapet_policy::flows::{
    Dns, Flow, FlowFile, FlowPort, FullPort, Party, PortText, ProtocolName, WorkloadName,
};
use parapet_policy::{Cidr, Needs, Plan, Proof, Twin, Units, render};
use parapet_reach::model::{Cluster, Labels, Namespace, Pod};
use parapet_reach::{Endpoint, Options, PodId, Protocol, Reachability};
use proptest::prelude::*;

const NAMESPACES: [&str; 2] = ["a", "b"];
/// Blocks that flows name, one inside the other.
const BLOCKS: [&str; 2] = ["192.0.2.0/24", "192.0.2.128/25"];
/// In and out of them.
const ADDRESSES: [&str; 5] = ["192.0.2.1", "192.0.2.200", "198.51.100.1", "169.254.169.254", "2001:db8::1"];
/// At the edges of what flows name.
const PORTS: [u16; 7] = [1, 53, 80, 9199, 9200, 9300, 9301];

/// Who an end is.
#[derive(Clone, Copy, Debug)]
enum Who {
    Workload(usize),
    World,
    Block(usize),
}

/// What a flow's ports are.
#[derive(Clone, Copy, Debug)]
enum Ports {
    One,
    Range,
    Udp,
    Sctp,
    All,
}

impl Ports {
    fn written(self) -> Vec<FlowPort> {
        let full = |port, protocol| vec![FlowPort::Full(FullPort { port, protocol })];
        match self {
            Self::One => vec![FlowPort::Number(80)],
            Self::Range => vec![FlowPort::Text("9200-9300".to_owned())],
            Self::Udp => full(Some(PortText::Number(53)), ProtocolName::Udp),
            Self::Sctp => full(None, ProtocolName::Sctp),
            Self::All => Vec::new(),
        }
    }

    fn hold(self, protocol: Protocol, port: u16) -> bool {
        match self {
            Self::One => (protocol, port) == (Protocol::Tcp, 80),
            Self::Range => protocol == Protocol::Tcp && (9200..=9300).contains(&port),
            Self::Udp => (protocol, port) == (Protocol::Udp, 53),
            Self::Sctp => protocol == Protocol::Sctp,
            Self::All => true,
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    /// Namespace, labels (equal numbers are equal labels), replicas.
    workloads: Vec<(usize, usize, u32)>,
    flows: Vec<(Who, Who, Ports)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let workload = (0..2_usize, 0..4_usize, 1..3_u32);
    prop::collection::vec(workload, 2..7).prop_flat_map(|workloads| {
        let inside = (0..workloads.len()).prop_map(Who::Workload);
        let any =
            prop_oneof![4 => inside.clone(), 1 => Just(Who::World), 1 => (0..2_usize).prop_map(Who::Block)];
        let ports = prop::sample::select(vec![Ports::One, Ports::Range, Ports::Udp, Ports::Sctp, Ports::All]);
        // At least one end is inside.
        let ends = prop_oneof![(inside.clone(), any.clone()), (any, inside)];
        let flow = (ends, ports);
        let flows = prop::collection::vec(flow, 1..8)
            .prop_map(|flows| flows.into_iter().map(|((from, to), ports)| (from, to, ports)).collect());
        flows.prop_map(move |flows| Case { workloads: workloads.clone(), flows })
    })
}

fn name(index: usize) -> String {
    format!("w{index}")
}

impl Case {
    fn cluster(&self) -> Cluster {
        let namespaces = NAMESPACES.iter().map(|name| Namespace::new(name, &Labels::default())).collect();
        let mut cluster = Cluster { namespaces, ..Cluster::default() };
        for (index, (namespace, labels, replicas)) in self.workloads.iter().enumerate() {
            let app = format!("app-{labels}");
            let mut pod = Pod::new(NAMESPACES[*namespace], &name(index), [("app", app.as_str())]);
            pod.replicas = *replicas;
            cluster.pods.push(pod);
        }
        cluster.normalise();
        cluster
    }

    fn file(&self) -> FlowFile {
        let party = |who: Who| match who {
            Who::World => Party::World,
            Who::Block(block) => Party::Cidr(Cidr(BLOCKS[block].parse().unwrap())),
            Who::Workload(index) => Party::Workload(WorkloadName {
                namespace: NAMESPACES[self.workloads[index].0].to_owned(),
                name: name(index),
                kind: None,
            }),
        };
        let flow = |(from, to, ports): &(Who, Who, Ports)| Flow {
            from: party(*from),
            to: party(*to),
            ports: ports.written(),
            reason: String::new(),
            pipeline: None,
        };
        FlowFile {
            flows: self.flows.iter().map(flow).collect(),
            dns: Dns { enabled: false, ..Dns::default() },
            ..FlowFile::default()
        }
    }

    /// Whether an end of a flow is this pod, or, if `alike`, one that labels can't tell from it; or covers this address.
    fn is(&self, who: Who, end: Endpoint, alike: bool, cluster: &Cluster) -> bool {
        match (who, end) {
            (Who::Workload(index), Endpoint::Pod(pod)) => {
                let (namespace, labels, _) = self.workloads[index];
                let pod = &cluster.pods[pod.0];
                let app = format!("app-{labels}");
                let same =
                    *pod.namespace == *NAMESPACES[namespace] && pod.labels.get("app") == Some(app.as_str());
                if alike { same } else { *pod.name == *name(index) }
            }
            (Who::Block(block), Endpoint::Address(address)) => {
                BLOCKS[block].parse::<IpNet>().unwrap().contains(&address)
            }
            (Who::World, Endpoint::Address(address)) => address.to_string() != "169.254.169.254",
            _ => false,
        }
    }

    fn declared(
        &self,
        ends: (Endpoint, Endpoint),
        port: (Protocol, u16),
        alike: bool,
        cluster: &Cluster,
    ) -> bool {
        self.flows.iter().any(|(from, to, ports)| {
            ports.hold(port.0, port.1)
                && self.is(*from, ends.0, alike, cluster)
                && self.is(*to, ends.1, alike, cluster)
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn everything_declared_is_allowed_and_nothing_else_that_labels_can_prevent(case in cases()) {
        let cluster = case.cluster();
        let units = Units::of(&cluster);
        let needs = Needs::resolve(&case.file(), &cluster, &units).unwrap();
        let plan = Plan::generate(&cluster, &units, &needs);
        let proof = Proof::of(&cluster, &units, &needs, &plan.policies);
        prop_assert!(proof.holds(), "{:#?}\n{:#?}", proof, plan.policies);

        let mut locked = cluster.clone();
        locked.network_policies = plan.policies.clone();
        locked.normalise();
        let reach = Reachability::compute(&locked, &Options::default());
        let pods = (0..cluster.pods.len()).map(|pod| Endpoint::Pod(PodId(pod)));
        let addresses = ADDRESSES.iter().map(|address| Endpoint::Address(address.parse::<IpAddr>().unwrap()));
        let ends: Vec<Endpoint> = pods.chain(addresses).collect();
        let in_scope = |end: &Endpoint| match end {
            Endpoint::Pod(pod) => needs.scope.contains(&*cluster.pods[pod.0].namespace),
            Endpoint::Address(_) => false,
        };
        for from in &ends {
            for to in ends.iter().filter(|to| in_scope(from) || in_scope(to)) {
                // A pod and itself: nothing can be declared, or prevented.
                if from == to && matches!(from, Endpoint::Pod(pod) if cluster.pods[pod.0].replicas == 1) {
                    continue;
                }
                for protocol in Protocol::ALL {
                    for port in PORTS {
                        let allowed = reach.allowed(*from, *to, protocol, port);
                        let declared =
                            |alike| case.declared((*from, *to), (protocol, port), alike, &cluster);
                        let at = format!("{from:?} => {to:?} {protocol:?} {port}");
                        prop_assert!(allowed || !declared(false), "declared and not allowed: {}", at);
                        prop_assert!(!allowed || declared(true), "allowed and not declared: {}", at);
                    }
                }
            }
        }
    }

    #[test]
    fn twins_of_other_kinds_allow_what_was_declared(case in cases()) {
        let cluster = case.cluster();
        let units = Units::of(&cluster);
        let needs = Needs::resolve(&case.file(), &cluster, &units).unwrap();
        let plan = Plan::generate(&cluster, &units, &needs);
        let admin = render::cluster_network_policies(&plan, &needs.flows).unwrap();
        let twin = Twin::of_cluster_network_policies(&cluster, &units, &needs, &admin);
        prop_assert!(twin.holds(), "{:#?}\n{:#?}", twin, admin);
        let (mesh, _) = render::authorization_policies(&cluster, &units, &needs, &plan);
        let twin = Twin::of_authorization_policies(&cluster, &units, &needs, &mesh);
        prop_assert!(twin.holds(), "{:#?}\n{:#?}", twin, mesh);
    }
}
