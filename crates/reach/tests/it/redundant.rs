//! What is implied can go: nothing changes, for random clusters; and what only looks so stays.

use std::collections::BTreeSet;

use parapet_reach::model::Direction;
use parapet_reach::{Cluster, DecodeOptions, Options, Reachability, implied};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::random;

/// Without everything that is implied.
fn without(cluster: &Cluster, options: &Options) -> (Cluster, usize) {
    let found = implied(cluster, options);
    let mut less = cluster.clone();
    less.network_policies.retain(|policy| {
        !found.iter().any(|one| {
            one.rule.is_none() && *one.namespace == *policy.namespace && *one.policy == *policy.name
        })
    });
    for policy in &mut less.network_policies {
        let of = |direction: Direction| -> BTreeSet<usize> {
            let mine =
                found.iter().filter(|one| *one.namespace == *policy.namespace && *one.policy == *policy.name);
            mine.filter_map(|one| one.rule.filter(|(of, _)| *of == direction).map(|(_, rule)| rule)).collect()
        };
        let (ingress, egress) = (of(Direction::Ingress), of(Direction::Egress));
        let mut index = 0..;
        policy.ingress.retain(|_| !ingress.contains(&index.next().unwrap()));
        let mut index = 0..;
        policy.egress.retain(|_| !egress.contains(&index.next().unwrap()));
    }
    (less, found.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn without_what_is_implied_every_verdict_is_the_same(
        cluster in random::cluster(2),
        options in random::options(),
    ) {
        let (less, _) = without(&cluster, &options);
        let (before, after) =
            (Reachability::compute(&cluster, &options), Reachability::compute(&less, &options));
        for (source, destination) in random::pairs(&cluster) {
            prop_assert_eq!(
                before.connections(source, destination),
                after.connections(source, destination),
                "{:?} -> {:?}", source, destination
            );
        }
        // Once it is gone, nothing more is.
        prop_assert_eq!(implied(&less, &options), []);
    }
}

fn found(policies: &[(&str, Value)]) -> Vec<String> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "labels": {"team": "a"}}});
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "x", "labels": {"app": name}},
               "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": 80}]}]}})
    };
    let policies = policies.iter().map(|(name, spec)| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
               "metadata": {"name": name, "namespace": "x"}, "spec": spec})
    });
    let objects = [namespace, pod("a"), pod("b")].into_iter().chain(policies);
    let (cluster, problems) = Cluster::from_objects(objects, &DecodeOptions::default());
    assert!(!cluster.incomplete, "{problems:?}");
    let name = |one: parapet_reach::Implied| {
        let rule =
            one.rule.map_or_else(String::new, |(direction, rule)| format!(" {} {rule}", direction.name()));
        let by: Vec<String> = one.by.into_iter().collect();
        format!("{}{rule} by {}", one.policy, by.join(", "))
    };
    implied(&cluster, &Options::default()).into_iter().map(name).collect()
}

fn ingress(rules: Value) -> Value {
    json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules})
}

#[test]
fn a_rule_that_others_allow_together_can_go() {
    let app = |name: &str| json!({"podSelector": {"matchLabels": {"app": name}}});
    let check = |rules: Value, expect: &[&str]| {
        assert_eq!(found(&[("p", ingress(rules.clone()))]), expect, "{rules}");
    };
    check(json!([{"from": [app("a")]}, {"from": [{"podSelector": {}}]}]), &["p Ingress 0 by p rule 2"]);
    check(json!([{"from": [{"podSelector": {}}]}, {"from": [app("a")]}]), &["p Ingress 1 by p rule 1"]);
    check(json!([{"from": [app("a")]}, {"from": [app("a")]}]), &["p Ingress 1 by p rule 1"]);
    check(
        json!([{"from": [app("a"), app("b")]}, {"from": [app("b")]}, {"from": [app("a")]}]),
        &["p Ingress 1 by p rule 1", "p Ingress 2 by p rule 1"],
    );
    check(
        json!([{"ports": [{"port": 80}]}, {"ports": [{"port": 1, "endPort": 99}]}]),
        &["p Ingress 0 by p rule 2"],
    );
    check(
        json!([{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, {"from": [{"ipBlock": {"cidr": "10.0.0.0/9"}}]},
               {"from": [{"ipBlock": {"cidr": "10.128.0.0/9"}}]}]),
        &["p Ingress 1 by p rule 1", "p Ingress 2 by p rule 1"],
    );
}

#[test]
fn what_matters_to_somebody_stays() {
    let check = |rules: Value| assert_eq!(found(&[("p", ingress(rules.clone()))]), [""; 0], "{rules}");
    // Every pod of today is in the namespace; one of tomorrow may not be.
    check(json!([{"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}]));
    check(json!([{"from": [{"namespaceSelector": {}}]}, {"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]));
    check(
        json!([{"from": [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "z"]}]}}]},
                 {"from": [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "y"]}]}}]}]),
    );
    check(
        json!([{"from": [{"podSelector": {}}]}, {"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}]),
    );
    check(
        json!([{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, {"from": [{"ipBlock": {"cidr": "10.0.0.0/7", "except": ["10.1.0.0/16"]}}]}]),
    );
    // It has no effect at all, which is another fault.
    check(json!([{"ports": [{"port": "nope"}]}, {}]));
    // For the pods of tomorrow.
    let deny = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
    let one = |app: &str| json!({"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 80}]}]});
    assert_eq!(found(&[("deny", deny.clone()), ("a", one("a")), ("b", one("b"))]), [""; 0]);
    assert_eq!(found(&[("deny", deny.clone()), ("deny-again", deny)]), ["deny-again by deny"]);
    assert_eq!(found(&[("a", one("a")), ("a-again", one("a"))]), ["a-again by a"]);
}
