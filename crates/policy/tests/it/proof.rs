//! The proof finds what is wrong with policies that others wrote.

use parapet_policy::flows::{Dns, Flow, FlowFile, FlowPort, Party, WorkloadName};
use parapet_policy::{ExcessReason, Needs, Plan, Proof, Units};
use parapet_reach::Protocol;
use parapet_reach::model::{Cluster, NetworkPolicy, Pod, PolicyPort, Rule};

fn world() -> (Cluster, Units, Needs, Vec<NetworkPolicy>) {
    let mut cluster = Cluster::default();
    for name in ["web", "api", "db"] {
        cluster.pods.push(Pod::new("shop", name, [("app", name)]));
    }
    cluster.normalise();
    let units = Units::of(&cluster);
    let workload = |name: &str| {
        Party::Workload(WorkloadName { namespace: "shop".into(), name: name.into(), kind: None })
    };
    let flow = |from: &str, to: &str, port: u16| Flow {
        from: workload(from),
        to: workload(to),
        ports: vec![FlowPort::Number(port)],
        reason: String::new(),
        pipeline: None,
    };
    let file = FlowFile {
        flows: vec![flow("web", "api", 8080), flow("api", "db", 5432)],
        dns: Dns { enabled: false, ..Dns::default() },
        ..FlowFile::default()
    };
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    let policies = Plan::generate(&cluster, &units, &needs).policies;
    (cluster, units, needs, policies)
}

#[test]
fn a_rule_too_many_is_excess() {
    let (cluster, units, needs, mut policies) = world();
    let db = policies.iter_mut().find(|policy| &*policy.name == "allow-db").unwrap();
    db.ingress.push(Rule { peers: None, ports: Some(vec![PolicyPort::one(Protocol::Tcp, 22)]) });
    let proof = Proof::of(&cluster, &units, &needs, &policies);
    assert!(!proof.holds());
    // In the cluster nobody may go out to it, so only the outside gets in.
    assert!(proof.excess.iter().all(|excess| excess.reason == ExcessReason::Unexplained));
    assert!(proof.excess.iter().all(|excess| excess.tuple.to == "shop/db[Pod]"), "{:?}", proof.excess);
    assert_eq!(proof.removable, ["shop/allow-db: Ingress rule 2"]);
}

#[test]
fn a_rule_too_few_is_missing() {
    let (cluster, units, needs, mut policies) = world();
    policies.iter_mut().find(|policy| &*policy.name == "allow-db").unwrap().ingress.clear();
    let proof = Proof::of(&cluster, &units, &needs, &policies);
    let told: Vec<String> = proof.missing.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["shop/api[Pod] => shop/db[Pod] : TCP 5432"]);
}

#[test]
fn without_any_policy_everything_is_excess() {
    let (cluster, units, needs, _) = world();
    let proof = Proof::of(&cluster, &units, &needs, &[]);
    assert!(proof.missing.is_empty() && !proof.holds());
    // Each pair but a pod and itself, and the outside in both directions and both IP versions.
    assert_eq!(proof.excess.len(), 3 * 2 + 3 * 2 * 2);
}

#[test]
fn shared_labels_excuse_what_their_owner_may_and_nothing_else() {
    let (mut cluster, _, _, _) = world();
    cluster.pods.push(Pod::new("shop", "web-again", [("app", "web")]));
    cluster.normalise();
    let units = Units::of(&cluster);
    let workload = |name: &str| {
        Party::Workload(WorkloadName { namespace: "shop".into(), name: name.into(), kind: None })
    };
    let flow = Flow {
        from: workload("web"),
        to: workload("api"),
        ports: vec![FlowPort::Number(8080)],
        reason: String::new(),
        pipeline: None,
    };
    let file =
        FlowFile { flows: vec![flow], dns: Dns { enabled: false, ..Dns::default() }, ..FlowFile::default() };
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    let mut policies = Plan::generate(&cluster, &units, &needs).policies;
    let proof = Proof::of(&cluster, &units, &needs, &policies);
    assert!(proof.holds() && proof.excess.len() == 1, "{proof:#?}");
    // Whoever shares labels could be let into anything by a policy that is wider than need be.
    for policy in policies.iter_mut().filter(|policy| &*policy.name == "allow-web") {
        policy.egress.push(Rule { peers: None, ports: Some(vec![PolicyPort::one(Protocol::Tcp, 22)]) });
    }
    let proof = Proof::of(&cluster, &units, &needs, &policies);
    assert!(!proof.holds());
    let wide = proof.excess.iter().filter(|one| one.reason == ExcessReason::Unexplained);
    assert!(wide.clone().any(|one| one.tuple.from == "shop/web-again[Pod]"), "{proof:#?}");
    let mut ports = wide.map(|one| one.tuple.ports.to_string());
    assert!(ports.all(|ports| ports == "TCP 22"), "{proof:#?}");
}

#[test]
fn a_roll_out_that_is_not_over_is_no_reason_to_doubt() {
    // Old pods of the neighbour still have the label that tells the web apart today.
    let mut cluster = Cluster::default();
    let mut pod = |name: &str, workload: &str, app: &str| {
        let mut pod = Pod::new("shop", name, [("app", app)]);
        pod.workload = parapet_reach::model::WorkloadRef { kind: "Deployment".into(), name: workload.into() };
        cluster.pods.push(pod);
    };
    pod("web-1", "web", "web");
    pod("old-1", "old", "web");
    pod("old-2", "old", "old");
    pod("db-1", "db", "db");
    cluster.normalise();
    let units = Units::of(&cluster);
    let workload = |name: &str| {
        Party::Workload(WorkloadName { namespace: "shop".into(), name: name.into(), kind: None })
    };
    let flow = Flow {
        from: workload("web"),
        to: workload("db"),
        ports: vec![FlowPort::Number(5432)],
        reason: String::new(),
        pipeline: None,
    };
    let file =
        FlowFile { flows: vec![flow], dns: Dns { enabled: false, ..Dns::default() }, ..FlowFile::default() };
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    assert_eq!(needs.notes.len(), 1, "{:?}", needs.notes);
    let plan = Plan::generate(&cluster, &units, &needs);
    let proof = Proof::of(&cluster, &units, &needs, &plan.policies);
    assert!(proof.holds(), "{proof:#?}");
    assert_eq!(proof.excess.len(), 1);
    assert_eq!(proof.excess[0].tuple.to_string(), "shop/old[Deployment] => shop/db[Deployment] : TCP 5432");
}
