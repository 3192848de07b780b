//! networking.k8s.io/v1 NetworkPolicy.

use parapet_reach::model::{Block, Direction, NetworkPolicy, Peer, PolicyPort, Rule};
use serde_json::{Map, Value, json};

use super::{metadata, selector};
use crate::flows::Flow;
use crate::plan::Plan;

/// The plan's policies, in the order in which they are to be applied.
pub fn network_policies(plan: &Plan, flows: &[Flow]) -> Vec<Value> {
    let mut policies: Vec<&NetworkPolicy> = plan.policies.iter().collect();
    policies.sort_by_key(|policy| (&*policy.name == crate::DEFAULT_DENY, &policy.namespace, &policy.name));
    policies.into_iter().map(|policy| network_policy(policy, plan, flows)).collect()
}

fn network_policy(policy: &NetworkPolicy, plan: &Plan, flows: &[Flow]) -> Value {
    let key = (policy.namespace.to_string(), policy.name.to_string());
    let mut spec = Map::new();
    spec.insert("podSelector".into(), selector(&policy.pod_selector));
    let types: Vec<&str> =
        Direction::BOTH.into_iter().rev().filter(|d| policy.isolates(*d)).map(Direction::name).collect();
    spec.insert("policyTypes".into(), json!(types));
    for (direction, key, peers_key) in
        [(Direction::Ingress, "ingress", "from"), (Direction::Egress, "egress", "to")]
    {
        let rules: Vec<Value> =
            policy.rules(direction).iter().map(|rule| self::rule(rule, peers_key)).collect();
        if !rules.is_empty() {
            spec.insert(key.into(), Value::Array(rules));
        }
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(&policy.name, Some(&policy.namespace), flows, plan.flows.get(&key)),
        "spec": spec,
    })
}

fn rule(rule: &Rule, peers_key: &str) -> Value {
    let mut object = Map::new();
    if let Some(peers) = &rule.peers {
        object.insert(peers_key.into(), peers.iter().map(peer).collect());
    }
    if let Some(ports) = &rule.ports {
        object.insert("ports".into(), ports.iter().map(port).collect());
    }
    Value::Object(object)
}

fn peer(peer: &Peer) -> Value {
    match peer {
        Peer::Block(Block { cidr, except }) if except.is_empty() => {
            json!({"ipBlock": {"cidr": cidr.to_string()}})
        }
        Peer::Block(Block { cidr, except }) => {
            let except: Vec<String> = except.iter().map(ToString::to_string).collect();
            json!({"ipBlock": {"cidr": cidr.to_string(), "except": except}})
        }
        Peer::Pods { namespaces: None, pods } => json!({"podSelector": selector(pods)}),
        Peer::Pods { namespaces: Some(namespaces), pods } => {
            json!({"namespaceSelector": selector(namespaces), "podSelector": selector(pods)})
        }
    }
}

fn port(port: &PolicyPort) -> Value {
    match port {
        PolicyPort::Range { protocol, first: 1, last: u16::MAX } => json!({"protocol": protocol.name()}),
        PolicyPort::Range { protocol, first, last } if first == last => {
            json!({"protocol": protocol.name(), "port": first})
        }
        PolicyPort::Range { protocol, first, last } => {
            json!({"protocol": protocol.name(), "port": first, "endPort": last})
        }
        PolicyPort::Named { protocol, name } => {
            json!({"protocol": protocol.map_or("TCP", |protocol| protocol.name()), "port": name})
        }
    }
}
