//! Admission levels and exposed services: OBS-PSS-01 and 02, OBS-EXP-01 to 03.

use parapet_manifest::Node;
use serde_json::json;

use super::isolation::ingress_backends;
use crate::finding::Findings;
use crate::pss::{Level, check, minor};
use crate::reach::Protocol;
use crate::rule::Needs::{Manifests, Reach};
use crate::rule::Severity::{High, Info, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use crate::world::{Role, Workload, World};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Pods, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-PSS-01",
        Info,
        Manifests,
        "A namespace without a Pod Security level",
        "Nothing refuses a privileged pod in it.",
        "Label it pod-security.kubernetes.io/enforce.",
        no_level,
    ),
    rule(
        "OBS-PSS-02",
        Medium,
        Manifests,
        "A Pod Security level that doesn't fit",
        "Either pods are refused, and a DaemonSet or a rollout stands still, or the level could be stricter than it is.",
        "Put node agents into a namespace of their own, and raise the other's level.",
        wrong_level,
    ),
    rule(
        "OBS-EXP-01",
        High,
        Manifests,
        "A Service of the stack is open to the outside",
        "A NodePort or load balancer without source ranges is reached by whoever reaches the nodes or the balancer.",
        "Use ClusterIP behind an Ingress with TLS and authentication.",
        exposed,
    ),
    rule(
        "OBS-EXP-02",
        Medium,
        Manifests,
        "An Ingress leads to administration without authentication",
        "Elasticsearch's and Prometheus' paths for administration delete data and stop the server.",
        "Require authentication, or admit only the paths that are needed.",
        administration,
    ),
    rule(
        "OBS-EXP-03",
        Medium,
        Reach,
        "Prometheus takes writes and administration",
        "Whoever reaches it may delete series, reload or stop it, or push false samples.",
        "Switch it off, or admit only who needs it.",
        prometheus_administration,
    ),
];

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

fn no_level<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for name in world.obs_namespaces() {
        let Some(namespace) = world.namespace_object(name) else { continue };
        if world.namespace_labels(name).keys().any(|label| label.starts_with("pod-security.kubernetes.io/")) {
            continue;
        }
        let level = fitting(world, name, minor(None)).name();
        found
            .add(
                namespace,
                "/metadata/name",
                format!("no Pod Security level is set; its pods would fit {level}"),
            )
            .set(parapet_manifest::pointer(["metadata", "labels", ENFORCE]), json!(level));
    }
}

fn templates<'w>(
    world: &'w World<'w>,
    namespace: &str,
) -> impl Iterator<Item = (&'w Workload<'w>, &'w Node)> {
    let namespace = namespace.to_owned();
    world
        .workloads
        .iter()
        .filter(move |workload| workload.namespace == namespace && !workload.managed)
        .filter_map(|workload| Some((workload, workload.document.at(&workload.template)?)))
}

/// The strictest level that all pods of a namespace fit.
fn fitting(world: &World<'_>, namespace: &str, minor: u32) -> Level {
    [Level::Restricted, Level::Baseline]
        .into_iter()
        .find(|level| {
            templates(world, namespace).all(|(_, template)| check(template, *level, minor).is_empty())
        })
        .unwrap_or(Level::Privileged)
}

fn wrong_level<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for name in world.obs_namespaces() {
        let Some(namespace) = world.namespace_object(name) else { continue };
        let labels = world.namespace_labels(name);
        let Some(text) = labels.get(ENFORCE) else { continue };
        // What can't be read is enforced as the strictest.
        let level = Level::parse(text).unwrap_or(Level::Restricted);
        let version = labels.get("pod-security.kubernetes.io/enforce-version").copied();
        let minor = world.options.kubernetes_minor.unwrap_or(u32::MAX).min(minor(version));
        let pointer = parapet_manifest::pointer(["metadata", "labels", ENFORCE]);
        let refused: Vec<String> = templates(world, name)
            .filter_map(|(workload, template)| {
                let first = check(template, level, minor).into_iter().next()?;
                Some(format!("{workload}: {} ({})", first.message, first.control))
            })
            .collect();
        if !refused.is_empty() {
            found
                .add(
                    namespace,
                    pointer,
                    format!("the level {} refuses pods of {} workloads", level.name(), refused.len()),
                )
                .evidence(refused);
            continue;
        }
        let fits = fitting(world, name, minor);
        let managed = world.workloads.iter().any(|workload| workload.namespace == name && workload.managed);
        if fits > level && !managed {
            found
                .add(
                    namespace,
                    pointer.clone(),
                    format!("all its pods fit {}, the level is {}", fits.name(), level.name()),
                )
                .set(pointer, json!(fits.name()));
        }
    }
}

