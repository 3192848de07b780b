//! Every policy of one rule that a small grammar has, over four pods: where random clusters may never look.

use parapet_reach::{Cluster, DecodeOptions, Options, Protocol, Reachability};
use serde_json::{Value, json};

use crate::oracle::Oracle;
use crate::random::{self, PORTS};

fn pod(namespace: &str, name: &str, labels: Value, ports: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels},
           "spec": {"containers": [{"name": "c", "ports": ports}]}})
}

/// Two namespaces, one with a label; one name of a port that means two numbers.
fn world() -> Vec<Value> {
    let web = |port: u16| json!([{"name": "web", "containerPort": port}]);
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "labels": {"team": "a"}}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "y"}}),
        pod("x", "a", json!({"app": "a"}), web(80)),
        pod("x", "b", json!({"app": "b"}), web(8080)),
        pod("y", "a", json!({"app": "a"}), web(443)),
        pod("y", "bare", json!({}), json!([])),
    ]
}

fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
    match values {
        [] => json!({"matchExpressions": [{"key": key, "operator": operator}]}),
        values => json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}),
    }
}

/// Lists of peers; null is none at all, which is everybody.
fn peers() -> Vec<Value> {
    let app = |name: &str| json!({"matchLabels": {"app": name}});
    vec![
        Value::Null,
        json!([]),
        json!([{"podSelector": {}}]),
        json!([{"podSelector": app("a")}]),
        json!([{"podSelector": expression("app", "NotIn", &["a"])}]),
        json!([{"namespaceSelector": {}}]),
        json!([{"namespaceSelector": {"matchLabels": {"team": "a"}}}]),
        json!([{"namespaceSelector": expression("team", "DoesNotExist", &[])}]),
        json!([{"namespaceSelector": {}, "podSelector": app("a")}]),
        json!([{"namespaceSelector": expression("team", "Exists", &[]), "podSelector": app("b")}]),
        json!([{"namespaceSelector": {"matchLabels": {"team": "a"}}}, {"podSelector": app("a")}]),
        json!([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]),
        json!([{"ipBlock": {"cidr": "fd00::/64", "except": ["fd00::1/128"]}}]),
    ]
}

fn ports() -> Vec<Value> {
    vec![
        Value::Null,
        json!([{}]),
        json!([{"port": 80}]),
        json!([{"port": 80, "endPort": 443}]),
        json!([{"port": "web"}]),
        json!([{"protocol": "UDP"}]),
        json!([{"port": 80, "protocol": "SCTP"}, {"port": "web", "protocol": "UDP"}]),
    ]
}

fn with(mut object: Value, key: &str, value: &Value) -> Value {
    if !value.is_null() {
        object[key] = value.clone();
    }
    object
}

#[test]
fn every_policy_of_one_rule_is_judged_as_the_oracle_does() {
    let options = Options::default();
    let types = [Value::Null, json!(["Ingress"]), json!(["Egress"]), json!(["Ingress", "Egress"])];
    let subjects = [json!({}), json!({"matchLabels": {"app": "a"}}), expression("app", "NotIn", &["a"])];
    let mut policies = Vec::new();
    for (direction, ends) in [("ingress", "from"), ("egress", "to")] {
        for subject in &subjects {
            for types in &types {
                for peers in peers() {
                    for ports in ports() {
                        let rule = with(with(json!({}), ends, &peers), "ports", &ports);
                        let spec = json!({"podSelector": subject, direction: [rule]});
                        policies.push(with(spec, "policyTypes", types));
                    }
                }
            }
        }
    }
    assert_eq!(policies.len(), 2 * 3 * 4 * 13 * 7);
    for spec in policies {
        let mut objects = world();
        objects.push(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                            "metadata": {"name": "p", "namespace": "x"}, "spec": spec}));
        let (cluster, problems) = Cluster::from_objects(objects, &DecodeOptions::default());
        assert!(!cluster.incomplete, "{problems:?}");
        let engine = Reachability::compute(&cluster, &options);
        let oracle = Oracle { cluster: &cluster, options: &options };
        for (source, destination) in random::pairs(&cluster) {
            let open = engine.connections(source, destination);
            for protocol in Protocol::ALL {
                for port in PORTS {
                    let expected = oracle.allowed(source, destination, protocol, port);
                    assert_eq!(
                        open.contains(protocol, port),
                        expected,
                        "{spec}: {source:?} -> {destination:?} {protocol:?} {port}"
                    );
                }
            }
        }
    }
}
