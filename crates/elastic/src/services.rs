//! The Services of each kind.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parapet_api::{
    ApmServer, Application, Elasticsearch, Kibana, Kind, NodeSet, ServiceTemplate, labels, names,
};

use crate::{Settings, owned_meta, selector};

/// Where Elasticsearch's nodes talk to each other.
pub const TRANSPORT_PORT: u16 = 9300;
/// Where other clusters come in.
pub const REMOTE_CLUSTER_PORT: u16 = 9443;
/// The transport port's name in Services. Istio takes the protocol from what stands before the dash.
pub const TRANSPORT_PORT_NAME: &str = "tls-transport";
/// The remote cluster server's port.
pub const REMOTE_CLUSTER_PORT_NAME: &str = "rcs";

/// All Services of an Elasticsearch that don't belong to one group of nodes, in the order of the reference's pass:
/// transport, external, internal, and that of the remote cluster server if it is on.
pub fn elasticsearch_fixed(es: &Elasticsearch, settings: &Settings) -> Vec<Service> {
    let mut services = vec![transport(es, settings), http(es, settings), internal_http(es, settings)];
    services.extend(remote_cluster(es, settings));
    services
}

/// The Services of an Elasticsearch: the fixed ones, and one without an address for each group of nodes.
pub fn elasticsearch(es: &Elasticsearch, settings: &Settings) -> Vec<Service> {
    let mut services = elasticsearch_fixed(es, settings);
    services.extend(es.spec.node_sets.iter().map(|set| headless(es, set, settings)));
    services
}

/// `<K>-kb-http`.
pub fn kibana(kibana: &Kibana, settings: &Settings) -> Service {
    http(kibana, settings)
}

/// `<A>-apm-http`.
pub fn apm_server(apm: &ApmServer, settings: &Settings) -> Service {
    http(apm, settings)
}

/// The name of the Service for the remote cluster server; an existing one goes when the server is switched off.
pub fn remote_cluster_name(es: &Elasticsearch) -> String {
    names::generated(Kind::Elasticsearch, es.object_name(), &["remote-cluster"])
}

/// The name of the Service that the operator's own scripts use: `<X>-es-internal-http`.
pub fn internal_http_name(es: &Elasticsearch) -> String {
    names::generated(Kind::Elasticsearch, es.object_name(), &["internal-http"])
}

/// Whether the remote cluster server is on.
pub fn has_remote_cluster_server(es: &Elasticsearch) -> bool {
    es.spec.remote_cluster_server.as_ref().is_some_and(|server| server.enabled)
}

/// The Service that clients of `owner` use, as its user wants it.
fn http<K: Application>(owner: &K, settings: &Settings) -> Service {
    let ports = vec![port(owner.http().scheme(), K::KIND.http_port())];
    let name = names::http_service(K::KIND, owner.object_name());
    from_template(owner, name, &owner.http().service, ports, settings)
}

fn internal_http(es: &Elasticsearch, settings: &Settings) -> Service {
    let spec = ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        ports: Some(vec![port(es.spec.http.scheme(), Kind::Elasticsearch.http_port())]),
        selector: Some(selector(es)),
        ip_families: ip_families(settings),
        ..ServiceSpec::default()
    };
    Service { metadata: owned_meta(es, internal_http_name(es)), spec: Some(spec), ..Service::default() }
}

fn transport(es: &Elasticsearch, settings: &Settings) -> Service {
    let name = names::generated(Kind::Elasticsearch, es.object_name(), &["transport"]);
    let ports = vec![port(TRANSPORT_PORT_NAME, TRANSPORT_PORT)];
    peers(from_template(es, name, &es.spec.transport.service, ports, settings))
}

fn remote_cluster(es: &Elasticsearch, settings: &Settings) -> Option<Service> {
    let server = es.spec.remote_cluster_server.as_ref().filter(|server| server.enabled)?;
    let ports = vec![port(REMOTE_CLUSTER_PORT_NAME, REMOTE_CLUSTER_PORT)];
    Some(peers(from_template(es, remote_cluster_name(es), &server.service, ports, settings)))
}

/// The Service that gives a group's pods their names.
pub fn headless(es: &Elasticsearch, set: &NodeSet, settings: &Settings) -> Service {
    let name = names::stateful_set(es.object_name(), &set.name);
    let mut ports = vec![port(es.spec.http.scheme(), Kind::Elasticsearch.http_port())];
    if has_remote_cluster_server(es) {
        ports.push(port(REMOTE_CLUSTER_PORT_NAME, REMOTE_CLUSTER_PORT));
    }
    let mut pods = selector(es);
    pods.insert(labels::STATEFULSET_NAME.to_owned(), name.clone());
    let mut metadata = owned_meta(es, name.clone());
    metadata.labels.get_or_insert_default().insert(labels::STATEFULSET_NAME.to_owned(), name);
    let spec = ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        cluster_ip: Some("None".to_owned()),
        ports: Some(ports),
        selector: Some(pods),
        publish_not_ready_addresses: Some(true),
        ip_families: ip_families(settings),
        ..ServiceSpec::default()
    };
    Service { metadata, spec: Some(spec), ..Service::default() }
}

/// What a Service for peers is, beside what its user wants: no address unless a type is given, and peers find each
/// other before they are ready.
fn peers(mut service: Service) -> Service {
    let spec = service.spec.get_or_insert_default();
    if spec.type_.as_deref().unwrap_or_default().is_empty() {
        spec.type_ = Some("ClusterIP".to_owned());
        spec.cluster_ip = Some("None".to_owned());
    }
    spec.publish_not_ready_addresses = Some(true);
    service
}

/// The user's Service, with what is absent filled in.
fn from_template<K: Application>(
    owner: &K,
    name: String,
    template: &ServiceTemplate,
    ports: Vec<ServicePort>,
    settings: &Settings,
) -> Service {
    let mut metadata = owned_meta(owner, name);
    overlay(&mut metadata.labels, template.metadata.labels.as_ref());
    overlay(&mut metadata.annotations, template.metadata.annotations.as_ref());
    let mut spec = template.spec.clone();
    if spec.ports.as_ref().is_none_or(Vec::is_empty) {
        spec.ports = Some(ports);
    }
    if spec.selector.as_ref().is_none_or(BTreeMap::is_empty) {
        spec.selector = Some(selector(owner));
    }
    if spec.ip_families.as_ref().is_none_or(Vec::is_empty) {
        spec.ip_families = ip_families(settings);
    }
    Service { metadata, spec: Some(spec), ..Service::default() }
}

/// Adds the user's entries, which win.
pub(crate) fn overlay(ours: &mut Option<BTreeMap<String, String>>, users: Option<&BTreeMap<String, String>>) {
    if let Some(users) = users.filter(|users| !users.is_empty()) {
        ours.get_or_insert_default().extend(users.clone());
    }
}

fn ip_families(settings: &Settings) -> Option<Vec<String>> {
    settings.ip_family.map(|family| vec![family.as_str().to_owned()])
}

fn port(name: &str, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(number),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(i32::from(number))),
        ..ServicePort::default()
    }
}