fn exposed<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for service in world.kind("Service") {
        let kind = service.at("/spec/type").and_then(Node::as_str).unwrap_or("ClusterIP");
        let ranges =
            service.at("/spec/loadBalancerSourceRanges").is_some_and(|ranges| !ranges.items().is_empty());
        let (pointer, what) = match kind {
            "NodePort" => ("/spec/type", "a NodePort"),
            "LoadBalancer" if !ranges => ("/spec/type", "a load balancer for everybody"),
            _ if service.at("/spec/externalIPs").is_some_and(|ips| !ips.items().is_empty()) => {
                ("/spec/externalIPs", "an external address")
            }
            _ => continue,
        };
        if let Some(workload) = world.backends(service).into_iter().find(|workload| workload.role.is_some()) {
            let draft = found.add(service, pointer, format!("{what} leads to {workload}"));
            if pointer == "/spec/type" {
                draft.becomes(json!("ClusterIP"));
            }
        }
    }
    for workload in &world.workloads {
        let kind = workload.document.at("/spec/http/service/spec/type").and_then(Node::as_str);
        if workload.managed && matches!(kind, Some("NodePort" | "LoadBalancer")) {
            found.add(
                workload.document,
                "/spec/http/service/spec/type",
                format!("the Service of {workload} is open to the outside"),
            );
        }
    }
}

fn administration<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for ingress in world.kind("Ingress").chain(world.kind("Route")) {
        let annotations = ingress.at("/metadata/annotations").map_or(&[] as &[_], Node::entries);
        if annotations
            .iter()
            .any(|entry| entry.key.name.contains("auth") || entry.key.name.contains("middlewares"))
        {
            continue;
        }
        for (pointer, name) in ingress_backends(ingress) {
            let Some(service) = world.find("Service", world.namespace(ingress), name) else { continue };
            let path = pointer
                .strip_suffix("/backend/service/name")
                .and_then(|at| ingress.at(at)?.get("path")?.as_str());
            let narrow = path.is_some_and(|path| {
                !matches!(path, "/" | "")
                    && !path.starts_with("/_")
                    && !path.starts_with("/api/v1/admin")
                    && !path.starts_with("/-/")
            });
            let administered = world.backends(service).into_iter().find(|backend| {
                matches!(backend.role, Some(Role::Elasticsearch | Role::Prometheus | Role::Alertmanager))
            });
            if let Some(workload) = administered.filter(|_| !narrow) {
                found.add(ingress, pointer, format!("{workload} is administered through it by anybody"));
            }
        }
    }
}

const FLAGS: &[&str] = &["web.enable-admin-api", "web.enable-lifecycle", "web.enable-remote-write-receiver"];
const FIELDS: &[&str] = &["enableAdminAPI", "enableRemoteWriteReceiver"];

fn prometheus_administration<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::Prometheus]) {
        let sources = world.sources(workload, Protocol::Tcp, 9090, |_| false);
        let mut places: Vec<(String, &str)> = Vec::new();
        for container in workload.main_containers() {
            places.extend(
                FLAGS.iter().filter_map(|flag| Some((workload.pointer(&container.flag(flag)?.0), *flag))),
            );
        }
        for field in FIELDS {
            let pointer = format!("/spec/{field}");
            if workload.document.at(&pointer).and_then(Node::as_bool) == Some(true) {
                places.push((pointer, field));
            }
        }
        for (pointer, what) in places.into_iter().filter(|_| !sources.is_empty()) {
            let message = format!("{what} is on, and {} reach it", sources.words());
            let draft = found.add(workload.document, &pointer, message);
            match workload.document.at(&pointer).map(|node| (node.as_bool(), node.as_str())) {
                Some((Some(_), _)) => draft.becomes(json!(false)),
                _ => draft.remove(&pointer),
            };
            draft
                .reached_by(world, &sources, workload, (Protocol::Tcp, 9090))
                .raised_if(sources.outside && super::isolation::is_exposed(world, workload));
        }
    }
}
