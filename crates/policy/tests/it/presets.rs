//! Every preset, with all of its components, alone among strangers: what is generated is proved minimal, each flow is
//! allowed, and the strangers get nothing.

use std::collections::BTreeSet;

use parapet_policy::flows::{ApiServer, FlowFile, Party, PresetUse};
use parapet_policy::presets::{NAMES, flows};
use parapet_policy::{Cidr, End, Needs, Note, Plan, Proof, Units};
use parapet_reach::model::{Cluster, Labels, Pod, WorkloadRef};
use parapet_reach::{Endpoint, Options, PodId, Reachability};

const API_SERVER: &str = "10.96.0.1";
const NODES: &str = "10.1.0.0/16";

fn preset(name: &str) -> PresetUse {
    PresetUse {
        name: name.to_owned(),
        namespace: "stack".to_owned(),
        cluster: Some("main".to_owned()),
        users: Some("users".to_owned()),
    }
}

fn file(name: &str) -> FlowFile {
    FlowFile {
        presets: vec![preset(name)],
        nodes: vec![Cidr(NODES.parse().unwrap())],
        api_server: ApiServer {
            addresses: vec![Cidr(format!("{API_SERVER}/32").parse().unwrap())],
            ..ApiServer::default()
        },
        ..FlowFile::default()
    }
}

/// The most sets of labels that a party of a preset may have.
const INSTALLATIONS: usize = 5;

/// A workload of two pods for each party that the preset names, a stranger in each of their namespaces and elsewhere, and
/// name servers. Where a party has several sets of labels, each installation has another of them.
fn cluster(name: &str, installation: usize) -> Cluster {
    let mut cluster = Cluster::default();
    let mut add = |namespace: &str, name: String, kind: &str, labels: Labels| {
        let mut pod = Pod::new(namespace, &name, labels);
        pod.workload = WorkloadRef { kind: kind.into(), name: name.as_str().into() };
        pod.replicas = 2;
        cluster.pods.push(pod);
    };
    let parties: BTreeSet<Party> =
        flows(&preset(name)).unwrap().into_iter().flat_map(|flow| [flow.from, flow.to]).collect();
    let mut namespaces = BTreeSet::from(["elsewhere".to_owned()]);
    for (index, party) in parties.into_iter().enumerate() {
        let pods_of = match &party {
            Party::Pods(pods) => Some(pods),
            Party::AnyOf(any) => {
                assert!(any.len() <= INSTALLATIONS, "{name}: {party}");
                Some(&any[installation % any.len()])
            }
            _ => None,
        };
        match (&party, pods_of) {
            (Party::Workload(workload), _) => {
                namespaces.insert(workload.namespace.clone());
                let labels = Labels::from([("app", workload.name.as_str())]);
                add(&workload.namespace, workload.name.clone(), workload.kind.as_ref().unwrap(), labels);
            }
            (_, Some(pods)) => {
                let mut labels: Labels =
                    pods.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                if pods.labels.is_empty() {
                    // Everybody of the namespace: no stranger there, but somebody.
                    labels = labels.with("app", "somebody");
                } else {
                    namespaces.insert(pods.namespace.clone());
                }
                add(&pods.namespace, format!("part-{index}"), "Deployment", labels);
            }
            _ => {}
        }
    }
    for namespace in namespaces {
        let everybody = flows(&preset(name)).unwrap().into_iter().flat_map(|flow| [flow.from, flow.to]).any(
            |party| matches!(party, Party::Pods(pods) if pods.labels.is_empty() && pods.namespace == namespace),
        );
        if !everybody {
            add(&namespace, "stranger".to_owned(), "Deployment", Labels::from([("app", "stranger")]));
        }
    }
    add("kube-system", "dns".to_owned(), "Deployment", Labels::from([("k8s-app", "kube-dns")]));
    cluster.normalise();
    cluster
}

#[test]
fn what_each_preset_generates_is_proved_minimal() {
    for ((name, _), installation) in NAMES.iter().flat_map(|one| (0..INSTALLATIONS).map(move |n| (*one, n))) {
        let cluster = cluster(name, installation);
        let units = Units::of(&cluster);
        let needs = Needs::resolve(&file(name), &cluster, &units).unwrap();
        assert!(
            !needs.notes.iter().any(|note| matches!(note, Note::Absent { .. })),
            "{name}: {:?}",
            needs.notes
        );
        let plan = Plan::generate(&cluster, &units, &needs);
        let proof = Proof::of(&cluster, &units, &needs, &plan.policies);
        assert!(proof.holds() && proof.excess.is_empty(), "{name}: {proof:#?}");
        assert!(proof.pairs > 0 && !needs.all.is_empty(), "{name}");

        let mut locked = cluster.clone();
        locked.network_policies = plan.policies;
        locked.normalise();
        let reach = Reachability::compute(&locked, &Options::default());
        let ends = |end: &End| -> Vec<Endpoint> {
            match end {
                End::Unit(unit) => units.get(*unit).pods.iter().map(|pod| PodId(*pod).into()).collect(),
                End::Block(block) => vec![block.cidr.addr().into()],
            }
        };
        for need in &needs.all {
            for from in ends(&need.from) {
                for to in ends(&need.to) {
                    let open = reach.connections(from, to);
                    assert!(need.ports.is_subset(&open), "{name}: {from:?} => {to:?}: {open}");
                }
            }
        }
        for (index, stranger) in cluster.pods.iter().enumerate().filter(|(_, pod)| &*pod.name == "stranger") {
            for (other, pod) in cluster.pods.iter().enumerate() {
                let concerned = [&stranger.namespace, &pod.namespace]
                    .iter()
                    .any(|namespace| needs.scope.contains(&***namespace));
                if concerned && other != index {
                    let (a, b) = (PodId(index), PodId(other));
                    assert!(
                        reach.connections(a, b).is_empty() && reach.connections(b, a).is_empty(),
                        "{name}"
                    );
                }
            }
        }
    }
}

#[test]
fn components_that_are_not_there_are_noted_and_a_preset_of_none_is_refused() {
    let mut cluster = Cluster::default();
    for app in ["main-sumologic-otelcol-logs", "other"] {
        cluster.pods.push(Pod::new("stack", app, [("app", app)]));
    }
    cluster.normalise();
    let units = Units::of(&cluster);
    let needs = Needs::resolve(&file("sumologic-logs"), &cluster, &units).unwrap();
    let absent: Vec<String> = needs
        .notes
        .iter()
        .filter(|note| matches!(note, Note::Absent { .. }))
        .map(ToString::to_string)
        .collect();
    assert_eq!(absent.len(), 2, "{absent:?}");
    assert!(absent[0].contains("main-sumologic-otelcol-logs-collector"), "{absent:?}");
    let plan = Plan::generate(&cluster, &units, &needs);
    assert!(Proof::of(&cluster, &units, &needs, &plan.policies).holds());

    let error = Needs::resolve(&file("sumologic-traces"), &cluster, &units).unwrap_err().to_string();
    let expected =
        "preset sumologic-traces: nothing of it is there; no workload matches users/*, there are: ";
    assert!(error.starts_with(expected), "{error}");
}
