//! engine(generate(F)) = F ∪ what can't be prevented, for random clusters and flows; the oracle is a loop over flows.

use std::collections::BTreeMap;

use parapet_policy::flows::{Dns, Flow, FlowFile, FlowPort, Party, PodsOf, WorkloadName};
use parapet_policy::{Cidr, DEFAULT_DENY, Needs, Note, Plan, Proof, Units};
use parapet_reach::model::{Cluster, Namespace, Pod};
use parapet_reach::{IpBlockPods, Options, PodId, Protocol, Reachability};
use proptest::prelude::*;

const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const PORTS: [u16; 4] = [80, 443, 9200, 9300];

#[derive(Clone, Debug)]
struct Case {
    /// For each workload: its namespace and its replicas.
    workloads: Vec<(usize, u32)>,
    /// Client, server (the last is the world), port.
    flows: Vec<(usize, usize, usize)>,
}

fn cases() -> impl Strategy<Value = Case> {
    (2..9_usize).prop_flat_map(|count| {
        let workloads = prop::collection::vec((0..3_usize, 1..3_u32), count);
        let flows = prop::collection::vec((0..count, 0..=count, 0..PORTS.len()), 1..12);
        (workloads, flows).prop_map(|(workloads, flows)| Case { workloads, flows })
    })
}

impl Case {
    fn cluster(&self) -> Cluster {
        let mut cluster = Cluster::default();
        for name in NAMESPACES {
            cluster.namespaces.push(Namespace::new(name, &Default::default()));
        }
        for (index, (namespace, replicas)) in self.workloads.iter().enumerate() {
            // Two labels that only together tell workloads apart, and one that changes with each roll-out.
            let labels = [
                ("app".to_owned(), format!("app-{}", index / 2)),
                ("role".to_owned(), ["leader", "worker"][index % 2].to_owned()),
                ("pod-template-hash".to_owned(), format!("{index:05x}")),
            ];
            let mut pod = Pod::new(
                NAMESPACES[*namespace],
                &name(index),
                parapet_reach::model::Labels::from_iter(labels),
            );
            pod.replicas = *replicas;
            cluster.pods.push(pod);
        }
        cluster.normalise();
        cluster
    }

    fn file(&self) -> FlowFile {
        let party = |index: usize| match self.workloads.get(index) {
            None => Party::World,
            Some((namespace, _)) => Party::Workload(WorkloadName {
                namespace: NAMESPACES[*namespace].to_owned(),
                name: name(index),
                kind: None,
            }),
        };
        let flows = self.flows.iter().map(|(from, to, port)| Flow {
            from: party(*from),
            to: party(*to),
            ports: vec![FlowPort::Number(PORTS[*port])],
            reason: String::new(),
            pipeline: None,
        });
        FlowFile {
            flows: flows.collect(),
            dns: Dns { enabled: false, ..Dns::default() },
            ..FlowFile::default()
        }
    }

    fn declared(&self, from: &str, to: &str, port: u16) -> bool {
        self.flows
            .iter()
            .any(|flow| (name(flow.0), name(flow.1), PORTS[flow.2]) == (from.into(), to.into(), port))
    }
}

fn name(index: usize) -> String {
    format!("w{index}")
}

