//! One application's policy.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana, names};
use parapet_elastic::services::{REMOTE_CLUSTER_PORT, TRANSPORT_PORT};
use parapet_elastic::{owned_meta, selector};

use super::peers::{Peers, peers_of};
use super::{Applications, Clients, ClientsError, OperatorPods, clients};

/// Where ztunnel hands connections to a pod of an ambient mesh, whatever port they are for (Istio's HBONE).
const AMBIENT_PORT: u16 = 15008;

/// `<owner>-<es|kb|apm>-clients`.
pub fn name<K: Application>(owner: &K) -> String {
    names::generated(K::KIND, owner.object_name(), &["clients"])
}

/// What a policy depends on besides its owner.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Every managed application.
    pub all: Applications<'a>,
    /// The operator's own pods.
    pub operator: &'a OperatorPods,
    /// Whether the owner's namespace is in an ambient mesh: connections arrive on the mesh's own port then.
    pub is_ambient: bool,
}

/// The policy of an Elasticsearch.
pub fn elasticsearch(es: &Elasticsearch, world: &World<'_>) -> Result<NetworkPolicy, ClientsError> {
    let Peers { http, transport, remote } = peers_of(es, &world.all, world.operator);
    let mut rules = http_rules(es, http)?;
    rules.push(rule(Some(transport), TRANSPORT_PORT));
    if let Some(server) = es.spec.remote_cluster_server.as_ref().filter(|server| server.enabled) {
        if clients::is_public(server.service.spec.type_.as_deref()) {
            rules.push(rule(None, REMOTE_CLUSTER_PORT));
        } else if !remote.is_empty() {
            rules.push(rule(Some(remote), REMOTE_CLUSTER_PORT));
        }
    }
    Ok(policy(es, rules, world.is_ambient))
}

/// The policy of a Kibana.
pub fn kibana(kibana: &Kibana, world: &World<'_>) -> Result<NetworkPolicy, ClientsError> {
    let rules = http_rules(kibana, peers_of(kibana, &world.all, world.operator).http)?;
    Ok(policy(kibana, rules, world.is_ambient))
}

/// The policy of an APM Server.
pub fn apm_server(apm: &ApmServer, world: &World<'_>) -> Result<NetworkPolicy, ClientsError> {
    let rules = http_rules(apm, peers_of(apm, &world.all, world.operator).http)?;
    Ok(policy(apm, rules, world.is_ambient))
}

/// A rule without peers would let everybody in; no rule lets nobody in.
fn http_rules<K: Application>(
    owner: &K,
    known: Vec<NetworkPolicyPeer>,
) -> Result<Vec<NetworkPolicyIngressRule>, ClientsError> {
    Ok(match Clients::of(owner)? {
        Clients::Anybody => vec![rule(None, K::KIND.http_port())],
        Clients::Peers(declared) => {
            let peers: Vec<NetworkPolicyPeer> = known.into_iter().chain(declared).collect();
            if peers.is_empty() { Vec::new() } else { vec![rule(Some(peers), K::KIND.http_port())] }
        }
    })
}

fn policy<K: Application>(
    owner: &K,
    rules: Vec<NetworkPolicyIngressRule>,
    is_ambient: bool,
) -> NetworkPolicy {
    let rules = if is_ambient { rules.into_iter().map(through_the_mesh).collect() } else { rules };
    let spec = NetworkPolicySpec {
        pod_selector: Some(LabelSelector { match_labels: Some(selector(owner)), ..LabelSelector::default() }),
        policy_types: Some(vec!["Ingress".to_owned()]),
        ingress: Some(rules),
        egress: None,
    };
    NetworkPolicy { metadata: owned_meta(owner, name(owner)), spec: Some(spec) }
}

fn rule(from: Option<Vec<NetworkPolicyPeer>>, port: u16) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from, ports: Some(vec![tcp(port)]) }
}

fn through_the_mesh(mut rule: NetworkPolicyIngressRule) -> NetworkPolicyIngressRule {
    rule.ports.get_or_insert_default().push(tcp(AMBIENT_PORT));
    rule
}

fn tcp(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(i32::from(port))),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    }
}
