//! Secrets as objects: who holds them, who refers to them, who may read them.

use parapet_manifest::{Document, Node};
use serde_json::json;

use super::shapes::is_sensitive;
use crate::finding::Findings;
use crate::world::{Role, Workload, World, grants};

pub(super) fn environment<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs() {
        for container in &workload.containers {
            for (pointer, entry) in container.env() {
                let name = entry.get("name").and_then(Node::as_str).unwrap_or("");
                if entry.at("/valueFrom/secretKeyRef").is_some() && is_sensitive(name) {
                    found.add_pod(workload, format!("{pointer}/valueFrom/secretKeyRef"), format!("{name} is passed in the environment, where every process of the container shows it"));
                }
            }
            for (index, source) in
                container.node.get("envFrom").map_or(&[] as &[Node], Node::items).iter().enumerate()
            {
                if source.get("secretRef").is_some() {
                    found.add_pod(
                        workload,
                        format!("{}/envFrom/{index}/secretRef", container.pointer),
                        "a whole Secret is passed in the environment",
                    );
                }
            }
        }
    }
}

pub(super) fn stored<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for secret in world.kind("Secret").filter(|secret| &*secret.file != "cluster") {
        let part = ["data", "stringData"]
            .into_iter()
            .find(|part| secret.root.get(part).is_some_and(|data| !data.entries().is_empty()));
        if let Some(part) = part {
            found.add(
                secret,
                format!("/{part}"),
                format!("the content of the Secret {} is in the manifest", secret.name),
            );
        }
    }
}

/// Kinds whose presence means that something manages secrets.
const MANAGERS: &[&str] = &[
    "ExternalSecret",
    "ClusterExternalSecret",
    "SecretProviderClass",
    "SealedSecret",
    "VaultStaticSecret",
    "VaultDynamicSecret",
];

/// The Secrets and ConfigMaps that a workload refers to: kind, name, key, pointer below the template, optional.
fn references<'a>(workload: &Workload<'a>) -> Vec<(&'static str, &'a str, Option<&'a str>, String, bool)> {
    let mut all = Vec::new();
    let optional = |node: &Node| node.get("optional").and_then(Node::as_bool) == Some(true);
    for (pointer, volume) in workload.volumes() {
        for (field, name, kind) in [("secret", "secretName", "Secret"), ("configMap", "name", "ConfigMap")] {
            if let Some(source) = volume.get(field)
                && let Some(found) = source.get(name).and_then(Node::as_str)
            {
                all.push((kind, found, None, format!("{pointer}/{field}/{name}"), optional(source)));
            }
        }
    }
    for container in &workload.containers {
        for (index, source) in
            container.node.get("envFrom").map_or(&[] as &[Node], Node::items).iter().enumerate()
        {
            for (field, kind) in [("secretRef", "Secret"), ("configMapRef", "ConfigMap")] {
                if let Some(reference) = source.get(field)
                    && let Some(name) = reference.get("name").and_then(Node::as_str)
                {
                    let pointer = format!("{}/envFrom/{index}/{field}/name", container.pointer);
                    all.push((kind, name, None, pointer, optional(reference)));
                }
            }
        }
        for (pointer, entry) in container.env() {
            for (field, kind) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
                if let Some(reference) = entry.at(&format!("/valueFrom/{field}"))
                    && let Some(name) = reference.get("name").and_then(Node::as_str)
                {
                    let key = reference.get("key").and_then(Node::as_str);
                    all.push((
                        kind,
                        name,
                        key,
                        format!("{pointer}/valueFrom/{field}/name"),
                        optional(reference),
                    ));
                }
            }
        }
    }
    all
}

