//! Who reaches the stack's own ports: OBS-RX-12 to 16.

use super::isolation::{closing, is_exposed};
use super::mesh::is_strict;
use super::mesh::same_cluster;
use super::repair::connect;
use crate::finding::Findings;
use crate::least::translated;
use crate::reach::{End, Protocol};
use crate::rule::Needs::Reach;
use crate::rule::Severity::{Critical, High, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use crate::world::{Config, Role, Workload, World};
use parapet_manifest::Node;

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Receivers, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-RX-12",
        High,
        Reach,
        "A screen or API is reached from outside of the cluster",
        "Kibana, Prometheus, Alertmanager and Grafana show everything they know; Prometheus and Alertmanager ask nobody who they are.",
        "Put TLS and authentication in front, and a policy that admits only that.",
        from_outside,
    ),
    rule(
        "OBS-RX-13",
        Critical,
        Reach,
        "Elasticsearch's transport port is open",
        "Who speaks the transport protocol is a node: it reads and writes everything. Only the cluster's own nodes need 9300.",
        "Admit only pods with the same cluster label.",
        transport,
    ),
    rule(
        "OBS-RX-14",
        High,
        Reach,
        "Elasticsearch's HTTP port is open to more than its clients",
        "A leaked password or an unpatched fault is enough from wherever the port is reached.",
        "Admit Kibana, APM Server, Logstash and the operator.",
        http,
    ),
    rule(
        "OBS-RX-15",
        High,
        Reach,
        "A node agent can be connected to",
        "It runs on every node with the node's files; it needs nobody to connect to it but the scraper.",
        "Deny ingress, and admit Prometheus to the metrics port.",
        agent,
    ),
    rule(
        "OBS-RX-16",
        Medium,
        Reach,
        "Remote write goes in clear, or nowhere",
        "Samples cross namespaces readable, or are lost at a closed port.",
        "Use https, and open the port.",
        remote_write,
    ),
];

fn from_outside<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| workload.role.is_some_and(Role::is_interface)) {
        let port = workload.role.and_then(|role| role.ports().first().copied()).unwrap_or(0);
        let proxied = workload.containers.iter().any(|container| {
            container.is_rbac_proxy()
                || container
                    .image()
                    .is_some_and(|image| image.contains("oauth2-proxy") || image.contains("oauth-proxy"))
        });
        let own_tls = workload.managed && matches!(&*workload.document.kind, "Elasticsearch" | "Kibana");
        if proxied || own_tls || is_strict(world, workload, port) {
            continue;
        }
        if world.allows(End::Outside, End::Workload(workload.number), Protocol::Tcp, port) {
            let exposed = is_exposed(world, workload);
            let draft = found
                .add(workload.document, "/metadata/name", format!("port {port} of {workload} is reached from any address outside of the cluster, with no proxy in front"))
                .raised_if(exposed);
            if let Some(policy) = closing(world, workload, (Protocol::Tcp, port), |_| true) {
                draft.new_object(&policy);
            }
        }
    }
}

fn transport<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::Elasticsearch]) {
        let sources = world.sources(workload, Protocol::Tcp, 9300, |from| same_cluster(from, workload));
        if !sources.is_empty() {
            let message = format!("port 9300 of {workload} is reached by {}", sources.words());
            let draft = found.add(workload.document, "/metadata/name", message);
            draft
                .reached_by(world, &sources, workload, (Protocol::Tcp, 9300))
                .lowered_if(!sources.outside && sources.workloads.len() == 1);
            let own = |from: &Workload<'_>| same_cluster(from, workload);
            if let Some(policy) = closing(world, workload, (Protocol::Tcp, 9300), own) {
                draft.new_object(&policy);
            }
        }
    }
}

/// Whether somebody is taken for a client of this Elasticsearch: with one in its own namespace it is that one's.
pub(crate) fn is_its_client(world: &World<'_>, other: &Workload<'_>, workload: &Workload<'_>) -> bool {
    let near = other.namespace == workload.namespace
        || !world.of(&[Role::Elasticsearch]).any(|another| another.namespace == other.namespace);
    match other.role {
        Some(Role::Operator) => workload.managed,
        // Where those send their configuration shows; they need no Elasticsearch.
        Some(role) if role.is_collector() || role == Role::Filebeat => other.namespace == workload.namespace,
        Some(Role::Elasticsearch) => other.number == workload.number || same_cluster(other, workload),
        Some(role) => is_client(role) && near,
        None => false,
    }
}

