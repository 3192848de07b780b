//! policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy: the same for administrators, which namespaces' owners can't
//! loosen. It knows no addresses of clients, so who may come in from outside stays with the NetworkPolicies.

use parapet_reach::Protocol;
use parapet_reach::model::{
    Block, Direction, NAMESPACE_NAME_LABEL, NetworkPolicy, Peer, PolicyPort, Rule, Selector,
};
use serde_json::{Value, json};

use super::{metadata, selector};
use crate::error::PolicyError;
use crate::flows::Flow;
use crate::plan::{DEFAULT_DENY, Plan};

/// Rules per direction, peers per rule and networks per peer that the API takes.
const MOST: usize = 25;
/// Priority of what allows; what denies comes one later.
const PRIORITY: u32 = 500;

/// One object for each of the plan's policies; those that allow come first.
pub fn cluster_network_policies(plan: &Plan, flows: &[Flow]) -> Result<Vec<Value>, PolicyError> {
    let mut policies: Vec<&NetworkPolicy> = plan.policies.iter().collect();
    policies.sort_by_key(|policy| (&*policy.name == DEFAULT_DENY, &policy.namespace, &policy.name));
    policies.into_iter().map(|policy| object(policy, plan, flows)).collect()
}

fn object(policy: &NetworkPolicy, plan: &Plan, flows: &[Flow]) -> Result<Value, PolicyError> {
    let key = (policy.namespace.to_string(), policy.name.to_string());
    let namespace = Selector::labels([(NAMESPACE_NAME_LABEL, &*policy.namespace)]);
    let denies = &*policy.name == DEFAULT_DENY;
    let everybody = json!([{"namespaces": {}}]);
    let (ingress, egress) = if denies {
        let outside = json!([{"namespaces": {}}, {"networks": ["0.0.0.0/0", "::/0"]}]);
        (
            vec![json!({"name": "nobody-else", "action": "Deny", "from": everybody})],
            vec![json!({"name": "nobody-else", "action": "Deny", "to": outside})],
        )
    } else {
        (rules(policy, Direction::Ingress)?, rules(policy, Direction::Egress)?)
    };
    let name = format!("{}-{}", policy.namespace, policy.name);
    let mut spec = json!({
        "tier": "Admin",
        "priority": if denies { PRIORITY + 1 } else { PRIORITY },
        "subject": {"pods": {"namespaceSelector": selector(&namespace), "podSelector": selector(&policy.pod_selector)}},
    });
    for (key, rules) in [("ingress", ingress), ("egress", egress)] {
        if rules.len() > MOST {
            return Err(inexpressible(format!(
                "{name} needs {} {key} rules, {MOST} are allowed",
                rules.len()
            )));
        }
        if !rules.is_empty() {
            spec[key] = Value::Array(rules);
        }
    }
    Ok(json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": metadata(&name, None, flows, plan.flows.get(&key)),
        "spec": spec,
    }))
}

fn rules(policy: &NetworkPolicy, direction: Direction) -> Result<Vec<Value>, PolicyError> {
    let peers_key = if direction == Direction::Ingress { "from" } else { "to" };
    let mut rules = Vec::new();
    let mut with_networks = Vec::new();
    // What is cut out of a block must not take from other blocks, so rules with exceptions come last.
    let mut with_exceptions = Vec::new();
    for (index, Rule { peers, ports }) in policy.rules(direction).iter().enumerate() {
        let mut pods = Vec::new();
        let mut networks = Vec::new();
        let mut except = Vec::new();
        for peer in peers.iter().flatten() {
            match peer {
                Peer::Pods { namespaces, pods: selected } => {
                    let own = Selector::labels([(NAMESPACE_NAME_LABEL, &*policy.namespace)]);
                    let namespaces = namespaces.as_ref().unwrap_or(&own);
                    pods.push(json!({"pods": {"namespaceSelector": selector(namespaces), "podSelector": selector(selected)}}));
                }
                Peer::Block(_) if direction == Direction::Ingress => {}
                Peer::Block(Block { cidr, except: holes }) => {
                    networks.push(cidr.to_string());
                    except.extend(holes.iter().map(ToString::to_string));
                }
            }
        }
        if pods.len() > MOST || networks.len() > MOST {
            return Err(inexpressible(format!(
                "rule {} of {} has more than {MOST} peers",
                index + 1,
                policy.name
            )));
        }
        let protocols = ports.as_ref().map(|ports| ports.iter().map(protocol).collect::<Vec<Value>>());
        let rule = |name: String, action: &str, peers: Vec<Value>| {
            let mut rule = json!({"name": name, "action": action, peers_key: peers});
            if let Some(protocols) = &protocols {
                rule["protocols"] = Value::Array(protocols.clone());
            }
            rule
        };
        if !pods.is_empty() {
            rules.push(rule(format!("pods-{}", index + 1), "Accept", pods));
        }
        if !networks.is_empty() {
            let to = if except.is_empty() { &mut with_networks } else { &mut with_exceptions };
            if !except.is_empty() {
                to.push(rule(format!("not-{}", index + 1), "Deny", vec![json!({"networks": except})]));
            }
            to.push(rule(format!("networks-{}", index + 1), "Accept", vec![json!({"networks": networks})]));
        }
    }
    with_networks.extend(with_exceptions);
    if !with_networks.is_empty() {
        // Networks cover pods, too, here: of those only what a rule above accepts is meant.
        rules.push(json!({"name": "no-other-pods", "action": "Deny", peers_key: [{"namespaces": {}}]}));
        rules.extend(with_networks);
    }
    Ok(rules)
}

fn protocol(port: &PolicyPort) -> Value {
    let key = |protocol: &Protocol| protocol.name().to_lowercase();
    match port {
        PolicyPort::Range { protocol, first: 1, last: u16::MAX } => json!({ key(protocol): {} }),
        PolicyPort::Range { protocol, first, last } if first == last => {
            json!({ key(protocol): {"destinationPort": {"number": first}} })
        }
        PolicyPort::Range { protocol, first, last } => {
            json!({ key(protocol): {"destinationPort": {"range": {"start": first, "end": last}}} })
        }
        PolicyPort::Named { name, .. } => json!({"destinationNamedPort": name}),
    }
}

fn inexpressible(why: String) -> PolicyError {
    PolicyError::Inexpressible { kind: "ClusterNetworkPolicy", why }
}
