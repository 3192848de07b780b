//! 230 cases in 253 steps over nine pods: 123 k verdicts of the matrix that conformance suites probe clusters with.
//!
//! `tests/matrix.json` holds the objects and the expected tables, which a third evaluation (one tuple at a time, over the
//! raw objects, in another language) has written. Rows are sources; `#` is a pod and itself. Blocks cover pods here.

use parapet_reach::{Cluster, DecodeOptions, Endpoint, IpBlockPods, Options, PodId, Protocol, Reachability};
use serde_json::{Value, json};

use crate::oracle::Oracle;

const MATRIX: &str = include_str!("../matrix.json");

fn objects(matrix: &Value, step: &Value) -> Vec<Value> {
    let of = |key: &str| step.get(key).unwrap_or(&matrix["fixture"][key]);
    let mut objects = Vec::new();
    for (name, labels) in of("namespaces").as_object().unwrap() {
        let metadata = json!({"name": name, "labels": labels});
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    }
    let ports: Vec<Value> = matrix["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| {
            let name =
                format!("serve-{}-{}", port["port"], port["protocol"].as_str().unwrap().to_lowercase());
            json!({"containerPort": port["port"], "protocol": port["protocol"], "name": name})
        })
        .collect();
    for pod in of("pods").as_array().unwrap() {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod["name"], "namespace": pod["namespace"], "labels": pod["labels"]},
            "spec": {"containers": [{"name": "all", "ports": ports}]},
            "status": {"podIP": pod["ip"]},
        }));
    }
    objects.extend(step["policies"].as_array().unwrap().iter().cloned());
    objects
}

/// The pods in the order of the tables.
fn pods(matrix: &Value, step: &Value, cluster: &Cluster) -> Vec<PodId> {
    let pods = step.get("pods").unwrap_or(&matrix["fixture"]["pods"]).as_array().unwrap();
    let find = |pod: &Value| {
        let same = |one: &parapet_reach::model::Pod| {
            *one.namespace == *pod["namespace"].as_str().unwrap()
                && *one.name == *pod["name"].as_str().unwrap()
        };
        PodId(cluster.pods.iter().position(same).unwrap())
    };
    pods.iter().map(find).collect()
}

#[test]
fn every_case_of_the_matrix() {
    let matrix: Value = serde_json::from_str(MATRIX).unwrap();
    let options = Options { ip_block_pods: IpBlockPods::Always, ..Options::default() };
    let (mut cases, mut steps, mut verdicts) = (0, 0, 0);
    for case in matrix["cases"].as_array().unwrap() {
        cases += 1;
        for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            steps += 1;
            let name = format!("{}: {}, step {number}", case["generator"], case["name"]);
            let (cluster, problems) =
                Cluster::from_objects(objects(&matrix, step), &DecodeOptions::default());
            assert!(!cluster.incomplete, "{name}: {problems:?}");
            let engine = Reachability::compute(&cluster, &options);
            let oracle = Oracle { cluster: &cluster, options: &options };
            let pods = pods(&matrix, step, &cluster);
            for (key, table) in step["table"].as_object().unwrap() {
                let (port, protocol) = key.split_once('/').unwrap();
                let (port, protocol) = (port.parse().unwrap(), Protocol::from_name(protocol).unwrap());
                let rows = pods.iter().map(|source| {
                    let cells = pods.iter().map(|destination| {
                        let allowed = engine.allowed(*source, *destination, protocol, port);
                        let (from, to) = (Endpoint::Pod(*source), Endpoint::Pod(*destination));
                        assert_eq!(allowed, oracle.allowed(from, to, protocol, port), "{name} {key}");
                        if source == destination {
                            '#'
                        } else if allowed {
                            '.'
                        } else {
                            'X'
                        }
                    });
                    cells.collect::<String>()
                });
                let rows: Vec<String> = rows.collect();
                assert_eq!(rows.join(" "), table.as_str().unwrap(), "{name} {key}");
                verdicts += pods.len() * pods.len();
            }
        }
    }
    assert_eq!((cases, steps), (230, 253));
    assert!(verdicts > 120_000, "{verdicts}");
}