proptest! {
    #[test]
    fn what_is_generated_allows_what_was_declared_and_nothing_else(case in cases()) {
        let cluster = case.cluster();
        let units = Units::of(&cluster);
        let needs = Needs::resolve(&case.file(), &cluster, &units).unwrap();
        let plan = Plan::generate(&cluster, &units, &needs);
        let proof = Proof::of(&cluster, &units, &needs, &plan.policies);
        prop_assert!(proof.holds(), "{proof:#?}\n{:#?}", plan.policies);

        let mut locked = cluster.clone();
        locked.network_policies = plan.policies.clone();
        locked.normalise();
        let reach = Reachability::compute(&locked, &Options::default());
        for (from, source) in cluster.pods.iter().enumerate() {
            for (to, destination) in cluster.pods.iter().enumerate() {
                let concerned = [&source.namespace, &destination.namespace]
                    .iter()
                    .any(|namespace| needs.scope.contains(&***namespace));
                if !concerned || (from == to && source.replicas == 1) {
                    continue;
                }
                for port in PORTS.into_iter().chain([1, 65_535]) {
                    prop_assert_eq!(
                        reach.allowed(PodId(from), PodId(to), Protocol::Tcp, port),
                        case.declared(&source.name, &destination.name, port),
                        "{} => {} : {}", source.name, destination.name, port
                    );
                }
                prop_assert!(!reach.allowed(PodId(from), PodId(to), Protocol::Udp, 80));
            }
        }
    }

    #[test]
    fn the_order_of_flows_never_shows(case in cases()) {
        let cluster = case.cluster();
        let units = Units::of(&cluster);
        let forth = Needs::resolve(&case.file(), &cluster, &units).unwrap();
        let mut reversed = case.clone();
        reversed.flows.reverse();
        let back = Needs::resolve(&reversed.file(), &cluster, &units).unwrap();
        prop_assert_eq!(
            Plan::generate(&cluster, &units, &forth).policies,
            Plan::generate(&cluster, &units, &back).policies
        );
    }

    #[test]
    fn without_any_one_rule_something_declared_breaks(case in cases()) {
        let cluster = case.cluster();
        let units = Units::of(&cluster);
        let needs = Needs::resolve(&case.file(), &cluster, &units).unwrap();
        let plan = Plan::generate(&cluster, &units, &needs);
        for (index, policy) in plan.policies.iter().enumerate() {
            for egress in [false, true] {
                let count = if egress { policy.egress.len() } else { policy.ingress.len() };
                for rule in 0..count {
                    let mut policies = plan.policies.clone();
                    let rules = if egress { &mut policies[index].egress } else { &mut policies[index].ingress };
                    rules.remove(rule);
                    prop_assert!(!Proof::of(&cluster, &units, &needs, &policies).missing.is_empty());
                }
            }
        }
    }
}

#[test]
fn the_world_is_reached_but_not_the_clouds_metadata() {
    let case = Case { workloads: vec![(0, 1), (0, 1)], flows: vec![(0, 2, 1)] };
    let cluster = case.cluster();
    let units = Units::of(&cluster);
    let needs = Needs::resolve(&case.file(), &cluster, &units).unwrap();
    let mut locked = cluster.clone();
    locked.network_policies = Plan::generate(&cluster, &units, &needs).policies;
    let reach = Reachability::compute(&locked, &Options::default());
    let to = |address: &str| -> std::net::IpAddr { address.parse().unwrap() };
    assert!(reach.allowed(PodId(0), to("192.0.2.1"), Protocol::Tcp, 443));
    assert!(reach.allowed(PodId(0), to("2001:db8::1"), Protocol::Tcp, 443));
    assert!(!reach.allowed(PodId(0), to("192.0.2.1"), Protocol::Tcp, 80));
    for metadata in ["169.254.169.254", "fd00:ec2::254"] {
        assert!(!reach.allowed(PodId(0), to(metadata), Protocol::Tcp, 443), "{metadata}");
    }
    assert!(!reach.allowed(to("192.0.2.1"), PodId(0), Protocol::Tcp, 443));
}