/// Roles that are Elasticsearch's clients.
fn is_client(role: Role) -> bool {
    role.is_collector()
        || matches!(
            role,
            Role::Elasticsearch
                | Role::Kibana
                | Role::Apm
                | Role::Logstash
                | Role::Filebeat
                | Role::Operator
                | Role::ApiBuilder
        )
}

fn http<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::Elasticsearch]) {
        // Whoever names it is a client, too.
        let names_it = |from: &Workload<'_>| {
            let mut known = world.shown().clients(workload.number);
            known.any(|(client, ports)| client == from.number && ports.contains(&(Protocol::Tcp, 9200)))
        };
        let is_meant = |from: &Workload<'_>| from.role.is_some_and(is_client) || names_it(from);
        let sources = world.sources(workload, Protocol::Tcp, 9200, is_meant);
        if !sources.is_empty() {
            let message = format!("port 9200 of {workload} is reached by {}", sources.words());
            let draft = found.add(workload.document, "/metadata/name", message);
            draft.reached_by(world, &sources, workload, (Protocol::Tcp, 9200)).lowered_if(!sources.outside);
            if let Some(policy) = closing(world, workload, (Protocol::Tcp, 9200), is_meant) {
                draft.new_object(&policy);
            }
        }
    }
}

fn agent<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in
        world.of(&[Role::CollectorAgent, Role::Filebeat]).filter(|workload| !workload.flag("hostNetwork"))
    {
        let ports = workload.ports();
        // A port that nothing declares stands for all others.
        let (protocol, port) =
            ports.first().map_or((Protocol::Tcp, 65000), |port| (port.protocol, port.number));
        let sources = world.sources(workload, protocol, port, |from| from.has_role(Role::Prometheus));
        if !sources.is_empty() {
            let message =
                format!("{workload} runs on every node and is reached by {} on port {port}", sources.words());
            let draft = found.add(workload.document, "/metadata/name", message);
            draft.reached_by(world, &sources, workload, (protocol, port)).lowered_if(!sources.outside);
            let scraper = |from: &Workload<'_>| from.has_role(Role::Prometheus);
            if let Some(policy) = closing(world, workload, (protocol, port), scraper) {
                draft.new_object(&policy);
            }
        }
    }
}

fn remote_write<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let mut urls: Vec<(&'w parapet_manifest::Document, String, parapet_manifest::Span, String)> = Vec::new();
    for document in world.kind("Prometheus") {
        for (index, node) in
            document.at("/spec/remoteWrite").map_or(&[] as &[Node], Node::items).iter().enumerate()
        {
            if let Some(url) = node.get("url").and_then(Node::as_str) {
                let pointer = format!("/spec/remoteWrite/{index}/url");
                let span = document.place(&pointer);
                urls.push((document, pointer, span, url.to_owned()));
            }
        }
    }
    for settings in world.settings.iter().filter(|settings| settings.config == Config::Prometheus) {
        for setting in settings.ending("remote.write.url") {
            urls.push((settings.document, settings.pointer.clone(), setting.span, setting.value.clone()));
        }
    }
    for (document, pointer, span, url) in urls {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
        let (host, port) = crate::world::address(
            rest.split('/').next().unwrap_or(rest),
            if scheme == "https" { 443 } else { 80 },
        );
        let mut parts = host.split('.');
        let (name, namespace) = (parts.next().unwrap_or(""), parts.next());
        let own = world.namespace(document);
        let service = world.find("Service", namespace.unwrap_or(own), name);
        let writer = world.of(&[Role::Prometheus]).find(|workload| workload.namespace == own);
        let cut = service.zip(writer).and_then(|(service, writer)| {
            let ends: Vec<(&Workload<'_>, u16)> =
                world.backends(service).into_iter().map(|to| (to, translated(service, port, to))).collect();
            let open = ends.iter().any(|(to, port)| {
                world.allows(End::Workload(writer.number), End::Workload(to.number), Protocol::Tcp, *port)
            });
            (!ends.is_empty() && !open).then_some((writer, ends))
        });
        if let Some((writer, ends)) = cut {
            let message = format!("{url} is blocked by a policy: samples are lost");
            let draft = found.add_at(document, pointer, span, message);
            for (to, port) in ends {
                connect(world, draft, writer, to, &[(Protocol::Tcp, port)]);
            }
        } else if scheme == "http" && namespace.is_some_and(|namespace| namespace != own) {
            found.add_at(
                document,
                pointer,
                span,
                format!("samples go to {url} in clear text, across namespaces"),
            );
        }
    }
}
