//! On what pods listen besides the ports that the operator gives them.
//!
//! Nothing in a resource says who uses such a port, an exporter's or a proxy's; that it is declared, or that a Service leads to
//! it, is its owner's word that somebody does.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PodTemplateSpec, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use parapet_api::{ApmServer, Application as _, Elasticsearch, Kibana, Kind};
use parapet_elastic::services::{REMOTE_CLUSTER_PORT, TRANSPORT_PORT, has_remote_cluster_server};

/// A port and its protocol, as a NetworkPolicy has them.
pub(super) type Listener = (i32, String);

/// Of an Elasticsearch.
pub(super) fn elasticsearch(es: &Elasticsearch) -> BTreeSet<Listener> {
    let templates = es.spec.node_sets.iter().map(|set| &set.pod_template);
    let mut services = vec![&es.spec.http.service.spec, &es.spec.transport.service.spec];
    let mut known = vec![Kind::Elasticsearch.http_port(), TRANSPORT_PORT];
    if let Some(server) = es.spec.remote_cluster_server.as_ref().filter(|_| has_remote_cluster_server(es)) {
        services.push(&server.service.spec);
        known.push(REMOTE_CLUSTER_PORT);
    }
    others(templates, services, &known)
}

/// Of a Kibana.
pub(super) fn kibana(kibana: &Kibana) -> BTreeSet<Listener> {
    let services = [&kibana.http().service.spec];
    others([&kibana.spec.pod_template], services, &[Kind::Kibana.http_port()])
}

/// Of an APM Server.
pub(super) fn apm_server(apm: &ApmServer) -> BTreeSet<Listener> {
    others([&apm.spec.pod_template], [&apm.http().service.spec], &[Kind::ApmServer.http_port()])
}

/// Whether a Service is reached from outside of the cluster.
pub(super) fn is_public(service: &ServiceSpec) -> bool {
    let has_addresses = service.external_ips.as_ref().is_some_and(|all| !all.is_empty());
    has_addresses || matches!(service.type_.as_deref(), Some("LoadBalancer" | "NodePort"))
}

/// What the templates declare and Services lead to, but for TCP ports that have a rule of their own.
fn others<'a>(
    templates: impl IntoIterator<Item = &'a PodTemplateSpec>,
    services: impl IntoIterator<Item = &'a ServiceSpec>,
    known: &[u16],
) -> BTreeSet<Listener> {
    let mut all: BTreeSet<Listener> = templates.into_iter().flat_map(declared).collect();
    all.extend(services.into_iter().flat_map(led_to));
    all.retain(|(port, protocol)| protocol != TCP || !known.iter().any(|known| i32::from(*known) == *port));
    all
}

/// The ports of a template's containers, native sidecars included.
fn declared(template: &PodTemplateSpec) -> impl Iterator<Item = Listener> + '_ {
    let spec = template.spec.iter();
    let containers = spec.clone().flat_map(|spec| &spec.containers);
    let init = spec.flat_map(|spec| spec.init_containers.iter().flatten());
    let sidecars = init.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let ports = containers.chain(sidecars).flat_map(|container| container.ports.iter().flatten());
    ports.map(|port| (port.container_port, protocol(port.protocol.as_deref())))
}

/// The ports by number that a Service leads to. One by name is a container's, which declares it.
fn led_to(service: &ServiceSpec) -> impl Iterator<Item = Listener> + '_ {
    service.ports.iter().flatten().filter_map(|port| {
        let number = match &port.target_port {
            Some(IntOrString::Int(0)) | None => port.port,
            Some(IntOrString::Int(number)) => *number,
            Some(IntOrString::String(_)) => return None,
        };
        Some((number, protocol(port.protocol.as_deref())))
    })
}

const TCP: &str = "TCP";

fn protocol(written: Option<&str>) -> String {
    written.filter(|text| !text.is_empty()).unwrap_or(TCP).to_owned()
}
