//! What scrapes: ServiceMonitors, PodMonitors, and Prometheus' own configuration.

use parapet_manifest::{Document, Node};
use serde_json::json;

use super::remedies::{CA, authority, granted, only_port, token};
use super::scrapes::{Scrape, scrapes};
use crate::finding::Findings;
use crate::reach::End;
use crate::rules::repair::connect;
use crate::world::{Role, Workload, World, grants, labels, selector_matches};

pub(super) fn unverified<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for scrape in scrapes(world).iter().filter(|scrape| scrape.skips_verification()) {
        let at =
            if scrape.is_text { "/tls_config/insecure_skip_verify" } else { "/tlsConfig/insecureSkipVerify" };
        let (pointer, span) = scrape.place(at);
        let with = if scrape.token().is_some() { " and sends a token" } else { "" };
        let draft =
            found.add_at(scrape.document, pointer, span, format!("the scrape accepts any certificate{with}"));
        scrape.set(draft, "/tlsConfig/insecureSkipVerify", "/tls_config/insecure_skip_verify", json!(false));
    }
}

pub(super) fn token_in_clear<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for scrape in scrapes(world).iter().filter(|scrape| !scrape.is_https()) {
        let Some(field) = scrape.token() else { continue };
        let (pointer, span) = scrape.place(field);
        let draft = found.add_at(
            scrape.document,
            pointer,
            span,
            "the token is sent over http, where everybody on the path reads it",
        );
        scrape.set(draft, "/scheme", "/scheme", json!("https"));
    }
}

/// The Services that a monitor selects.
pub(super) fn services<'w>(world: &'w World<'w>, monitor: &'w Document) -> Vec<&'w Document> {
    let Some(selector) = monitor.at("/spec/selector") else { return Vec::new() };
    world
        .kind("Service")
        .filter(|service| in_scope(world, monitor, world.namespace(service)))
        .filter(|service| {
            let own = labels(service.at("/metadata/labels"));
            selector_matches(selector, |key| own.get(key).copied())
        })
        .collect()
}

fn in_scope<'w>(world: &'w World<'w>, monitor: &'w Document, namespace: &str) -> bool {
    if monitor.at("/spec/namespaceSelector/any").and_then(Node::as_bool) == Some(true) {
        return true;
    }
    match monitor.at("/spec/namespaceSelector/matchNames").map(Node::items) {
        Some(names) if !names.is_empty() => names.iter().any(|name| name.as_str() == Some(namespace)),
        _ => world.namespace(monitor) == namespace,
    }
}

fn pods<'w>(world: &'w World<'w>, monitor: &'w Document) -> Vec<&'w Workload<'w>> {
    let Some(selector) = monitor.at("/spec/selector") else { return Vec::new() };
    world
        .workloads
        .iter()
        .filter(|workload| in_scope(world, monitor, workload.namespace))
        .filter(|workload| selector_matches(selector, |key| workload.labels.get(key).map(String::as_str)))
        .collect()
}

pub(super) fn unverifiable<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for scrape in scrapes(world).iter().filter(|scrape| scrape.is_https() && !scrape.skips_verification()) {
        let ca = ["/tlsConfig/ca", "/tlsConfig/caFile", "/tls_config/ca_file", "/tls_config/ca"];
        if !ca.iter().any(|pointer| scrape.node.at(pointer).is_some()) {
            let (pointer, span) = scrape.place(if scrape.is_text { "/tls_config" } else { "/tlsConfig" });
            let draft = found.add_at(
                scrape.document,
                pointer,
                span,
                "no ca is given: a certificate from a private CA can't be verified, and the scrape fails",
            );
            if let Some((service, secret)) = authority(world, scrape.document) {
                let ca = json!({"secret": {"name": &*secret.name, "key": CA}});
                let name = format!("{}.{}.svc", service.name, world.namespace(service));
                draft.set(format!("{}/tlsConfig/ca", scrape.pointer), ca);
                draft.set(format!("{}/tlsConfig/serverName", scrape.pointer), json!(name));
            }
            continue;
        }
        if &*scrape.document.kind != "ServiceMonitor" {
            continue;
        }
        let selected = services(world, scrape.document);
        let Some(service) = selected.first() else { continue };
        let expected = format!("{}.{}.svc", service.name, world.namespace(service));
        let name = scrape.node.at("/tlsConfig/serverName").and_then(Node::as_str);
        if !name.is_some_and(|name| name == expected || name.starts_with(&format!("{expected}."))) {
            let (pointer, span) = scrape.place("/tlsConfig/serverName");
            let message = match name {
                Some(name) => {
                    format!("serverName {name:?} is not the Service's name {expected}: verification fails")
                }
                None => format!("no serverName: the target is an address, its certificate says {expected}"),
            };
            found
                .add_at(scrape.document, pointer, span, message)
                .set(format!("{}/tlsConfig/serverName", scrape.pointer), json!(expected));
        }
    }
}

