//! What a listing says beside its lines.

use parapet_reach::{Cluster, DecodeOptions, Listing, Options, View};
use serde_json::{Value, json};

fn notes(objects: &[Value], view: &View) -> Vec<String> {
    let (cluster, problems) = Cluster::from_objects(objects.iter().cloned(), &DecodeOptions::default());
    assert!(!cluster.incomplete, "{problems:?}");
    Listing::of(&cluster, &Options::default(), view).notes
}

fn web(port: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}},
                              "spec": {"containers": [{"name": "c", "ports": [port]}]}}}})
}

fn has(notes: &[String], words: &str) -> bool {
    notes.iter().any(|note| note.contains(words))
}

#[test]
fn names_that_nobody_has_are_told() {
    let objects = [web(json!({"containerPort": 8080}))];
    let list = |name: &str| vec![name.to_owned()];
    let view = View { focus: list("shop/wep"), namespaces: list("shopp"), ..View::default() };
    let told = notes(&objects, &view);
    assert!(has(&told, "no workload \"shop/wep\"") && has(&told, "in a namespace \"shopp\""), "{told:?}");
    let view = View { focus: list("web"), focus_peers: list("ingress-controller"), ..View::default() };
    assert!(!has(&notes(&objects, &view), "no workload"));
}

#[test]
fn ports_of_nodes_are_told() {
    let open = notes(&[web(json!({"containerPort": 8080, "hostPort": 80}))], &View::default());
    assert!(has(&open, "(hostPort)") && has(&open, "shop/web[Deployment] TCP 8080"), "{open:?}");
    assert!(!has(&notes(&[web(json!({"containerPort": 8080}))], &View::default()), "hostPort"));
}

#[test]
fn addresses_that_nodes_may_hide_are_told() {
    let service = |kind: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"type": kind, "selector": {"app": "web"}, "ports": [{"port": 80}]}})
    };
    let policy = |cidr: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": cidr}}]}]}})
    };
    let told = |kind: &str, cidr: &str| {
        notes(&[web(json!({"containerPort": 80})), service(kind), policy(cidr)], &View::default())
    };
    let by_address = told("LoadBalancer", "203.0.113.0/24");
    assert!(has(&by_address, "behind LoadBalancer shop/web, and NetworkPolicy shop/p"), "{by_address:?}");
    assert!(has(&told("NodePort", "203.0.113.0/24"), "externalTrafficPolicy"));
    // Everybody is everybody, and nobody comes through a node to a ClusterIP.
    assert!(!has(&told("LoadBalancer", "0.0.0.0/0"), "externalTrafficPolicy"));
    assert!(!has(&told("ClusterIP", "203.0.113.0/24"), "externalTrafficPolicy"));
}

#[test]
fn more_lines_than_a_view_takes_are_left_out_and_told() {
    let pod = |number: usize| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{number}"), "namespace": "a"}, "spec": {}});
    let (cluster, _) = Cluster::from_objects((0..20).map(pod), &DecodeOptions::default());
    let list = |most_lines: usize| {
        Listing::of(&cluster, &Options::default(), &View { most_lines, external: false, ..View::default() })
    };
    // All pods are one class, so that one row holds every line.
    let all = list(380);
    assert_eq!((all.lines.len(), all.too_many), (380, false));
    let few = list(100);
    assert!(few.too_many && (100..140).contains(&few.lines.len()), "{}", few.lines.len());
}
