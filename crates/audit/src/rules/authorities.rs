//! Custom certificate authorities, for networks that intercept TLS: OBS-CA-01 to 06.

use parapet_manifest::Node;
use serde_json::json;

use crate::finding::Findings;
use crate::rule::Needs::Manifests;
use crate::rule::Severity::{High, Info, Low, Medium};
use crate::rule::{Check, Group, Rule, Severity};
use crate::world::{Container, ContainerKind, Role, Workload, World};

const fn rule(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Pods, needs: Manifests, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-CA-01",
        High,
        "The container that builds the CA bundle can't write it",
        "Its target is mounted readOnly: it fails, and the pod never starts.",
        "Remove readOnly from that mount, in that container.",
        read_only_writer,
    ),
    rule(
        "OBS-CA-02",
        Medium,
        "The public CAs are hidden",
        "A Secret mounted at /etc/ssl/certs replaces everything there: public backends are no longer trusted.",
        "Put the whole bundle into it, or mount one file.",
        hidden_bundle,
    ),
    rule(
        "OBS-CA-03",
        Medium,
        "A custom CA is mounted in some pipelines only",
        "The others fail as soon as their connection is intercepted too.",
        "Mount it in all of them.",
        some_only,
    ),
    rule(
        "OBS-CA-04",
        Medium,
        "The container that builds the CA bundle is the weak link",
        "It decides whom everything else trusts, and runs unpinned or unhardened.",
        "Harden it like the others, and pin its image.",
        weak_writer,
    ),
    rule(
        "OBS-CA-05",
        Low,
        "The CA's Secret holds the wrong thing",
        "A private key there can sign for everybody; a missing key or an ended certificate breaks all connections.",
        "Keep only the CA's certificate, under the name that is used.",
        wrong_material,
    ),
    rule(
        "OBS-CA-06",
        Info,
        "TLS is intercepted here",
        "A custom root means that a proxy reads the telemetry on its way out.",
        "Make sure that it may.",
        intercepted,
    ),
];

/// The directories that hold a system's trusted certificates.
const TRUST_STORES: &[&str] = &["/etc/ssl/certs", "/etc/pki/tls/certs", "/usr/local/share/ca-certificates"];

/// The init container that builds a bundle.
fn writer<'x, 'a>(workload: &'x Workload<'a>) -> Option<&'x Container<'a>> {
    workload.containers.iter().find(|container| {
        container.kind == ContainerKind::Init
            && container
                .arguments()
                .iter()
                .any(|(_, text)| text.contains("ca-certificates") || text.contains("update-ca"))
    })
}

/// What a writer's commands write to: the words after `>` and the last word of `cp`.
fn written(container: &Container<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    for (_, text) in container.arguments() {
        for line in text.lines() {
            if let Some((_, target)) = line.rsplit_once('>') {
                paths.push(target.trim().to_owned());
            } else if line.trim_start().starts_with("cp ") {
                paths.extend(line.split_whitespace().next_back().map(str::to_owned));
            }
        }
    }
    paths
}

fn read_only_writer<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        let Some(writer) = writer(workload) else { continue };
        let paths = written(writer);
        for (pointer, mount) in writer.mounts() {
            let at = mount.get("mountPath").and_then(Node::as_str).unwrap_or("").trim_end_matches('/');
            let read_only = mount.get("readOnly").and_then(Node::as_bool) == Some(true);
            if read_only && !at.is_empty() && paths.iter().any(|path| path.starts_with(&format!("{at}/"))) {
                let at_pointer = format!("{pointer}/readOnly");
                found
                    .add_pod(
                        workload,
                        &at_pointer,
                        format!("{} writes to {at}, which is mounted readOnly", writer.name),
                    )
                    .set(workload.pointer(&at_pointer), json!(false));
            }
        }
    }
}

/// Mounts over a trust store, with the volume they are of.
fn trust_mounts<'w>(workload: &Workload<'w>) -> Vec<(String, &'w Node, &'w Node)> {
    let volumes = workload.volumes();
    workload
        .main_containers()
        .flat_map(|container| container.mounts().collect::<Vec<_>>())
        .filter_map(|(pointer, mount)| {
            let at = mount.get("mountPath")?.as_str()?.trim_end_matches('/');
            let store = TRUST_STORES.iter().any(|store| at == *store || at.starts_with(&format!("{store}/")));
            let name = mount.get("name")?.as_str()?;
            let (_, volume) =
                volumes.iter().find(|(_, volume)| volume.get("name").and_then(Node::as_str) == Some(name))?;
            store.then_some((pointer, mount, *volume))
        })
        .collect()
}

