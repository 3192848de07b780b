//! Services, and what lets requests in from outside: Ingress, Route, and the Gateway API's routes.

use std::sync::Arc;

use super::field::Field;
use super::network_policy::protocol;
use super::selector::is_port_name;
use crate::model::{Backend, EntryPoint, PortRef, Selector, Service, ServicePort};

/// Reads a Service.
pub(super) fn service(spec: &Field<'_>, namespace: Arc<str>, name: Arc<str>) -> Service {
    let selector = spec.get("selector");
    let kind: Arc<str> = spec.get("type").text().unwrap_or("ClusterIP").into();
    if !selector.is_present() && &*kind != "ExternalName" {
        selector.warn("a Service without selector: its endpoints are managed by hand and not known here");
    }
    let pairs: Vec<(&str, &str)> =
        selector.map().iter().filter_map(|(key, value)| Some((*key, value.text()?))).collect();
    Service {
        namespace,
        name,
        headless: spec.get("clusterIP").text() == Some("None"),
        selector: selector.is_present().then(|| Selector::labels(pairs)),
        ports: spec.get("ports").list().iter().filter_map(service_port).collect(),
        kind,
    }
}

fn service_port(field: &Field<'_>) -> Option<ServicePort> {
    let port = field.get("port").port()?;
    Some(ServicePort {
        name: field.get("name").text().map(str::to_owned),
        protocol: protocol(&field.get("protocol"))?,
        port,
        target: port_ref(&field.get("targetPort")).unwrap_or(PortRef::Number(port)),
        app_protocol: field.get("appProtocol").text().map(str::to_owned),
    })
}

/// A number, or a name. `0` and the empty text are how templates leave it out.
fn port_ref(field: &Field<'_>) -> Option<PortRef> {
    let value = field.value()?;
    match value.as_str() {
        Some("") => None,
        Some(name) if is_port_name(name) => Some(PortRef::Name(name.to_owned())),
        Some(name) => match name.parse() {
            Ok(number) => Some(PortRef::Number(number)),
            Err(_) => {
                field.error(format!("{name:?} can't be a port's name"));
                None
            }
        },
        None if value.as_i64() == Some(0) => None,
        None => field.port().map(PortRef::Number),
    }
}

/// Reads an entry point, or None if `kind` isn't one.
pub(super) fn entry_point(
    object: &Field<'_>,
    kind: &str,
    namespace: &Arc<str>,
    name: &Arc<str>,
) -> Option<EntryPoint> {
    let spec = object.get("spec");
    let mut backends = match kind {
        "Ingress" => ingress(&spec, namespace),
        "Route" => route(&spec, namespace),
        "HTTPRoute" | "GRPCRoute" | "TCPRoute" | "TLSRoute" | "UDPRoute" => gateway_route(&spec, namespace),
        _ => return None,
    };
    backends.sort();
    backends.dedup();
    Some(EntryPoint { kind: kind.into(), namespace: Arc::clone(namespace), name: Arc::clone(name), backends })
}

fn ingress(spec: &Field<'_>, namespace: &Arc<str>) -> Vec<Backend> {
    let mut found = vec![spec.get("defaultBackend")];
    for rule in spec.get("rules").list() {
        found.extend(rule.at(&["http", "paths"]).list().iter().map(|path| path.get("backend")));
    }
    let backend = |field: &Field<'_>| {
        let service = field.get("service");
        let port = service.get("port");
        let port = match port.get("name").text() {
            Some(name) => Some(PortRef::Name(name.to_owned())),
            None => port.get("number").port().map(PortRef::Number),
        };
        Some(Backend { namespace: Arc::clone(namespace), service: service.get("name").text()?.into(), port })
    };
    found.iter().filter_map(backend).collect()
}

fn route(spec: &Field<'_>, namespace: &Arc<str>) -> Vec<Backend> {
    let port = port_ref(&spec.at(&["port", "targetPort"]));
    let mut targets = vec![spec.get("to")];
    targets.extend(spec.get("alternateBackends").list());
    let named = targets.iter().filter(|target| matches!(target.get("kind").text(), None | Some("Service")));
    named
        .filter_map(|target| target.get("name").text())
        .map(|service| Backend {
            namespace: Arc::clone(namespace),
            service: service.into(),
            port: port.clone(),
        })
        .collect()
}

fn gateway_route(spec: &Field<'_>, namespace: &Arc<str>) -> Vec<Backend> {
    let rules = spec.get("rules").list();
    let references = rules.iter().flat_map(|rule| rule.get("backendRefs").list());
    let backend = |reference: Field<'_>| {
        if !matches!(reference.get("kind").text(), None | Some("Service")) {
            return None;
        }
        let namespace = reference.get("namespace").text().map_or_else(|| Arc::clone(namespace), Arc::from);
        let port = reference.get("port").port().map(PortRef::Number);
        Some(Backend { namespace, service: reference.get("name").text()?.into(), port })
    };
    references.filter_map(backend).collect()
}
