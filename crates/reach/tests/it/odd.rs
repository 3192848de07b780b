//! Queries: policies that don't do what they seem to.

use parapet_reach::{Cluster, DecodeOptions, Oddity, Options, odd_policies};
use serde_json::{Value, json};

fn oddities(policies: Vec<Value>) -> Vec<(String, Oddity)> {
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "x", "labels": {"app": name}},
               "spec": {"containers": [], "hostNetwork": name == "host"}})
    };
    let objects = ["a", "b", "host"].map(pod).into_iter().chain(policies);
    let (cluster, problems) = Cluster::from_objects(objects, &DecodeOptions::default());
    assert!(!cluster.incomplete, "{problems:?}");
    odd_policies(&cluster, &Options::default()).into_iter().map(|one| (one.policy, one.oddity)).collect()
}

fn policy(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
           "metadata": {"name": name, "namespace": "x"}, "spec": spec})
}

fn app(name: &str) -> Value {
    json!({"matchLabels": {"app": name}})
}

fn admin(name: &str, action: &str, from: &str) -> Value {
    json!({"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy", "metadata": {"name": name},
           "spec": {"priority": 1, "subject": {"namespaces": {}}, "ingress": [
               {"action": action, "from": [{"pods": {"namespaceSelector": {}, "podSelector": app(from)}}]}]}})
}

#[test]
fn fine_policies_are_not_odd() {
    assert_eq!(
        oddities(vec![policy(
            "p",
            json!({"podSelector": app("a"), "ingress": [{"from": [{"podSelector": app("b")}]}]})
        )]),
        []
    );
}

#[test]
fn what_selects_or_matches_nobody_is_found() {
    let nobody = oddities(vec![policy("p", json!({"podSelector": app("zzz")}))]);
    assert_eq!(nobody, [("x/p".to_owned(), Oddity::SelectsNothing)]);
    let never = oddities(vec![policy(
        "p",
        json!({"podSelector": app("a"), "ingress": [{"from": [{"podSelector": app("zzz")}]}]}),
    )]);
    assert_eq!(never, [("x/p".to_owned(), Oddity::NeverMatches)]);
    let dead = oddities(vec![policy(
        "p",
        json!({"podSelector": app("a"), "policyTypes": ["Ingress"], "egress": [{}]}),
    )]);
    assert!(dead.contains(&("x/p".to_owned(), Oddity::DeadRules)));
    let host = oddities(vec![policy("p", json!({"podSelector": app("host")}))]);
    assert_eq!(host, [("x/p".to_owned(), Oddity::Ineffective)]);
}

#[test]
fn what_repeats_others_is_found() {
    let spec = json!({"podSelector": app("a"), "ingress": [{"from": [{"podSelector": app("b")}]}]});
    let twice = oddities(vec![policy("p", spec.clone()), policy("q", spec)]);
    assert_eq!(twice, [("x/p".to_owned(), Oddity::Redundant), ("x/q".to_owned(), Oddity::Redundant)]);
    let rule = json!({"podSelector": app("a"), "ingress": [{}, {"from": [{"podSelector": app("b")}]}], "egress": []});
    let inner = oddities(vec![policy(
        "p",
        json!({"podSelector": app("a"), "policyTypes": ["Ingress"], "ingress": [
        {"from": [{"podSelector": {}}]}, {"from": [{"podSelector": app("b")}]}]}),
    )]);
    assert_eq!(inner, [("x/p".to_owned(), Oddity::RedundantRule)]);
    // It allows everything to a pod that nobody else isolates.
    assert!(oddities(vec![policy("p", rule)]).contains(&("x/p".to_owned(), Oddity::Redundant)));
}

#[test]
fn what_loses_to_others_is_found() {
    let found = oddities(vec![admin("one", "Deny", "a"), admin("two", "Allow", "a")]);
    assert!(found.contains(&("two".to_owned(), Oddity::Contradicting)), "{found:?}");
    assert!(found.contains(&("two".to_owned(), Oddity::Shadowed)), "{found:?}");
    assert!(!found.iter().any(|(policy, _)| policy == "one"), "{found:?}");
}