const MOUNTED_SECRETS: &str = "/etc/prometheus/secrets/";

pub(super) fn ca_not_mounted<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let instances: Vec<_> = world.kind("Prometheus").collect();
    if instances.is_empty() {
        return;
    }
    for scrape in scrapes(world) {
        let (at, file) = [("/tlsConfig/caFile", "caFile"), ("/tls_config/ca_file", "ca_file")]
            .iter()
            .find_map(|(at, _)| Some((*at, scrape.node.at(at)?.as_str()?)))
            .unwrap_or(("", ""));
        let Some(secret) = file.strip_prefix(MOUNTED_SECRETS).and_then(|rest| rest.split('/').next()) else {
            continue;
        };
        let mounted = instances.iter().any(|instance| {
            instance
                .at("/spec/secrets")
                .map_or(&[] as &[Node], Node::items)
                .iter()
                .any(|name| name.as_str() == Some(secret))
        });
        if !mounted {
            let (pointer, span) = scrape.place(at);
            let draft = found
                .add_at(scrape.document, pointer, span, format!("the Secret {secret} is not in spec.secrets of the Prometheus object: the file doesn't exist"))
                .related(instances[0], "/spec/secrets", "where the Secret must be named");
            if let [instance] = instances.as_slice() {
                draft.push_in(instance, "/spec/secrets", json!(secret));
            }
        }
    }
}

pub(super) fn deprecated_token_file<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for scrape in
        scrapes(world).iter().filter(|scrape| !scrape.is_text && scrape.node.get("bearerTokenFile").is_some())
    {
        let (pointer, span) = scrape.place("/bearerTokenFile");
        let draft = found.add_at(
            scrape.document,
            pointer.clone(),
            span,
            "bearerTokenFile reads any file of Prometheus' pod and is deprecated",
        );
        if let Some(secret) = token(world, world.namespace(scrape.document)) {
            let credentials = json!({"type": "Bearer", "credentials": {"name": secret, "key": "token"}});
            draft.set(format!("{}/authorization", scrape.pointer), credentials).remove(pointer);
        }
    }
}

pub(super) fn no_role_for_metrics<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let proxied: Vec<&Workload<'_>> =
        world.workloads.iter().filter(|workload| super::proxies::proxy(workload).is_some()).collect();
    if proxied.is_empty() {
        return;
    }
    let mut scrapers = world.of(&[Role::Prometheus]).peekable();
    if scrapers.peek().is_none() {
        let granted = world
            .kind("ClusterRole")
            .any(|role| grants(role).iter().any(|grant| grant.allows_url("get", "/metrics")));
        if granted {
            return;
        }
        for monitor in world.kind("ServiceMonitor") {
            let behind = services(world, monitor).iter().any(|service| {
                world
                    .backends(service)
                    .iter()
                    .any(|backend| proxied.iter().any(|workload| workload.number == backend.number))
            });
            if behind {
                found.add(
                    monitor,
                    "/metadata/name",
                    "no ClusterRole lets anybody `get` /metrics: the proxy answers this scrape with 403",
                );
            }
        }
        return;
    }
    for prometheus in scrapers {
        let account = prometheus.service_account();
        if world.account_may(prometheus.namespace, account, |grant| grant.allows_url("get", "/metrics"))
            == Some(false)
        {
            let rules = json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]);
            let name = format!("{}-{account}-reads-metrics", prometheus.namespace);
            let [role, binding] = granted(&name, rules, prometheus.namespace, account);
            found
                .add(
                    prometheus.document,
                    "/metadata/name",
                    format!(
                        "its account {}/{account} may not `get` /metrics: the proxy answers its scrapes with 403",
                        prometheus.namespace
                    ),
                )
                .new_object(&role)
                .new_object(&binding);
        }
    }
}

