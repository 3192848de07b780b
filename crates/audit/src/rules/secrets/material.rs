//! Passwords, keys and certificates themselves.

use base64::Engine as _;
use parapet_manifest::{Document, Node};
use x509_parser::pem::Pem;

use super::shapes::{is_literal, is_sensitive, walk};
use crate::finding::Findings;
use crate::world::World;

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
    let mut values: Vec<(&str, &str, &Document, String)> = Vec::new();
    for workload in &world.workloads {
        for variable in workload.containers.iter().flat_map(|container| container.variables()) {
            if is_sensitive(variable.name) && is_literal(variable.value) {
                values.push((
                    variable.name,
                    variable.value,
                    workload.document,
                    workload.pointer(&variable.pointer),
                ));
            }
        }
    }
    for secret in world.kind("Secret") {
        for entry in secret.root.get("stringData").map_or(&[] as &[_], Node::entries) {
            if let Some(value) = entry.value.as_str().filter(|value| is_literal(value)) {
                let pointer = parapet_manifest::pointer(["stringData", &*entry.key.name]);
                values.push((&entry.key.name, value, secret, pointer));
            }
        }
    }
    for (index, (name, value, document, pointer)) in values.iter().enumerate() {
        if DEFAULTS.contains(&value.to_lowercase().as_str()) {
            found.add(document, pointer.clone(), format!("{name} is a password that everybody knows"));
        } else if let Some((other, ..)) =
            values[..index].iter().find(|(other, same, ..)| same == value && other != name)
        {
            found.add(document, pointer.clone(), format!("{name} has the same value as {other}"));
        }
    }
}

/// The bytes of a key of a Secret.
fn content(secret: &Document, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = secret.root.get("stringData").and_then(|data| data.get(key)).and_then(Node::as_str) {
        return Some(text.as_bytes().to_vec());
    }
    let text = secret.root.get("data")?.get(key)?.as_str()?;
    let compact: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(compact).ok()
}

fn key_pointer(secret: &Document, key: &str) -> String {
    let part = if secret.at(&parapet_manifest::pointer(["stringData", key])).is_some() {
        "stringData"
    } else {
        "data"
    };
    parapet_manifest::pointer([part, key])
}

/// The last day of the first certificate of a PEM text.
pub(in crate::rules) fn last_day(pem: &[u8]) -> Option<jiff::civil::Date> {
    let pem = Pem::iter_from_buffer(pem).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(jiff::Timestamp::from_second(seconds).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date())
}

pub(super) fn unusable_certificate<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let secrets = world
        .kind("Secret")
        .filter(|secret| secret.at("/type").and_then(Node::as_str) == Some("kubernetes.io/tls"));
    for secret in secrets {
        for (key, label) in [("tls.crt", "CERTIFICATE-----"), ("tls.key", "PRIVATE KEY-----")] {
            let Some(bytes) = content(secret, key).filter(|bytes| !bytes.is_empty()) else {
                found.add(secret, "/type", format!("the Secret has no usable {key}"));
                continue;
            };
            if !String::from_utf8_lossy(&bytes).contains(label) {
                found.add(secret, key_pointer(secret, key), format!("{key} is not PEM"));
            } else if let Some(day) = last_day(&bytes).filter(|day| *day < world.options.today) {
                found.add(secret, key_pointer(secret, key), format!("the certificate ended on {day}"));
            }
        }
    }
}

/// Encryption keys that documentation shows.
const SAMPLES: &[&str] = &[
    "something_at_least_32_characters",
    "min-32-byte-long-strong-encryption-key",
    "fhjskloppd678ehkdfdlliverpoolfcr",
];

pub(super) fn sample_material<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for document in world.documents {
        walk(&document.root, &mut String::new(), &mut |pointer, text| {
            if SAMPLES.iter().any(|sample| text.contains(sample)) {
                found.add(document, pointer.to_owned(), "an encryption key from a product's documentation");
            }
        });
    }
    for map in world.kind("ConfigMap") {
        for entry in map.root.get("data").map_or(&[] as &[_], Node::entries) {
            let text = entry.value.as_str().unwrap_or("");
            if let Some(day) = last_day(text.as_bytes()).filter(|day| *day < world.options.today) {
                found.add(
                    map,
                    parapet_manifest::pointer(["data", &*entry.key.name]),
                    format!("the certificate ended on {day}"),
                );
            }
        }
    }
    let mut keys: Vec<(Vec<u8>, &Document)> = Vec::new();
    for secret in world.kind("Secret") {
        let Some(key) = content(secret, "tls.key").filter(|key| !key.is_empty()) else { continue };
        if let Some((_, other)) = keys.iter().find(|(known, _)| *known == key) {
            found
                .add(
                    secret,
                    key_pointer(secret, "tls.key"),
                    format!("the same private key as in the Secret {}", other.name),
                )
                .related(other, &key_pointer(other, "tls.key"), "the other Secret");
        }
        keys.push((key, secret));
    }
}
