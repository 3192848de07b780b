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
/// Priority of what lets into pods. What lets out to networks comes after it, because those cover pods, too; what lets out to
/// networks with exceptions after that, because those are denied; and what denies everything else last. Within a priority the
/// order of policies makes no difference, which matters where workloads share labels.
const PRIORITY: u32 = 500;

/// Objects for each of the plan's policies, up to three by their priorities; those that allow come first.
pub fn cluster_network_policies(plan: &Plan, flows: &[Flow]) -> Result<Vec<Value>, PolicyError> {
    let mut policies: Vec<&NetworkPolicy> = plan.policies.iter().collect();
    policies.sort_by_key(|policy| (&*policy.name == DEFAULT_DENY, &policy.namespace, &policy.name));
    let mut documents = Vec::new();
    for policy in policies {
        documents.extend(objects(policy, plan, flows)?);
    }
    Ok(documents)
}

fn objects(policy: &NetworkPolicy, plan: &Plan, flows: &[Flow]) -> Result<Vec<Value>, PolicyError> {
    let name = format!("{}-{}", policy.namespace, policy.name);
    if &*policy.name == DEFAULT_DENY {
        let nobody = |key: &str, peers: Value| json!({"name": "nobody-else", "action": "Deny", key: peers});
        let outside = json!([{"namespaces": {}}, {"networks": ["0.0.0.0/0", "::/0"]}]);
        let ingress = vec![nobody("from", json!([{"namespaces": {}}]))];
        let of = Of { policy, plan, flows, name, priority: PRIORITY + 3 };
        return Ok(vec![of.object(ingress, vec![nobody("to", outside)])?]);
    }
    let Rules { pods: ingress, .. } = rules(policy, Direction::Ingress)?;
    let Rules { pods, mut networks, mut with_exceptions } = rules(policy, Direction::Egress)?;
    let no_other_pods = json!({"name": "no-other-pods", "action": "Deny", "to": [{"namespaces": {}}]});
    for first in [&mut networks, &mut with_exceptions] {
        if !first.is_empty() {
            // Of the pods that networks cover only those are meant that a rule before has let into.
            first.insert(0, no_other_pods.clone());
        }
    }
    let mut documents = Vec::new();
    for (after, suffix, ingress, egress) in [
        (0, "", ingress, pods),
        (1, "-networks", Vec::new(), networks),
        (2, "-world", Vec::new(), with_exceptions),
    ] {
        if !(ingress.is_empty() && egress.is_empty()) {
            let name = format!("{name}{suffix}");
            let of = Of { policy, plan, flows, name, priority: PRIORITY + after };
            documents.push(of.object(ingress, egress)?);
        }
    }
    Ok(documents)
}

/// What one object is made of besides its rules.
struct Of<'a> {
    policy: &'a NetworkPolicy,
    plan: &'a Plan,
    flows: &'a [Flow],
    name: String,
    priority: u32,
}

impl Of<'_> {
    fn object(self, ingress: Vec<Value>, egress: Vec<Value>) -> Result<Value, PolicyError> {
        let Self { policy, plan, flows, name, priority } = self;
        let namespace = Selector::labels([(NAMESPACE_NAME_LABEL, &*policy.namespace)]);
        let mut spec = json!({
            "tier": "Admin",
            "priority": priority,
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
        let key = (policy.namespace.to_string(), policy.name.to_string());
        Ok(json!({
            "apiVersion": "policy.networking.k8s.io/v1alpha2",
            "kind": "ClusterNetworkPolicy",
            "metadata": metadata(&name, None, flows, plan.flows.get(&key)),
            "spec": spec,
        }))
    }
}

/// A policy's rules of one direction, by what they let out to, or in from.
struct Rules {
    pods: Vec<Value>,
    networks: Vec<Value>,
    with_exceptions: Vec<Value>,
}

fn rules(policy: &NetworkPolicy, direction: Direction) -> Result<Rules, PolicyError> {
    let peers_key = if direction == Direction::Ingress { "from" } else { "to" };
    let mut rules = Rules { pods: Vec::new(), networks: Vec::new(), with_exceptions: Vec::new() };
    for (index, Rule { peers, ports }) in policy.rules(direction).iter().enumerate() {
        let mut pods = Vec::new();
        let (mut whole, mut holed, mut except) = (Vec::new(), Vec::new(), Vec::new());
        for peer in peers.iter().flatten() {
            match peer {
                Peer::Pods { namespaces, pods: selected } => {
                    let own = Selector::labels([(NAMESPACE_NAME_LABEL, &*policy.namespace)]);
                    let namespaces = namespaces.as_ref().unwrap_or(&own);
                    pods.push(json!({"pods": {"namespaceSelector": selector(namespaces), "podSelector": selector(selected)}}));
                }
                Peer::Block(_) if direction == Direction::Ingress => {}
                Peer::Block(Block { cidr, except: holes }) if holes.is_empty() => {
                    whole.push(cidr.to_string());
                }
                Peer::Block(Block { cidr, except: holes }) => {
                    holed.push(cidr.to_string());
                    except.extend(holes.iter().map(ToString::to_string));
                }
            }
        }
        let except: Vec<Value> =
            except.chunks(MOST).map(|networks: &[String]| json!({ "networks": networks })).collect();
        if [pods.len(), whole.len(), holed.len(), except.len()].into_iter().any(|count| count > MOST) {
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
            rules.pods.push(rule(format!("pods-{}", index + 1), "Accept", pods));
        }
        let networks = |networks: Vec<String>| {
            rule(format!("networks-{}", index + 1), "Accept", vec![json!({"networks": networks})])
        };
        if !whole.is_empty() {
            rules.networks.push(networks(whole));
        }
        if !holed.is_empty() {
            rules.with_exceptions.push(rule(format!("not-{}", index + 1), "Deny", except));
            rules.with_exceptions.push(networks(holed));
        }
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
