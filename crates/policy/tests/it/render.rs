//! What is rendered, read back by `reach`, is what was planned; the twins do the same.

use parapet_policy::flows::{Flow, FlowFile, FlowPort, Party, WorkloadName};
use parapet_policy::{Cidr, Needs, Plan, Twin, Units, WiderReason, render};
use parapet_reach::{Options, PodId, Protocol, Reachability};
use serde_json::{Value, json};

use crate::shop::{deployment, read, shop};

#[test]
fn network_policies_read_back_are_the_plan() {
    let (cluster, units, needs) = shop();
    let plan = Plan::generate(&cluster, &units, &needs);
    let documents = render::network_policies(&plan, &needs.flows);
    // What allows is applied before what denies.
    let names: Vec<&str> =
        documents.iter().map(|document| document["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["allow-db", "allow-api", "allow-web", "default-deny", "default-deny"]);
    let told = documents[0]["metadata"]["annotations"][render::FLOWS_ANNOTATION].as_str().unwrap();
    assert_eq!(told, "shop/api to data/db: a reason");
    assert_eq!(read(documents).network_policies, {
        let mut policies = plan.policies.clone();
        policies.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        policies
    });
}

#[test]
fn cluster_network_policies_allow_the_same_inside_and_towards_the_outside() {
    let (mut cluster, units, needs) = shop();
    // Networks cover pods in this kind: what may go to the world must not go to pods by it.
    for (pod, number) in cluster.pods.iter_mut().zip(1..) {
        pod.addresses = vec![format!("10.0.0.{number}").parse().unwrap()];
    }
    let plan = Plan::generate(&cluster, &units, &needs);
    let mut twins = cluster.clone();
    twins.admin_policies =
        read(render::cluster_network_policies(&plan, &needs.flows).unwrap()).admin_policies;
    twins.normalise();
    let mut locked = cluster.clone();
    locked.network_policies = plan.policies;
    let (ours, twin) = (
        Reachability::compute(&locked, &Options::default()),
        Reachability::compute(&twins, &Options::default()),
    );
    for from in 0..cluster.pods.len() {
        for to in (0..cluster.pods.len()).filter(|to| *to != from) {
            assert_eq!(
                ours.connections(PodId(from), PodId(to)),
                twin.connections(PodId(from), PodId(to)),
                "{from} {to}"
            );
        }
        for (address, port) in
            [("192.0.2.1", 443), ("192.0.2.1", 80), ("169.254.169.254", 443), ("2001:db8::1", 443)]
        {
            let address: std::net::IpAddr = address.parse().unwrap();
            assert_eq!(
                ours.allowed(PodId(from), address, Protocol::Tcp, port),
                twin.allowed(PodId(from), address, Protocol::Tcp, port),
                "{from} {address} {port}"
            );
        }
    }
}

#[test]
fn twins_are_read_back_and_what_their_kinds_leave_open_is_told() {
    let (mut cluster, units, needs) = shop();
    for (pod, number) in cluster.pods.iter_mut().zip(1..) {
        pod.addresses = vec![format!("10.0.0.{number}").parse().unwrap()];
    }
    let plan = Plan::generate(&cluster, &units, &needs);
    let admin = render::cluster_network_policies(&plan, &needs.flows).unwrap();
    let twin = Twin::of_cluster_network_policies(&cluster, &units, &needs, &admin);
    assert!(twin.holds() && twin.wider.is_empty() && twin.pairs > 16, "{twin:#?}");
    // Without what a workload may, something is missing; without what keeps networks from covering pods it is wider.
    for document in 0..3 {
        let mut less = admin.clone();
        for key in ["ingress", "egress"] {
            if let Some(rules) = less[document]["spec"][key].as_array_mut() {
                rules.clear();
            }
        }
        let twin = Twin::of_cluster_network_policies(&cluster, &units, &needs, &less);
        assert!(!twin.holds() && !twin.missing.is_empty(), "{document}: {twin:#?}");
    }
    let mut open = admin.clone();
    for document in &mut open {
        if let Some(rules) = document["spec"]["egress"].as_array_mut() {
            rules.retain(|rule| rule["name"] != "no-other-pods");
        }
    }
    let twin = Twin::of_cluster_network_policies(&cluster, &units, &needs, &open);
    assert!(twin.wider.iter().any(|wider| wider.why == WiderReason::Unexplained), "{twin:#?}");

    let (mesh, _) = render::authorization_policies(&cluster, &units, &needs, &plan);
    let twin = Twin::of_authorization_policies(&cluster, &units, &needs, &mesh);
    assert!(twin.holds(), "{twin:#?}");
    let told: Vec<(String, WiderReason)> =
        twin.wider.iter().map(|wider| (wider.tuple.to_string(), wider.why)).collect();
    let ranges = "TCP 1-8999,9101-15019,15021-15089,15091-65535";
    assert_eq!(
        told,
        [(format!("shop/web[Deployment] => shop/api[Deployment] : {ranges}"), WiderReason::ManyPorts)]
    );
    let without_db: Vec<Value> =
        mesh.iter().filter(|document| document["metadata"]["name"] != "allow-db").cloned().collect();
    let twin = Twin::of_authorization_policies(&cluster, &units, &needs, &without_db);
    let missing: Vec<String> = twin.missing.iter().map(ToString::to_string).collect();
    assert_eq!(missing, ["shop/api[Deployment] => data/db[Deployment] : TCP 5432"]);
    let without_deny: Vec<Value> =
        mesh.iter().filter(|document| document["metadata"]["name"] != "default-deny").cloned().collect();
    let twin = Twin::of_authorization_policies(&cluster, &units, &needs, &without_deny);
    assert!(!twin.holds() && twin.wider.iter().any(|wider| wider.tuple.to.contains("spare")), "{twin:#?}");
}

#[test]
fn clients_that_share_an_account_are_told_by_the_meshs_twin() {
    let mut objects =
        vec![deployment("shop", "web", 8080), deployment("shop", "job", 1), deployment("data", "db", 5432)];
    for object in &mut objects[..2] {
        object["spec"]["template"]["spec"]["serviceAccountName"] = "default".into();
    }
    let cluster = read(objects);
    let units = Units::of(&cluster);
    let workload = |namespace: &str, name: &str| {
        Party::Workload(WorkloadName { namespace: namespace.into(), name: name.into(), kind: None })
    };
    let flow = Flow {
        from: workload("shop", "web"),
        to: workload("data", "db"),
        ports: vec![FlowPort::Number(5432)],
        reason: String::new(),
        pipeline: None,
    };
    let needs =
        Needs::resolve(&FlowFile { flows: vec![flow], ..FlowFile::default() }, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    let (documents, _) = render::authorization_policies(&cluster, &units, &needs, &plan);
    let twin = Twin::of_authorization_policies(&cluster, &units, &needs, &documents);
    let told: Vec<(String, WiderReason)> =
        twin.wider.iter().map(|wider| (wider.tuple.to_string(), wider.why)).collect();
    let tuple = "shop/job[Deployment] => data/db[Deployment] : TCP 5432".to_owned();
    assert_eq!(told, [(tuple, WiderReason::SameAccount)]);
    assert!(twin.holds());
}

#[test]
fn the_meshs_twin_names_service_accounts_and_what_it_cannot_say() {
    let (cluster, units, needs) = shop();
    let plan = Plan::generate(&cluster, &units, &needs);
    let (documents, limits) = render::authorization_policies(&cluster, &units, &needs, &plan);
    let db = documents.iter().find(|document| document["metadata"]["name"] == "allow-db").unwrap();
    assert_eq!(
        db["spec"]["rules"],
        json!([{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/api"]}}], "to": [{"operation": {"ports": ["5432"]}}]}])
    );
    let denies = documents.iter().filter(|document| document["spec"] == json!({})).count();
    assert_eq!((denies, documents.len()), (2, 5));
    // 101 ports are more than a list should hold.
    assert_eq!(limits, ["shop/api[Deployment]: ranges of ports have no form here; every port is allowed"]);
}

#[test]
fn what_is_cut_out_of_one_block_is_not_cut_out_of_another() {
    let cluster = read(vec![deployment("shop", "web", 8080)]);
    let units = Units::of(&cluster);
    let web = || Party::Workload(WorkloadName { namespace: "shop".into(), name: "web".into(), kind: None });
    let flow = |from| Flow {
        from,
        to: web(),
        ports: vec![FlowPort::Number(8080)],
        reason: String::new(),
        pipeline: None,
    };
    let metadata = Cidr("169.254.169.254/32".parse().unwrap());
    let file =
        FlowFile { flows: vec![flow(Party::World), flow(Party::Cidr(metadata))], ..FlowFile::default() };
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    let (documents, _) = render::authorization_policies(&cluster, &units, &needs, &plan);
    let rule = &documents[0]["spec"]["rules"][0]["from"];
    let source = |block: &str| {
        let sources = rule.as_array().unwrap().iter().map(|from| &from["source"]);
        let mut found =
            sources.filter(|source| source["ipBlocks"].as_array().unwrap().contains(&block.into()));
        found.next().unwrap().clone()
    };
    assert_eq!(source("0.0.0.0/0")["notIpBlocks"], json!(["169.254.169.254/32"]));
    assert_eq!(source("169.254.169.254/32").get("notIpBlocks"), None);

    // The same towards them, in the kind that has no exceptions.
    let towards = |to| Flow { from: web(), to, ports: vec![FlowPort::Number(80)], ..flow(Party::World) };
    let flows = vec![towards(Party::World), towards(Party::Cidr(metadata))];
    let needs = Needs::resolve(&FlowFile { flows, ..FlowFile::default() }, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    let documents = render::cluster_network_policies(&plan, &needs.flows).unwrap();
    let twin = Twin::of_cluster_network_policies(&cluster, &units, &needs, &documents);
    assert!(twin.holds() && twin.wider.is_empty(), "{twin:#?}");
}

#[test]
fn many_blocks_of_pods_are_cut_out_in_lists_that_the_api_takes() {
    let (cluster, units, needs) = shop();
    let pod_cidrs = (0..60).map(|at| Cidr(format!("10.{}.0.0/16", at * 2).parse().unwrap())).collect();
    let file = FlowFile { pod_cidrs, flows: needs.flows[..4].to_vec(), ..FlowFile::default() };
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    let documents = render::cluster_network_policies(&plan, &needs.flows).unwrap();
    let denies =
        documents.iter().flat_map(|document| document["spec"]["egress"].as_array().into_iter().flatten());
    let denies: Vec<&Value> = denies
        .filter(|rule| rule["name"].as_str().unwrap().starts_with("not-"))
        .flat_map(|rule| rule["to"].as_array().unwrap())
        .map(|peer| &peer["networks"])
        .collect();
    let sizes: Vec<usize> = denies.iter().map(|networks| networks.as_array().unwrap().len()).collect();
    // Sixty of IPv4 and the metadata services of both families.
    assert_eq!((sizes.iter().sum::<usize>(), sizes.iter().max()), (62, Some(&25)));
    assert!(Twin::of_cluster_network_policies(&cluster, &units, &needs, &documents).holds());
}
