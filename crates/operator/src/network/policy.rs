//! One application's policy.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana, names};
use parapet_elastic::services::{REMOTE_CLUSTER_PORT, TRANSPORT_PORT};
use parapet_elastic::{owned_meta, selector};

use super::listeners::{self, Listener};
use super::peers::{OperatorPods, Peers, peers_of};
use super::referrers::Referrer;
use super::{Clients, ClientsError};

/// Where ztunnel hands connections to a pod of an ambient mesh, whatever port they are for (Istio's HBONE).
const AMBIENT_PORT: u16 = 15008;
/// Where a mesh's proxy shows its own metrics and, merged with them, the application's (Istio's agent and Envoy).
const PROXY_METRICS_PORTS: [u16; 2] = [15020, 15090];

/// `<owner>-<es|kb|apm>-clients`.
pub fn name<K: Application>(owner: &K) -> String {
    names::generated(K::KIND, owner.object_name(), &["clients"])
}

/// What a policy depends on besides its owner.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Every managed application that connects to others.
    pub referrers: &'a [Referrer],
    /// The operator's own pods.
    pub operator: &'a OperatorPods,
    /// Whether the owner's namespace is in an ambient mesh: connections arrive on the mesh's own port then.
    pub is_ambient: bool,
    /// Whether pods of the owner's namespace get a mesh's proxy, which is asked for metrics.
    pub has_proxies: bool,
    /// The owner's policy as it is now.
    pub live: Option<&'a NetworkPolicy>,
}

/// The policy of an Elasticsearch.
pub fn elasticsearch(es: &Elasticsearch, world: &World<'_>) -> Result<NetworkPolicy, ClientsError> {
    let Peers { http, transport, remote } = peers_of(es, world.referrers, world.operator, world.live);
    let mut rules = http_rules(es, http)?;
    // Nodes know each other by certificates. Whoever brings authorities for more of them, or a Service for those outside, has nodes
    // elsewhere that nobody here knows.
    let tls = &es.spec.transport.tls;
    let trusts_others =
        tls.certificate_authorities.config_map_name.as_deref().is_some_and(|name| !name.is_empty());
    let is_open = trusts_others || listeners::is_public(&es.spec.transport.service.spec);
    rules.push(rule((!is_open).then_some(transport), TRANSPORT_PORT));
    if let Some(server) = es.spec.remote_cluster_server.as_ref().filter(|server| server.enabled) {
        if listeners::is_public(&server.service.spec) {
            rules.push(rule(None, REMOTE_CLUSTER_PORT));
        } else if !remote.is_empty() {
            rules.push(rule(Some(remote), REMOTE_CLUSTER_PORT));
        }
    }
    Ok(policy(es, rules, listeners::elasticsearch(es), world))
}

/// The policy of a Kibana.
pub fn kibana(kibana: &Kibana, world: &World<'_>) -> Result<NetworkPolicy, ClientsError> {
    let peers = peers_of(kibana, world.referrers, world.operator, world.live);
    Ok(policy(kibana, http_rules(kibana, peers.http)?, listeners::kibana(kibana), world))
}

/// The policy of an APM Server.
pub fn apm_server(apm: &ApmServer, world: &World<'_>) -> Result<NetworkPolicy, ClientsError> {
    let peers = peers_of(apm, world.referrers, world.operator, world.live);
    Ok(policy(apm, http_rules(apm, peers.http)?, listeners::apm_server(apm), world))
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
    mut rules: Vec<NetworkPolicyIngressRule>,
    listeners: BTreeSet<Listener>,
    world: &World<'_>,
) -> NetworkPolicy {
    let proxies = PROXY_METRICS_PORTS.into_iter().filter(|_| world.has_proxies).map(tcp);
    let others = listeners.into_iter().map(|(number, protocol)| port(number, protocol));
    let open: Vec<NetworkPolicyPort> = others.chain(proxies).collect();
    if !open.is_empty() {
        rules.push(NetworkPolicyIngressRule { from: None, ports: Some(open) });
    }
    if world.is_ambient {
        rules = rules.into_iter().map(through_the_mesh).collect();
    }
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

fn tcp(number: u16) -> NetworkPolicyPort {
    port(i32::from(number), "TCP".to_owned())
}

fn port(number: i32, protocol: String) -> NetworkPolicyPort {
    NetworkPolicyPort { port: Some(IntOrString::Int(number)), protocol: Some(protocol), end_port: None }
}