pub(super) fn no_manager<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for namespace in world.obs_namespaces() {
        let managed = world.documents.iter().any(|document| {
            MANAGERS.contains(&&*document.kind)
                && (document.kind.starts_with("Cluster") || world.namespace(document) == namespace)
        }) || world.workloads.iter().any(|workload| {
            workload.namespace == namespace
                && workload.annotation("vault.hashicorp.com/agent-inject") == Some("true")
        });
        let user = world.obs().filter(|workload| workload.namespace == namespace && !workload.managed).find(
            |workload| {
                references(workload)
                    .iter()
                    .any(|(kind, name, ..)| *kind == "Secret" && !is_made_by_operator(world, name))
            },
        );
        if let Some(workload) = user.filter(|_| !managed) {
            let place = world.namespace_object(namespace).unwrap_or(workload.document);
            found.add(
                place,
                "/metadata/name",
                format!("the credentials of {namespace} are plain Secrets that nothing rotates"),
            );
        }
    }
}

/// Verbs that give a Secret's content.
const READING: &[&str] = &["get", "list", "watch"];

pub(super) fn readers<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let namespaces = world.obs_namespaces();
    for binding in world.bindings() {
        let Some(role) = binding.role else { continue };
        if !binding.only.is_none_or(|namespace| namespaces.contains(&namespace)) {
            continue;
        }
        let subject = format!("{}:{}/{}", binding.kind, binding.namespace, binding.name);
        let is_operator = world.of(&[Role::Operator]).any(|operator| {
            binding.kind == "ServiceAccount"
                && operator.namespace == binding.namespace
                && operator.service_account() == binding.name
        });
        if is_operator || world.options.secret_readers.contains(&subject) {
            continue;
        }
        let reads = grants(role).into_iter().find(|grant| {
            grant.names.is_empty() && READING.iter().any(|verb| grant.allows(verb, "", "secrets"))
        });
        if let Some(grant) = reads {
            let whose = binding.only.map_or_else(|| "all namespaces".to_owned(), str::to_owned);
            found
                .add(
                    binding.document,
                    binding.pointer,
                    format!("{} {} may read every Secret of {whose}", binding.kind, binding.name),
                )
                .related(role, &grant.pointer, "the rule that says so");
        }
    }
}

pub(super) fn overshared<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs() {
        for (pointer, volume) in workload.volumes() {
            let Some(secret) = volume.get("secret") else { continue };
            let name = volume.get("name").and_then(Node::as_str).unwrap_or("");
            let mounted = workload.containers.iter().any(|container| {
                container.mounts().any(|(_, mount)| mount.get("name").and_then(Node::as_str) == Some(name))
            });
            let mode = secret.get("defaultMode").and_then(Node::as_i64);
            if let Some(mode) = mode.filter(|mode| mode & 0o007 != 0) {
                let at = format!("{pointer}/secret/defaultMode");
                found
                    .add_pod(
                        workload,
                        &at,
                        format!(
                            "the Secret's files have mode {mode:o}: every user in the container reads them"
                        ),
                    )
                    .becomes(json!(0o440));
            } else if !mounted && !workload.managed {
                found
                    .add_pod(workload, format!("{pointer}/secret"), "no container mounts this Secret")
                    .remove(workload.pointer(&pointer));
            }
        }
    }
}

/// Secrets that operators and controllers make: their names' endings, and whole names.
const MADE: &[&str] = &[
    "-es-elastic-user",
    "-es-http-certs-public",
    "-es-http-certs-internal",
    "-es-http-ca-internal",
    "-es-internal-users",
    "-es-transport-certs",
    "-es-remote-ca",
    "-kb-http-certs-public",
    "-kb-http-certs-internal",
    "-kb-config",
    "-kb-user",
    "-apm-http-certs-public",
    "-apm-token",
    "-apm-config",
    "-user",
    "elastic-webhook-server-cert",
    "kube-root-ca.crt",
];

fn is_made_by_operator(world: &World<'_>, name: &str) -> bool {
    let made = MADE.iter().any(|ending| name.ends_with(ending));
    made || world.documents.iter().any(|document| {
        let target = match &*document.kind {
            "ExternalSecret" => {
                document.at("/spec/target/name").and_then(Node::as_str).unwrap_or(&document.name)
            }
            "Certificate" => document.at("/spec/secretName").and_then(Node::as_str).unwrap_or(""),
            "SealedSecret" => &document.name,
            _ => "",
        };
        target == name
    })
}

