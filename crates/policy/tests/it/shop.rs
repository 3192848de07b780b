//! Three namespaces of a shop, and its flows.

use parapet_policy::flows::{Flow, FlowFile, FlowPort, Party, WorkloadName};
use parapet_policy::{Needs, Units};
use parapet_reach::DecodeOptions;
use parapet_reach::model::Cluster;
use serde_json::{Value, json};

pub(crate) fn deployment(namespace: &str, name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "serviceAccountName": name,
                    "containers": [{"name": "main", "image": "x", "ports": [{"name": "http", "containerPort": port}]}]
                }
            }
        }
    })
}

pub(crate) fn service(namespace: &str, name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": "http"}]}
    })
}

pub(crate) fn read(objects: Vec<Value>) -> Cluster {
    let (cluster, problems) = Cluster::from_objects(objects, &DecodeOptions::default());
    assert!(problems.is_empty(), "{problems:?}");
    cluster
}

pub(crate) fn shop() -> (Cluster, Units, Needs) {
    let cluster = read(vec![
        deployment("shop", "web", 8080),
        deployment("shop", "api", 9090),
        deployment("data", "db", 5432),
        deployment("data", "spare", 1),
        // Nobody locks it down, so that what others may open towards it shows.
        deployment("other", "open", 443),
    ]);
    let workload = |namespace: &str, name: &str| {
        Party::Workload(WorkloadName { namespace: namespace.into(), name: name.into(), kind: None })
    };
    let flow =
        |from, to, port| Flow { from, to, ports: vec![port], reason: "a reason".into(), pipeline: None };
    let file = FlowFile {
        flows: vec![
            flow(Party::World, workload("shop", "web"), FlowPort::Text("http".into())),
            flow(workload("shop", "web"), workload("shop", "api"), FlowPort::Text("9000-9100".into())),
            flow(workload("shop", "api"), workload("data", "db"), FlowPort::Text("http".into())),
            flow(workload("shop", "api"), Party::World, FlowPort::Number(443)),
        ],
        ..FlowFile::default()
    };
    let units = Units::of(&cluster);
    let needs = Needs::resolve(&file, &cluster, &units).unwrap();
    (cluster, units, needs)
}
