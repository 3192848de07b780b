//! What pods have of their hosts: OBS-HOST-01 to 05.

use parapet_manifest::Node;
use serde_json::{Value, json};

use super::{effective, field, runs_as_root};
use crate::finding::Findings;
use crate::reach::Protocol;
use crate::rules::isolation::closing;
use crate::world::{Role, Workload, World};

pub(super) fn root_agent<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::CollectorAgent, Role::Filebeat]) {
        for container in workload.main_containers() {
            if effective(workload, container, "/runAsUser").and_then(Node::as_i64) == Some(0) {
                let at = if container.security("/runAsUser").is_some() {
                    field(container, "runAsUser")
                } else {
                    "/spec/securityContext/runAsUser".to_owned()
                };
                found.add_pod(workload, at, format!("the log collector {} runs as root", container.name));
            }
        }
    }
}

/// What log agents read.
pub(super) const NEEDED: &[&str] = &[
    "/var/log/containers",
    "/var/log/pods",
    "/var/log/journal",
    "/var/lib/docker/containers",
    "/var/log/audit",
    "/run/log/journal",
];

/// What agents keep their positions in.
pub(super) fn is_state(path: &str) -> bool {
    path.starts_with("/var/lib/")
        && !path.starts_with("/var/lib/kubelet")
        && path.trim_end_matches('/') != "/var/lib/docker"
        && path.matches('/').count() >= 3
}

/// hostPath volumes with their pointers, names and paths.
pub(super) fn host_paths<'w>(workload: &Workload<'w>) -> Vec<(String, &'w str, &'w str)> {
    workload
        .volumes()
        .into_iter()
        .filter_map(|(pointer, volume)| {
            let path = volume.at("/hostPath/path")?.as_str()?;
            Some((format!("{pointer}/hostPath/path"), volume.get("name")?.as_str()?, path))
        })
        .collect()
}

pub(super) fn broad_mount<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::CollectorAgent, Role::Filebeat]) {
        for (pointer, _, path) in host_paths(workload) {
            let trimmed = path.trim_end_matches('/');
            let needed =
                NEEDED.iter().any(|needed| trimmed == *needed || trimmed.starts_with(&format!("{needed}/")));
            if !needed && !is_state(path) {
                found.add_pod(workload, pointer, format!("{path} of the node is more than an agent needs"));
            }
        }
    }
}

pub(super) fn writable_mount<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::CollectorAgent, Role::Filebeat]) {
        for (_, name, path) in
            host_paths(workload).into_iter().filter(|(_, _, path)| !is_state(path) || NEEDED.contains(path))
        {
            for container in &workload.containers {
                for (pointer, mount) in container.mounts() {
                    let same = mount.get("name").and_then(Node::as_str) == Some(name);
                    if same && mount.get("readOnly").and_then(Node::as_bool) != Some(true) {
                        found
                            .add_pod(
                                workload,
                                &pointer,
                                format!(
                                    "{path} of the node is writable for the container {}",
                                    container.name
                                ),
                            )
                            .set(workload.pointer(&format!("{pointer}/readOnly")), Value::Bool(true));
                    }
                }
            }
        }
    }
}

pub(super) fn host_namespaces<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| !workload.has_role(Role::NodeExporter)) {
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            if workload.flag(name) {
                let at = format!("/spec/{name}");
                found
                    .add_pod(workload, &at, format!("{workload} uses {name}"))
                    .set(workload.pointer(&at), json!(false));
            }
        }
        for container in &workload.containers {
            for (index, port) in
                container.node.get("ports").map_or(&[] as &[Node], Node::items).iter().enumerate()
            {
                if let Some(number) =
                    port.get("hostPort").and_then(Node::as_i64).filter(|number| *number != 0)
                {
                    let at = format!("{}/ports/{index}/hostPort", container.pointer);
                    found
                        .add_pod(workload, &at, format!("port {number} of every node leads to {workload}"))
                        .remove(workload.pointer(&at));
                }
            }
        }
    }
}

pub(super) fn reachable_root<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs().filter(|workload| !host_paths(workload).is_empty()) {
        let root =
            workload.main_containers().any(|container| runs_as_root(workload, container) != Some(false))
                && !workload.managed;
        let (protocol, port) =
            workload.ports().first().map_or((Protocol::Tcp, 65000), |port| (port.protocol, port.number));
        let sources = world.sources(workload, protocol, port, |from| from.has_role(Role::Prometheus));
        if root && !sources.workloads.is_empty() {
            let draft = found
                .add(
                    workload.document,
                    "/metadata/name",
                    format!(
                        "{workload} runs as root with the node's files and is reached by {}",
                        sources.words()
                    ),
                )
                .reached_by(world, &sources, workload, (protocol, port));
            let scraper = |from: &Workload<'_>| from.has_role(Role::Prometheus);
            if let Some(policy) = closing(world, workload, (protocol, port), scraper) {
                draft.new_object(&policy);
            }
        }
    }
}