pub(super) fn dangling<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        for (kind, name, key, pointer, optional) in references(workload) {
            if optional || is_made_by_operator(world, name) {
                continue;
            }
            match world.find(kind, workload.namespace, name) {
                None => {
                    // Secrets are rightly kept out of repositories: without any in the input their absence says little.
                    let some = world.kind(kind).any(|object| world.namespace(object) == workload.namespace);
                    let draft = found.add_pod(
                        workload,
                        pointer,
                        format!("the {kind} {name} is not in the input, and nothing here makes it"),
                    );
                    if !some {
                        draft.lowered_if(true).lowered_if(true);
                    }
                    if let Some(meant) = meant(world, workload, kind, key) {
                        let pointer = draft.path().to_owned();
                        draft.set(pointer, json!(meant));
                    }
                }
                Some(object) => {
                    // Of a live cluster's Secrets only the names are read.
                    let is_read = &*object.file != "cluster" || kind != "Secret";
                    if let Some(key) = key.filter(|key| is_read && !has_key(object, key)) {
                        found
                            .add_pod(workload, pointer, format!("the {kind} {name} has no key {key:?}"))
                            .related(object, "/metadata/name", "the object");
                    }
                }
            }
        }
    }
}

/// The object that a dangling reference must mean: the only one of the kind that nobody in the namespace refers to, where
/// nothing else there dangles.
fn meant<'w>(
    world: &'w World<'w>,
    workload: &Workload<'_>,
    kind: &str,
    key: Option<&str>,
) -> Option<&'w str> {
    let near = || world.workloads.iter().filter(|other| other.namespace == workload.namespace);
    let referred: Vec<&str> = near()
        .flat_map(|other| references(other))
        .filter(|(other, ..)| *other == kind)
        .map(|(_, name, ..)| name)
        .collect();
    let objects: Vec<&Document> =
        world.kind(kind).filter(|object| world.namespace(object) == workload.namespace).collect();
    let mut dangling: Vec<&str> = referred.clone();
    dangling.retain(|name| {
        !is_made_by_operator(world, name) && !objects.iter().any(|object| *object.name == **name)
    });
    dangling.sort_unstable();
    dangling.dedup();
    let unused: Vec<&&Document> =
        objects.iter().filter(|object| !referred.contains(&&*object.name)).collect();
    match (dangling.as_slice(), unused.as_slice()) {
        ([_], [one]) if key.is_none_or(|key| has_key(one, key)) => Some(&one.name),
        _ => None,
    }
}

fn has_key(object: &Document, key: &str) -> bool {
    ["data", "stringData", "binaryData"]
        .iter()
        .any(|part| object.root.get(part).is_some_and(|data| data.get(key).is_some()))
}

pub(super) fn at_rest<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for document in world.kind("EncryptionConfiguration") {
        for (index, resource) in
            document.root.get("resources").map_or(&[] as &[Node], Node::items).iter().enumerate()
        {
            let of_secrets = resource
                .get("resources")
                .map_or(&[] as &[Node], Node::items)
                .iter()
                .any(|name| matches!(name.as_str(), Some("secrets" | "*.*" | "*.")));
            if of_secrets && resource.at("/providers/0/identity").is_some() {
                found.add(
                    document,
                    format!("/resources/{index}/providers/0"),
                    "the first provider is `identity`: Secrets are written unencrypted",
                );
            }
        }
    }
    for workload in &world.workloads {
        for container in workload.main_containers() {
            let is_server =
                container.arguments().first().is_some_and(|(_, command)| command.ends_with("kube-apiserver"));
            if is_server && container.flag("encryption-provider-config").is_none() {
                found.add_pod(workload, &container.pointer, "the API server runs without --encryption-provider-config: Secrets are written unencrypted");
            }
        }
    }
}