pub(super) fn dangling<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for monitor in world.kind("ServiceMonitor") {
        let selected = services(world, monitor);
        if selected.is_empty() {
            found.add(
                monitor,
                "/spec/selector",
                "the monitor selects no Service of the namespaces that it looks at",
            );
            continue;
        }
        let endpoints = monitor.at("/spec/endpoints").map_or(&[] as &[Node], Node::items);
        for (index, endpoint) in endpoints.iter().enumerate() {
            let Some(name) = endpoint.get("port").and_then(Node::as_str) else { continue };
            let ports: Vec<(&Document, usize, &Node)> = selected
                .iter()
                .flat_map(|service| {
                    let ports = service.at("/spec/ports").map_or(&[] as &[Node], Node::items);
                    ports.iter().enumerate().map(|(index, port)| (*service, index, port))
                })
                .filter(|(_, _, port)| port.get("name").and_then(Node::as_str) == Some(name))
                .collect();
            if ports.is_empty() {
                let draft = found.add(
                    monitor,
                    format!("/spec/endpoints/{index}/port"),
                    format!("no selected Service has a port named {name:?}"),
                );
                if let Some(only) = only_port(&selected) {
                    draft.becomes(json!(only));
                }
            }
            for (service, index, port) in ports {
                let Some(target) = port.get("targetPort").and_then(Node::as_str) else { continue };
                let backends = world.backends(service);
                let declared =
                    backends.iter().any(|backend| backend.ports().iter().any(|own| own.name == Some(target)));
                if !backends.is_empty() && !declared {
                    found.add(service, format!("/spec/ports/{index}/targetPort"), format!("no pod of the Service declares a port named {target:?}: the monitored port leads nowhere"));
                }
            }
        }
    }
    for monitor in world.kind("PodMonitor") {
        let selected = pods(world, monitor);
        if selected.is_empty() {
            found.add(
                monitor,
                "/spec/selector",
                "the monitor selects no pod of the namespaces that it looks at",
            );
            continue;
        }
        for (index, endpoint) in
            monitor.at("/spec/podMetricsEndpoints").map_or(&[] as &[Node], Node::items).iter().enumerate()
        {
            let Some(name) = endpoint.get("port").and_then(Node::as_str) else { continue };
            if !selected.iter().any(|pod| pod.ports().iter().any(|port| port.name == Some(name))) {
                found.add(
                    monitor,
                    format!("/spec/podMetricsEndpoints/{index}/port"),
                    format!("no selected pod has a port named {name:?}"),
                );
            }
        }
    }
}

/// What a scrape connects to: workloads with their port.
pub(crate) fn targets<'w>(world: &'w World<'w>, scrape: &Scrape<'_>) -> Vec<(&'w Workload<'w>, u16)> {
    let name = scrape.node.get("port").and_then(Node::as_str);
    let Some(document) = world.documents.iter().find(|document| std::ptr::eq(*document, scrape.document))
    else {
        return Vec::new();
    };
    match &*document.kind {
        "PodMonitor" => pods(world, document)
            .into_iter()
            .flat_map(|pod| {
                let ports: Vec<u16> =
                    pod.ports().iter().filter(|port| port.name == name).map(|port| port.number).collect();
                ports.into_iter().map(move |port| (pod, port))
            })
            .collect(),
        "ServiceMonitor" => {
            let mut all = Vec::new();
            for service in services(world, document) {
                for port in service.at("/spec/ports").map_or(&[] as &[Node], Node::items) {
                    if port.get("name").and_then(Node::as_str) != name {
                        continue;
                    }
                    for backend in world.backends(service) {
                        let number = match port.get("targetPort") {
                            Some(target) => {
                                target.as_i64().and_then(|port| u16::try_from(port).ok()).or_else(|| {
                                    backend
                                        .ports()
                                        .iter()
                                        .find(|own| own.name == target.as_str())
                                        .map(|own| own.number)
                                })
                            }
                            None => port
                                .get("port")
                                .and_then(Node::as_i64)
                                .and_then(|port| u16::try_from(port).ok()),
                        };
                        if let Some(number) = number
                            && let Some(workload) = world.workloads.get(backend.number)
                        {
                            all.push((workload, number));
                        }
                    }
                }
            }
            all
        }
        _ => Vec::new(),
    }
}

pub(super) fn unreachable_target<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for scrape in scrapes(world) {
        for prometheus in world.of(&[Role::Prometheus]) {
            let blocked = targets(world, &scrape).into_iter().find(|(target, port)| {
                !world.allows(
                    End::Workload(prometheus.number),
                    End::Workload(target.number),
                    crate::reach::Protocol::Tcp,
                    *port,
                )
            });
            if let Some((target, port)) = blocked {
                let (pointer, span) = scrape.place("/port");
                let draft = found
                    .add_at(
                        scrape.document,
                        pointer,
                        span,
                        format!(
                            "{prometheus} can't connect to {target} on port {port}: the target stays down"
                        ),
                    )
                    .related(target.document, "/metadata/name", "the target");
                connect(world, draft, prometheus, target, &[(crate::reach::Protocol::Tcp, port)]);
            }
        }
    }
}
