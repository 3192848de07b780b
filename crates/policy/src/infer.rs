//! Flows that manifests show: a workload whose environment, arguments or configuration names a Service opens connections
//! to it; what serves an Ingress sends requests to its Services; a LoadBalancer or NodePort is for the outside.
//!
//! An Ingress is served by pods as a rule, which no block of addresses covers: [`controllers`] finds them by the labels that
//! their installations give them. Where none is found, requests are taken to come from outside, as those of a cloud's load
//! balancer or of a controller in its node's network do.
//!
//! What is found is a guess that people confirm: a name in a comment of a ConfigMap counts, a name built at run time
//! doesn't.

use std::collections::{BTreeMap, BTreeSet};

use parapet_reach::model::{Cluster, Labels, PortRef, Service, ServicePort};
use parapet_reach::{PortSet, Protocol};
use regex::Regex;
use serde_json::Value;

use crate::flows::{Flow, FlowPort, FullPort, Party, PortText, WorkloadName};
use crate::units::{UnitId, Units};

/// Bytes of one value that are looked at: certificates and scripts in ConfigMaps can be large.
const MOST_TEXT: usize = 1 << 20;

/// The flows that `objects` (Kubernetes objects, Lists expanded) show, by client and server; `default_namespace` is for
/// objects without one.
pub fn flows(objects: &[Value], cluster: &Cluster, units: &Units, default_namespace: &str) -> Vec<Flow> {
    flows_through(objects, cluster, units, default_namespace, &controllers(units))
}

/// The same, where `controllers` serve what lets requests in from outside; without any, requests come from outside themselves.
pub fn flows_through(
    objects: &[Value],
    cluster: &Cluster,
    units: &Units,
    default_namespace: &str,
    controllers: &[UnitId],
) -> Vec<Flow> {
    let pattern = Regex::new(ADDRESS).expect("the pattern is valid");
    let mut found: BTreeMap<(Option<UnitId>, UnitId), (PortSet, BTreeSet<String>)> = BTreeMap::new();
    let mut note = |from: Option<UnitId>, to: UnitId, ports: PortSet, why: String| {
        if from != Some(to) {
            let (known, reasons) = found.entry((from, to)).or_default();
            *known = known.union(&ports);
            reasons.insert(why);
        }
    };
    let config_maps = config_maps(objects, default_namespace);
    for object in objects {
        let Some((unit, namespace)) = workload(object, units, default_namespace) else { continue };
        for (place, text) in texts(object, &namespace, &config_maps) {
            for address in addresses(&text, &pattern) {
                let Some(service) = address.service(cluster, &namespace) else { continue };
                for (server, ports) in servers(cluster, units, service, address.port) {
                    note(
                        Some(unit),
                        server,
                        ports,
                        format!("{place} names {}.{}", service.name, service.namespace),
                    );
                }
            }
        }
    }
    for service in
        cluster.services.iter().filter(|service| matches!(&*service.kind, "LoadBalancer" | "NodePort"))
    {
        for (server, ports) in servers(cluster, units, service, None) {
            note(None, server, ports, format!("Service {} is a {}", service.name, service.kind));
        }
    }
    for entry in &cluster.entry_points {
        for backend in &entry.backends {
            let service = cluster
                .services
                .iter()
                .find(|service| service.namespace == backend.namespace && service.name == backend.service);
            if let Some(service) = service {
                let port = match &backend.port {
                    Some(PortRef::Number(port)) => Some(*port),
                    Some(PortRef::Name(name)) => service
                        .ports
                        .iter()
                        .find(|port| port.name.as_ref() == Some(name))
                        .map(|port| port.port),
                    None => None,
                };
                for (server, ports) in servers(cluster, units, service, port) {
                    let why = format!("{} {} sends requests here", entry.kind, entry.name);
                    if controllers.is_empty() {
                        note(None, server, ports.clone(), why.clone());
                    }
                    for controller in controllers {
                        note(Some(*controller), server, ports.clone(), why.clone());
                    }
                }
            }
        }
    }
    let party = |unit: UnitId| {
        let unit = units.get(unit);
        Party::Workload(WorkloadName {
            namespace: unit.namespace.to_string(),
            name: unit.workload.name.to_string(),
            kind: Some(unit.workload.kind.to_string()),
        })
    };
    found
        .into_iter()
        .map(|((from, to), (ports, reasons))| Flow {
            from: from.map_or(Party::World, party),
            to: party(to),
            ports: flow_ports(&ports),
            reason: reasons.into_iter().collect::<Vec<_>>().join("; "),
            pipeline: None,
        })
        .collect()
}

