//! Passwords that everybody knows or several accounts share, and what Secrets hold.

use base64::Engine as _;
use parapet_manifest::{Document, Node};

use super::shapes::{by_reference, is_literal, is_sensitive};
use crate::finding::Findings;
use crate::world::{Workload, World};

/// Passwords that products ship or their documentation shows.
const DEFAULTS: &[&str] = &[
    "changeme",
    "admin",
    "password",
    "elastic",
    "axway",
    "prom-operator",
    "secret",
    "kibana",
    "logstash",
    "apiadmin",
    "123456",
];

pub(super) fn default_password<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let mut values: Vec<(&str, &str, &Document, String, Option<&Workload<'_>>)> = Vec::new();
    for workload in &world.workloads {
        for variable in workload.containers.iter().flat_map(|container| container.variables()) {
            if is_sensitive(variable.name) && is_literal(variable.value) {
                values.push((
                    variable.name,
                    variable.value,
                    workload.document,
                    variable.pointer.clone(),
                    Some(workload),
                ));
            }
        }
    }
    for secret in world.kind("Secret") {
        for entry in secret.root.get("stringData").map_or(&[] as &[_], Node::entries) {
            if let Some(value) = entry.value.as_str().filter(|value| is_literal(value)) {
                let pointer = parapet_manifest::pointer(["stringData", &*entry.key.name]);
                values.push((&entry.key.name, value, secret, pointer, None));
            }
        }
    }
    for (index, (name, value, document, pointer, workload)) in values.iter().enumerate() {
        let message = if DEFAULTS.contains(&value.to_lowercase().as_str()) {
            format!("{name} is a password that everybody knows")
        } else if let Some((other, ..)) =
            values[..index].iter().find(|(other, same, ..)| same == value && other != name)
        {
            format!("{name} has the same value as {other}")
        } else {
            continue;
        };
        match workload {
            Some(workload) => {
                let draft = found.add_pod(workload, pointer, message);
                by_reference(draft, workload, pointer.strip_suffix("/value").unwrap_or(pointer), name);
            }
            None => {
                found.add(document, pointer.clone(), message);
            }
        }
    }
}

/// The bytes of a key of a Secret.
pub(super) fn content(secret: &Document, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = secret.root.get("stringData").and_then(|data| data.get(key)).and_then(Node::as_str) {
        return Some(text.as_bytes().to_vec());
    }
    decoded(secret.root.get("data")?.get(key)?.as_str()?)
}

/// What a value below a Secret's `data` stands for.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(compact).ok()
}

/// Where a key of a Secret stands.
pub(super) fn key_pointer(secret: &Document, key: &str) -> String {
    let part = if secret.at(&parapet_manifest::pointer(["stringData", key])).is_some() {
        "stringData"
    } else {
        "data"
    };
    parapet_manifest::pointer([part, key])
}
