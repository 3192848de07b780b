//! Flows that manifests show, and what is told of those that nobody declared.

use parapet_policy::flows::{Flow, FlowFile, FlowPort, Party, WorkloadName};
use parapet_policy::{Needs, Plan, Units, infer};
use serde_json::{Value, json};

use crate::shop::{deployment, read, service};

fn ingress_to(service: &str) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "in", "namespace": "shop"},
           "spec": {"defaultBackend": {"service": {"name": service, "port": {"number": 80}}}}})
}

#[test]
fn an_ingress_is_served_by_its_controllers_pods_where_they_are_known() {
    let told = |more: Vec<Value>| -> Vec<String> {
        let objects =
            [vec![deployment("shop", "web", 8080), service("shop", "web", 80), ingress_to("web")], more]
                .concat();
        let cluster = read(objects.clone());
        let flows = infer::flows(&objects, &cluster, &Units::of(&cluster), "default");
        flows.iter().map(|flow| format!("{} => {} {:?}", flow.from, flow.to, flow.ports)).collect()
    };
    assert_eq!(told(vec![]), ["world => shop/web[Deployment] [Number(8080)]"]);
    let labelled = |labels: Value| {
        let mut controller = deployment("edge", "controller", 80);
        controller["spec"]["template"]["metadata"]["labels"] = labels;
        vec![controller]
    };
    let nginx =
        json!({"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller"});
    let by_pods = ["edge/controller[Deployment] => shop/web[Deployment] [Number(8080)]"];
    assert_eq!(told(labelled(nginx)), by_pods);
    assert_eq!(told(labelled(json!({"gateway.networking.k8s.io/gateway-name": "any"}))), by_pods);
    // What prepares the controller's webhook has its name and serves nothing.
    let job = json!({"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "admission-webhook"});
    assert_eq!(told(labelled(job)), ["world => shop/web[Deployment] [Number(8080)]"]);
}

#[test]
fn what_is_lost_outside_is_told_before_anything_is_applied() {
    let mut public = service("shop", "web", 443);
    public["spec"]["type"] = "LoadBalancer".into();
    let objects = vec![deployment("shop", "web", 8080), deployment("shop", "api", 9090), public];
    let cluster = read(objects.clone());
    let units = Units::of(&cluster);
    let workload = |name: &str| {
        Party::Workload(WorkloadName { namespace: "shop".into(), name: name.into(), kind: None })
    };
    let declared = Flow {
        from: workload("web"),
        to: workload("api"),
        ports: vec![FlowPort::Number(9090)],
        reason: String::new(),
        pipeline: None,
    };
    let resolve = |flows| {
        let file = FlowFile { flows, ..FlowFile::default() };
        Needs::resolve(&file, &cluster, &units).unwrap()
    };
    let needs = resolve(vec![declared]);
    let known = resolve(infer::flows(&objects, &cluster, &units, "default"));
    let plan = Plan::generate(&cluster, &units, &needs);
    let rollout = parapet_policy::Rollout::of(&cluster, &units, &needs, &plan.policies, Some(&known));
    let cut: Vec<String> =
        rollout.known.iter().map(|cut| format!("{} ({})", cut.tuple, cut.known_by)).collect();
    assert_eq!(
        cut,
        [
            "0.0.0.0/0 except 169.254.169.254/32 => shop/web[Deployment] : TCP 8080 (Service web is a LoadBalancer)",
            "::/0 except fd00:ec2::254/128 => shop/web[Deployment] : TCP 8080 (Service web is a LoadBalancer)",
        ]
    );
    let outside: Vec<String> = rollout
        .outside
        .iter()
        .map(|lost| format!("{} {} {}", lost.workload, lost.direction.name(), lost.ports))
        .collect();
    assert_eq!(
        outside,
        [
            "shop/api[Deployment] Egress All Connections",
            "shop/api[Deployment] Ingress TCP 9090",
            "shop/web[Deployment] Egress All Connections",
            "shop/web[Deployment] Ingress TCP 8080",
        ]
    );
    // What is declared isn't lost.
    let all = resolve(
        known
            .flows
            .iter()
            .filter(|flow| flow.from == Party::World && flow.to != Party::Dns)
            .cloned()
            .collect(),
    );
    let plan = Plan::generate(&cluster, &units, &all);
    let rollout = parapet_policy::Rollout::of(&cluster, &units, &all, &plan.policies, Some(&known));
    assert_eq!(rollout.known, []);
    assert!(
        !rollout
            .outside
            .iter()
            .any(|lost| lost.workload.contains("web") && lost.direction.name() == "Ingress")
    );
}

#[test]
fn manifests_show_who_talks_to_whom() {
    let mut web = deployment("shop", "web", 8080);
    web["spec"]["template"]["spec"]["containers"][0]["env"] = json!([
        {"name": "API", "value": "http://api:80/v1"},
        {"name": "TITLE", "value": "the api of the shop"},
        {"name": "CACHE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "cache"}}}
    ]);
    let mut api = deployment("shop", "api", 9090);
    api["spec"]["template"]["spec"]["containers"][0]["args"] =
        json!(["--db=postgres://u:p@db.data.svc.cluster.local:5432/x"]);
    let objects = vec![
        web,
        api,
        deployment("data", "db", 5432),
        deployment("shop", "cache", 6379),
        service("shop", "api", 80),
        service("shop", "cache", 6379),
        service("data", "db", 5432),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}, "data": {"cache": "cache:6379"}}),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 443, "targetPort": 8080}]}
        }),
    ];
    let cluster = read(objects.clone());
    let units = Units::of(&cluster);
    let flows = infer::flows(&objects, &cluster, &units, "default");
    let told: Vec<String> =
        flows.iter().map(|flow| format!("{} => {} {:?}", flow.from, flow.to, flow.ports)).collect();
    assert_eq!(
        told,
        [
            "world => shop/web[Deployment] [Number(8080)]",
            "shop/api[Deployment] => data/db[Deployment] [Number(5432)]",
            "shop/web[Deployment] => shop/api[Deployment] [Number(9090)]",
            "shop/web[Deployment] => shop/cache[Deployment] [Number(6379)]",
        ]
    );
    assert_eq!(flows[2].reason, "variable API names api.shop");
    // They are flows like declared ones.
    let file = FlowFile { flows, ..FlowFile::default() };
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    let plan = Plan::generate(&cluster, &units, &needs);
    assert!(parapet_policy::Proof::of(&cluster, &units, &needs, &plan.policies).holds());
    let rollout = parapet_policy::Rollout::of(&cluster, &units, &needs, &plan.policies, Some(&needs));
    assert!(rollout.known.is_empty(), "{:?}", rollout.known);
    assert_eq!(rollout.order.last().unwrap(), "shop/default-deny");
    // web loses as a client of the database, and every other pair that nobody declared.
    let db = rollout.by_server.iter().find(|(name, ..)| name == "data/db[Deployment]").unwrap();
    assert_eq!(db.2, 2);
}