/// Labels of what serves Ingresses, Routes and Gateways, as their charts and operators set them; a key alone is there with any
/// value.
const CONTROLLERS: [&[(&str, Option<&str>)]; 9] = [
    &[("app.kubernetes.io/name", Some("ingress-nginx")), ("app.kubernetes.io/component", Some("controller"))],
    &[("app.kubernetes.io/name", Some("nginx-ingress"))],
    &[("app.kubernetes.io/name", Some("traefik"))],
    &[("app.kubernetes.io/name", Some("kubernetes-ingress"))],
    &[("app.kubernetes.io/name", Some("haproxy-ingress"))],
    &[("app.kubernetes.io/name", Some("contour")), ("app.kubernetes.io/component", Some("envoy"))],
    &[("istio", Some("ingressgateway"))],
    &[("gateway.networking.k8s.io/gateway-name", None)],
    &[("ingresscontroller.operator.openshift.io/deployment-ingresscontroller", None)],
];

/// The workloads that serve Ingresses, Routes and Gateways, as far as their labels say so.
pub fn controllers(units: &Units) -> Vec<UnitId> {
    let is_one = |labels: &Labels| {
        let has = |(key, value): &(&str, Option<&str>)| {
            labels.get(key).is_some_and(|found| value.is_none_or(|value| found == value))
        };
        CONTROLLERS.iter().any(|known| known.iter().all(has))
    };
    units.iter().filter(|(_, unit)| is_one(&unit.labels)).map(|(id, _)| id).collect()
}

/// A set of ports as flows write it.
pub(crate) fn flow_ports(ports: &PortSet) -> Vec<FlowPort> {
    if ports.is_all() {
        return Vec::new();
    }
    let one = |(protocol, first, last): (Protocol, u16, u16)| match (protocol, first == last) {
        (_, true) => FlowPort::one(protocol, first),
        (Protocol::Tcp, false) => FlowPort::Text(format!("{first}-{last}")),
        (protocol, false) => FlowPort::Full(FullPort {
            port: Some(PortText::Text(format!("{first}-{last}"))),
            protocol: protocol.into(),
        }),
    };
    ports.iter().map(one).collect()
}

/// The workloads behind a service and the ports that they listen on, for one of the service's ports or all.
fn servers(
    cluster: &Cluster,
    units: &Units,
    service: &Service,
    port: Option<u16>,
) -> BTreeMap<UnitId, PortSet> {
    let mut servers: BTreeMap<UnitId, PortSet> = BTreeMap::new();
    for (index, pod) in cluster.pods.iter().enumerate().filter(|(_, pod)| service.selects(pod)) {
        for wanted in service.ports.iter().filter(|wanted| {
            // A headless service's clients address the pods' own ports.
            port.is_none_or(|port| {
                wanted.port == port || (service.headless && wanted.target == PortRef::Number(port))
            })
        }) {
            let ports = target(wanted, pod);
            let known = servers.entry(units.of_pod(index)).or_default();
            *known = known.union(&ports);
        }
    }
    servers.retain(|_, ports| !ports.is_empty());
    servers
}

fn target(port: &ServicePort, pod: &parapet_reach::model::Pod) -> PortSet {
    match &port.target {
        PortRef::Number(number) => PortSet::one(port.protocol, *number),
        PortRef::Name(name) => pod
            .ports
            .iter()
            .filter(|declared| declared.name.as_deref() == Some(name) && declared.protocol == port.protocol)
            .fold(PortSet::none(), |all, declared| all.union(&PortSet::one(port.protocol, declared.port))),
    }
}

type ConfigMaps<'a> = BTreeMap<(String, String), &'a Value>;

fn config_maps<'a>(objects: &'a [Value], default_namespace: &str) -> ConfigMaps<'a> {
    objects
        .iter()
        .filter(|object| object["kind"] == "ConfigMap")
        .filter_map(|object| {
            let name = object["metadata"]["name"].as_str()?;
            Some(((namespace(object, default_namespace), name.to_owned()), &object["data"]))
        })
        .collect()
}

fn namespace(object: &Value, default: &str) -> String {
    object["metadata"]["namespace"].as_str().unwrap_or(default).to_owned()
}

/// The workload that an object is, and its namespace.
fn workload(object: &Value, units: &Units, default_namespace: &str) -> Option<(UnitId, String)> {
    pod_spec(object)?;
    let namespace = namespace(object, default_namespace);
    let (kind, name) = (object["kind"].as_str()?, object["metadata"]["name"].as_str()?);
    let unit = units.iter().find(|(_, unit)| {
        *unit.namespace == *namespace && *unit.workload.kind == *kind && *unit.workload.name == *name
    });
    unit.map(|(id, _)| (id, namespace))
}

fn pod_spec(object: &Value) -> Option<&Value> {
    let spec = &object["spec"];
    [&spec["template"]["spec"], &spec["jobTemplate"]["spec"]["template"]["spec"], spec]
        .into_iter()
        .find(|spec| spec["containers"].is_array())
}