fn hidden_bundle<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        for (pointer, mount, volume) in trust_mounts(workload) {
            let whole = mount.get("subPath").is_none()
                && mount
                    .get("mountPath")
                    .and_then(Node::as_str)
                    .is_some_and(|at| TRUST_STORES.contains(&at.trim_end_matches('/')));
            if whole && volume.get("secret").is_some() {
                let draft = found.add_pod(
                    workload,
                    format!("{pointer}/mountPath"),
                    "only the Secret's certificates are trusted: the public CAs are hidden",
                );
                let at = mount.get("mountPath").and_then(Node::as_str).unwrap_or("").trim_end_matches('/');
                if let Some(key) = only_key(world, workload, volume) {
                    draft
                        .becomes(json!(format!("{at}/{key}")))
                        .set(workload.pointer(&format!("{pointer}/subPath")), json!(key));
                }
            }
        }
    }
}

/// The only file of a Secret's volume.
fn only_key<'w>(world: &'w World<'w>, workload: &Workload<'_>, volume: &'w Node) -> Option<&'w str> {
    if let Some(items) = volume.at("/secret/items") {
        let [item] = items.items() else { return None };
        return item.get("path")?.as_str();
    }
    let secret = world.find("Secret", workload.namespace, volume.at("/secret/secretName")?.as_str()?)?;
    let parts = ["data", "stringData"].into_iter().filter_map(|part| secret.root.get(part));
    let mut keys = parts.flat_map(Node::entries);
    let one = keys.next()?;
    keys.next().is_none().then_some(&*one.key.name)
}

fn some_only<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let collectors: Vec<&Workload<'_>> =
        world.workloads.iter().filter(|workload| workload.role.is_some_and(Role::is_collector)).collect();
    let Some(with) = collectors.iter().find(|workload| !trust_mounts(workload).is_empty()) else { return };
    for workload in
        collectors.iter().filter(|workload| workload.namespace == with.namespace && !workload.managed)
    {
        if trust_mounts(workload).is_empty() && !workload.has_role(Role::CollectorAgent) {
            let draft = found
                .add(
                    workload.document,
                    "/metadata/name",
                    format!("{workload} doesn't mount the custom CA that {with} does"),
                )
                .related(with.document, "/metadata/name", "the one that does");
            // A bundle that an init container builds takes that container, too.
            for (_, mount, volume) in trust_mounts(with) {
                if volume.get("secret").is_none() && volume.get("configMap").is_none() {
                    continue;
                }
                draft.push(workload.pointer("/spec/volumes"), volume.to_json());
                for container in workload.main_containers() {
                    draft.push(
                        workload.pointer(&format!("{}/volumeMounts", container.pointer)),
                        mount.to_json(),
                    );
                }
            }
        }
    }
}

fn weak_writer<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        let Some(writer) = writer(workload) else { continue };
        let mut weak = Vec::new();
        if writer.node.get("securityContext").is_none() {
            weak.push("no securityContext");
        }
        if writer.image().is_some_and(|image| {
            !image.contains('@') && !image.rsplit('/').next().unwrap_or(image).contains(':')
        }) {
            weak.push("an untagged image");
        }
        if !weak.is_empty() {
            let at = workload.pointer(&format!("{}/securityContext", writer.pointer));
            let draft = found.add_pod(
                workload,
                &writer.pointer,
                format!("{} has {}", writer.name, weak.join(" and ")),
            );
            if writer.node.get("securityContext").is_none() {
                draft.set(at, json!({
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
                    "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"},
                }));
            }
        }
    }
}

/// Secrets that hold a CA, by their name.
fn is_authority(name: &str) -> bool {
    name.contains("root-ca") || name.contains("ca-cert") || name.contains("custom-ca")
}

fn wrong_material<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    use base64::Engine as _;
    for secret in world.kind("Secret").filter(|secret| is_authority(&secret.name)) {
        for part in ["data", "stringData"] {
            for entry in secret.root.get(part).map_or(&[] as &[_], Node::entries) {
                let text = entry.value.as_str().unwrap_or("");
                let bytes = if part == "data" {
                    base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap_or_default()
                } else {
                    text.as_bytes().to_vec()
                };
                let text = String::from_utf8_lossy(&bytes);
                let ended = super::secrets::last_day(&bytes).filter(|day| *day < world.options.today);
                let message = if text.contains("PRIVATE KEY-----") {
                    "a CA's Secret holds a private key: whoever mounts it can sign for everybody".to_owned()
                } else if !text.contains("CERTIFICATE-----") {
                    "not a certificate in PEM".to_owned()
                } else if let Some(day) = ended {
                    format!("the CA's certificate ended on {day}")
                } else {
                    continue;
                };
                let is_key = text.contains("PRIVATE KEY-----");
                let at = parapet_manifest::pointer([part, &*entry.key.name]);
                let draft = found.add(secret, &at, message);
                // A certificate beside it in the same text would go with it.
                if is_key && !text.contains("CERTIFICATE-----") {
                    draft.remove(at);
                }
            }
        }
    }
}

fn intercepted<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        if let Some((pointer, ..)) = trust_mounts(workload).first() {
            found.add_pod(
                workload,
                format!("{pointer}/mountPath"),
                format!("{workload} trusts a custom root: a proxy may read what it sends"),
            );
        }
    }
}