#[test]
fn the_world_has_no_pods_whatever_blocks_cover() {
    let case = Case { workloads: vec![(0, 1), (1, 1)], flows: vec![(0, 2, 1)] };
    let mut cluster = case.cluster();
    cluster.pods[1].addresses = vec!["10.244.1.7".parse().unwrap(), "fd01::7".parse().unwrap()];
    let units = Units::of(&cluster);
    let reached = |pods: &[&str]| {
        let pod_cidrs = pods.iter().map(|cidr| Cidr(cidr.parse().unwrap())).collect();
        let needs = Needs::resolve(&FlowFile { pod_cidrs, ..case.file() }, &cluster, &units).unwrap();
        let plan = Plan::generate(&cluster, &units, &needs);
        let proof = Proof::of(&cluster, &units, &needs, &plan.policies);
        assert!(proof.holds(), "{proof:#?}");
        let told = needs.notes.iter().any(|note| matches!(note, Note::BlocksMayCoverPods { .. }));
        assert_eq!(told, pods.is_empty());
        let locked = Cluster { network_policies: plan.policies, ..cluster.clone() };
        let options = Options { ip_block_pods: IpBlockPods::Always, ..Options::default() };
        let reach = Reachability::compute(&locked, &options);
        let outside: std::net::IpAddr = "192.0.2.1".parse().unwrap();
        assert!(reach.allowed(PodId(0), outside, Protocol::Tcp, 443));
        reach.allowed(PodId(0), PodId(1), Protocol::Tcp, 443)
    };
    assert!(reached(&[]));
    // Overlapping ones, and the metadata service's, become one list that the API server takes.
    assert!(!reached(&["10.244.0.0/16", "10.244.1.0/24", "169.254.0.0/16", "fd01::/64"]));
    // The whole of a family would leave nothing of it, and can't be cut out of itself.
    assert!(reached(&["0.0.0.0/0", "::/0"]));
}