/// Every text of a workload in which an address may stand, with where it was.
fn texts(object: &Value, namespace: &str, config_maps: &ConfigMaps<'_>) -> Vec<(String, String)> {
    let Some(spec) = pod_spec(object) else { return Vec::new() };
    let mut texts = Vec::new();
    let mut referenced: BTreeSet<String> = BTreeSet::new();
    let all = ["initContainers", "containers"].into_iter().filter_map(|key| spec[key].as_array()).flatten();
    for container in all {
        let name = container["name"].as_str().unwrap_or_default();
        for key in ["command", "args"] {
            for text in container[key].as_array().into_iter().flatten().filter_map(Value::as_str) {
                texts.push((format!("{key} of container {name}"), text.to_owned()));
            }
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let (key, value) = (variable["name"].as_str().unwrap_or_default(), &variable["value"]);
            texts.extend(value.as_str().map(|value| (format!("variable {key}"), value.to_owned())));
            let of = &variable["valueFrom"]["configMapKeyRef"];
            if let (Some(map), Some(entry)) = (of["name"].as_str(), of["key"].as_str()) {
                let data = config_maps.get(&(namespace.to_owned(), map.to_owned()));
                let text = data.and_then(|data| data[entry].as_str());
                texts.extend(text.map(|text| (format!("variable {key}"), text.to_owned())));
            }
        }
        let from = container["envFrom"].as_array().into_iter().flatten();
        referenced.extend(from.filter_map(|from| from["configMapRef"]["name"].as_str()).map(str::to_owned));
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let projected = volume["projected"]["sources"].as_array().into_iter().flatten();
        let names = projected.map(|source| &source["configMap"]).chain([&volume["configMap"]]);
        referenced.extend(names.filter_map(|map| map["name"].as_str()).map(str::to_owned));
    }
    for map in referenced {
        let Some(data) = config_maps.get(&(namespace.to_owned(), map.clone())) else { continue };
        for (key, text) in data.as_object().into_iter().flatten() {
            texts.extend(text.as_str().map(|text| (format!("{key} in ConfigMap {map}"), text.to_owned())));
        }
    }
    texts
}

/// A host, and a port if one is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    host: String,
    port: Option<u16>,
    /// Nothing but this address is in the text, or a scheme stands before it: a lone word counts as a host.
    sure: bool,
}

const ADDRESS: &str = r"(?P<scheme>[a-z][a-z0-9+.-]*://)?(?:[^\s/@:]+(?::[^\s/@]*)?@)?(?P<host>[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(?::(?P<port>[0-9]{1,5}))?";

/// Everything in a text that may be an address: `host`, `host:port`, `scheme://host:port/…`.
fn addresses(text: &str, pattern: &Regex) -> Vec<Address> {
    if text.len() > MOST_TEXT {
        return Vec::new();
    }
    let trimmed = text.trim();
    pattern
        .captures_iter(text)
        .filter_map(|found| {
            let whole = found.get(0)?;
            Some(Address {
                host: found.name("host")?.as_str().to_owned(),
                port: found.name("port").and_then(|port| port.as_str().parse().ok()),
                sure: found.name("scheme").is_some() || whole.as_str() == trimmed,
            })
        })
        .collect()
}

impl Address {
    /// The service that the host names, seen from `namespace`: `name`, `name.namespace`, and with `.svc` and the
    /// cluster's domain behind. A pod of a headless service is its service.
    fn service<'c>(&self, cluster: &'c Cluster, namespace: &str) -> Option<&'c Service> {
        let labels: Vec<&str> = self.host.split('.').collect();
        let find = |name: &str, namespace: &str| {
            cluster.services.iter().find(|service| *service.name == *name && *service.namespace == *namespace)
        };
        match labels.as_slice() {
            [name] if self.sure || self.port.is_some() => find(name, namespace),
            [name, other] => find(name, other)
                .or_else(|| find(other, namespace).filter(|service| service.headless && *name != *other)),
            [name, other, "svc", ..] => find(name, other),
            [_, name, other, "svc", ..] => find(name, other).filter(|service| service.headless),
            [_, name, other] => find(name, other).filter(|service| service.headless),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_where_they_stand() {
        let found = |text: &str| -> Vec<(String, Option<u16>, bool)> {
            let pattern = Regex::new(ADDRESS).unwrap();
            addresses(text, &pattern)
                .into_iter()
                .map(|address| (address.host, address.port, address.sure))
                .collect()
        };
        assert_eq!(found("db"), [("db".into(), None, true)]);
        assert_eq!(found("db:5432"), [("db".into(), Some(5432), true)]);
        assert_eq!(found("http://es.logging:9200/_bulk")[0], ("es.logging".into(), Some(9200), true));
        assert_eq!(
            found("postgres://user:pass@db.shop.svc:5432/x")[0],
            ("db.shop.svc".into(), Some(5432), true)
        );
        assert!(found("--upstream=http://web:80").contains(&("web".into(), Some(80), true)));
        assert!(found("hosts: [\"es:9200\"]").contains(&("es".into(), Some(9200), false)));
        assert!(found("").is_empty());
    }
}
