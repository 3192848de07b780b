//! Anybody's objects, selectors above all: never a panic; what is read never depends on the order of the objects; and the
//! engine says the same as single explanations, with what others imply and without.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_reach::model::{Direction, NetworkPolicy};
use parapet_reach::{Cluster, DecodeOptions, Options, PodId, Protocol, Reachability, implied};
use serde_json::Value;

/// Pods that are compared pairwise: enough to differ, few enough to be fast.
const PODS: usize = 6;

fuzz_target!(|text: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    let objects = match value {
        Value::Array(objects) => objects,
        object => vec![object],
    };
    let options = DecodeOptions { last_wins: false, ..DecodeOptions::default() };
    let (cluster, problems) = Cluster::from_objects(objects.clone(), &options);
    let (again, _) = Cluster::from_objects(objects, &options);
    assert_eq!(cluster, again);
    assert!(problems.iter().all(|problem| problem.path.is_empty() || problem.path.starts_with('/')));
    let modes = Options::default();
    let engine = Reachability::compute(&cluster, &modes);
    // Without what others imply, nothing changes.
    let mut less = cluster.clone();
    for implied in implied(&cluster, &modes).iter().rev() {
        let is_it = |policy: &NetworkPolicy| {
            *policy.namespace == *implied.namespace && *policy.name == *implied.policy
        };
        match implied.rule {
            None => less.network_policies.retain(|policy| !is_it(policy)),
            Some((direction, rule)) => {
                let policy = less.network_policies.iter_mut().find(|policy| is_it(policy)).unwrap();
                match direction {
                    Direction::Ingress => policy.ingress.remove(rule),
                    Direction::Egress => policy.egress.remove(rule),
                };
            }
        }
    }
    let without = Reachability::compute(&less, &modes);
    let pods = (0..cluster.pods.len().min(PODS)).map(PodId);
    for source in pods.clone() {
        for destination in pods.clone() {
            let open = engine.connections(source, destination);
            assert_eq!(open, without.connections(source, destination));
            let allowed = engine.allowed(source, destination, Protocol::Tcp, 80);
            assert_eq!(engine.explain(source, destination, Protocol::Tcp, 80).allowed, allowed);
        }
    }
});