#[test]
fn names_are_resolved_by_the_name_servers_alone_over_udp_and_tcp() {
    let mut case = Case { workloads: vec![(0, 1), (1, 1)], flows: vec![(0, 1, 2)] }.file();
    case.dns = Dns::default();
    let mut cluster = Case { workloads: vec![(0, 1), (1, 1)], flows: vec![] }.cluster();
    cluster.pods.push(Pod::new("kube-system", "dns", [("k8s-app", "kube-dns")]));
    cluster.pods.push(Pod::new("kube-system", "other", [("k8s-app", "other")]));
    cluster.normalise();
    let units = Units::of(&cluster);
    let needs = Needs::resolve(&case, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    assert!(Proof::of(&cluster, &units, &needs, &plan.policies).holds());
    let mut locked = cluster.clone();
    locked.network_policies = plan.policies.clone();
    let reach = Reachability::compute(&locked, &Options::default());
    let pod = |name: &str| PodId(cluster.pods.iter().position(|pod| &*pod.name == name).unwrap());
    for (protocol, port, expect) in
        [(Protocol::Udp, 53, true), (Protocol::Tcp, 53, true), (Protocol::Tcp, 5353, false)]
    {
        assert_eq!(reach.allowed(pod("w0"), pod("dns"), protocol, port), expect);
        // A server opens no connections, so it asks for no names.
        assert!(!reach.allowed(pod("w1"), pod("dns"), protocol, port));
        assert!(!reach.allowed(pod("w0"), pod("other"), protocol, port));
    }
    assert!(plan.policies.iter().all(|policy| &*policy.namespace != "kube-system"));

    // Without name servers among what was read, they are allowed by their labels.
    let blind = Case { workloads: vec![(0, 1), (1, 1)], flows: vec![] }.cluster();
    let units = Units::of(&blind);
    let needs = Needs::resolve(&case, &blind, &units).unwrap();
    assert_eq!(needs.notes.len(), 1);
    let again = Plan::generate(&blind, &units, &needs);
    assert_eq!(again.policies, plan.policies);
    assert!(Proof::of(&blind, &units, &needs, &again.policies).holds());
}

#[test]
fn what_labels_cannot_tell_apart_is_reported_tuple_by_tuple() {
    let mut cluster = Cluster::default();
    cluster.pods.push(Pod::new("a", "one", [("app", "same")]));
    cluster.pods.push(Pod::new("a", "two", [("app", "same")]));
    cluster.pods.push(Pod::new("a", "db", [("app", "db")]));
    cluster.normalise();
    let units = Units::of(&cluster);
    let workload =
        |name: &str| Party::Workload(WorkloadName { namespace: "a".into(), name: name.into(), kind: None });
    let flow = Flow {
        from: workload("one"),
        to: workload("db"),
        ports: vec![FlowPort::Number(5432)],
        reason: String::new(),
        pipeline: None,
    };
    let file =
        FlowFile { flows: vec![flow], dns: Dns { enabled: false, ..Dns::default() }, ..FlowFile::default() };
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    let proof = Proof::of(&cluster, &units, &needs, &plan.policies);
    assert!(proof.holds());
    let told: Vec<String> = proof.excess.iter().map(|excess| excess.tuple.to_string()).collect();
    assert_eq!(told, ["a/two[Pod] => a/db[Pod] : TCP 5432"]);
    assert_eq!(needs.notes.len(), 1, "{:?}", needs.notes);
}

#[test]
fn a_namespace_without_flows_can_be_locked_down_too() {
    let case = Case { workloads: vec![(0, 1), (1, 1)], flows: vec![(0, 2, 1)] };
    let file = FlowFile { namespaces: vec!["b".into()], ..case.file() };
    let cluster = case.cluster();
    let units = Units::of(&cluster);
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    let names: Vec<(&str, &str)> = plan.policies.iter().map(|p| (&*p.namespace, &*p.name)).collect();
    assert_eq!(names, [("b", DEFAULT_DENY)]);
}

#[test]
fn what_others_policies_cut_is_not_ours_to_prove() {
    // From b to c, where c has a policy of its own that denies it; only a is locked down.
    let case = Case { workloads: vec![(0, 1), (1, 1), (2, 1)], flows: vec![(0, 1, 0), (1, 2, 0)] };
    let mut cluster = case.cluster();
    let mut deny = parapet_reach::model::NetworkPolicy::new("c", "deny", Default::default());
    deny.isolates_ingress = true;
    cluster.network_policies.push(deny);
    let units = Units::of(&cluster);
    let file = FlowFile { namespaces: vec!["a".into()], ..case.file() };
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    let proof = Proof::of(&cluster, &units, &needs, &plan.policies);
    assert!(proof.holds(), "{proof:?}");
}

#[test]
fn parties_that_are_nobody_and_ports_that_are_none_are_named() {
    let cluster = Case { workloads: vec![(0, 1), (0, 1)], flows: vec![] }.cluster();
    let units = Units::of(&cluster);
    let resolve = |from: Party, to: Party, port: FlowPort| {
        let flow = Flow { from, to, ports: vec![port], reason: String::new(), pipeline: None };
        let file = FlowFile { flows: vec![flow], ..FlowFile::default() };
        Needs::resolve(&file, &cluster, &units).unwrap_err().to_string()
    };
    let pods = |app: &str| {
        Party::Pods(PodsOf { namespace: "a".into(), labels: BTreeMap::from([("app".into(), app.into())]) })
    };
    assert_eq!(
        resolve(pods("nope"), pods("app-0"), FlowPort::Number(80)),
        "flow 1: no workload matches a/app=nope; there are: a/w0[Pod], a/w1[Pod]"
    );
    assert_eq!(
        resolve(pods("app-0"), Party::World, FlowPort::Text("http".into())),
        "flow 1: \"http\" is no port; write 9200, \"9300-9400\" or a container port's name"
    );
    assert_eq!(
        resolve(pods("app-0"), pods("app-0"), FlowPort::Text("http".into())),
        "flow 1: a/w0[Pod] has no container port named \"http\"; give its number"
    );
    assert_eq!(
        resolve(pods("app-0"), pods("app-0"), FlowPort::Text("9400-9300".into())),
        "flow 1: a/w0[Pod] has no container port named \"9400-9300\"; give its number"
    );
    assert_eq!(
        resolve(Party::World, Party::World, FlowPort::Number(1)),
        "flow 1: neither end is in the cluster, so no policy of the cluster decides about it"
    );
    assert_eq!(
        resolve(pods("app-0"), Party::ApiServer, FlowPort::Number(443)),
        "flow 1 needs the addresses of the Kubernetes API; give them as `apiServer.addresses` in a file of flows"
    );
}
