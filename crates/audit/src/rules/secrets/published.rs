//! Keys that everybody has, because a product's documentation or repository shows them, and keys that several have:
//! OBS-SEC-13.

use parapet_manifest::{Document, Node};
use sha2::{Digest as _, Sha256};

use super::certificates::{last_day, public_keys};
use super::material::{content, key_pointer};
use super::shapes::walk;
use crate::finding::Findings;
use crate::world::World;

/// Something published that people copy.
struct Published {
    /// Whose it is, and where it is shown.
    whose: &'static str,
    mark: Mark,
}

/// How it is recognised.
enum Mark {
    /// The text itself.
    Text(&'static str),
    /// The SHA-256 of the public key (SubjectPublicKeyInfo, DER): the private one is published, so a certificate of it is
    /// nobody's.
    Key(&'static str),
}

const fn text(whose: &'static str, text: &'static str) -> Published {
    Published { whose, mark: Mark::Text(text) }
}

const fn key(whose: &'static str, fingerprint: &'static str) -> Published {
    Published { whose, mark: Mark::Key(fingerprint) }
}

const KIBANA: &str = "Kibana's documentation";
const COMPOSE: &str = "Elastic's example for Docker Compose";
const KUBERNETES: &str = "Kubernetes' documentation of encryption at rest";
const OPERATIONAL_INSIGHTS: &str = "Operational Insights' repository (config/certificates)";
const ISTIO: &str = "Istio's repository (samples/certs)";
const GRPC: &str = "gRPC's repository (testdata/x509)";
const COLLECTOR: &str = "the OpenTelemetry Collector's repository (configtls/testdata)";
const EXPORTERS: &str = "Prometheus' exporter toolkit (web/testdata)";
const GO: &str = "Go's standard library (net/http's test server)";

/// Fingerprints were taken from those repositories' own files: Istio of 2026-08, gRPC 1.75, configtls 1.70, toolkit 0.20,
/// Go 1.26, Operational Insights of 2021 (the ones that it ships).
const PUBLISHED: &[Published] = &[
    text(KIBANA, "something_at_least_32_characters"),
    text(KIBANA, "min-32-byte-long-strong-encryption-key"),
    text(KIBANA, "fhjskloppd678ehkdfdlliverpoolfcr"),
    text(COMPOSE, "c34d38b3a14956121ff2170e5030b471551370178f43e5626eec58b04a30fae2"),
    text("Grafana's default configuration", "SW2YcwTIb9zpOOhoPsMm"),
    text(KUBERNETES, "c2VjcmV0IGlzIHNlY3VyZQ=="),
    text(KUBERNETES, "dGhpcyBpcyBwYXNzd29yZA=="),
    text(KUBERNETES, "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY="),
    text("jwt.io's example", "your-256-bit-secret"),
    key(OPERATIONAL_INSIGHTS, "b93abde974c1d1305ad55a7a410528f2de5a084826a9563a5d8adb9ea0f4d941"),
    key(OPERATIONAL_INSIGHTS, "6cf551f9d22dbb78936797a50b3e3ad2e61e2cbda37d0f5c531332e6f1860b3c"),
    key(OPERATIONAL_INSIGHTS, "97a39037498df50bac7c2d8bcb975f2bb78f35623546b106bcba6ed765d3c7a9"),
    key(ISTIO, "02f9ef016e164f12013c7e8d1f19b4ebd85738ef9cbee079a077bfd9166794cf"),
    key(ISTIO, "42d8cfd1102e06e3f2579e68f9db4f787ec9cbcd1f19f1bae7934cee918c2fef"),
    key(ISTIO, "88e809261b157f0db238901c0033e6bfeba79793c20ab8af41963cdd41ce6600"),
    key(ISTIO, "ea6a6c986f1f857db9220ae417f72720e6a3f789e06a85a7e92052c36fa10e58"),
    key(ISTIO, "ee087b4b06e45ab3596dacd51ff5176c7b3f28196115374040f0269f4b36b5a9"),
    key(GRPC, "1364d34d402def45b91e17a826d5182ef405d806bfccac3a5a2a9cb29370dfbe"),
    key(GRPC, "355ddb16b7640454dd0810efa30c0c67393e17c3e71d1a2de733353a7e6d3f78"),
    key(GRPC, "7989522d0b0789d02b0d500e89cc8f8e9fdf430616f5aa16fbb3c98a8fe23c4f"),
    key(GRPC, "c36f2b4f37a5bfabca50ab8f9dc943b6c1635bfbedf0d52c992a8db8577473de"),
    key(GRPC, "d8b1d52d113b01ed09e888077cb581a58ce3cca70adb6b196dcf487f221a0afd"),
    key(GRPC, "e099b78ddedbcdb929e75c44473477d562dee820afa3292c582832cd57a8b41e"),
    key(COLLECTOR, "2455f8393ffa9cce947055bb90f53c90600fecc1b40c220c8cb77873190980ed"),
    key(COLLECTOR, "a3f0684964f7ba929778d91d3c3330eb5634adb19b4a0e2e67d909f8b895fca3"),
    key(COLLECTOR, "c08166b735558de68394d40ad56c04d0a2440bb5a5de95f84edd4525c21ea641"),
    key(COLLECTOR, "f535395df295e1b5818343f3125b4683d6759a58a22e08e7434014144bce9c92"),
    key(EXPORTERS, "07ee186116cca7d74f0fb20fab30641f33a089a3abe88ae8b02f11ab3fcb9b0a"),
    key(EXPORTERS, "b2d806c46bff919443ffa1e4f4a5777fdc63db6a76edceffafa4ffc73d1c5957"),
    key(EXPORTERS, "e2560c5f0cdb2c4cb9729ecb2d7a25a3b4bb9d9707a998ef2649e20d73802db4"),
    key(GO, "389f9ede520dbc33d2aebc489246ad89e221d1ec15f693c348c58b08219367aa"),
];

pub(super) fn sample_material<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for document in world.documents {
        walk(&document.root, &mut String::new(), &mut |pointer, text| {
            let of_secret = &*document.kind == "Secret" && pointer.starts_with("/data/");
            let decoded = of_secret.then(|| super::material::decoded(text)).flatten();
            let text = decoded.as_deref().unwrap_or(text.as_bytes());
            if let Some(message) = published(text) {
                found.add(document, pointer.to_owned(), message);
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
    shared(world, found);
}

/// Why a text is everybody's, if it is.
fn published(text: &[u8]) -> Option<String> {
    let readable = String::from_utf8_lossy(text);
    let keys: Vec<String> = match readable.contains("-----BEGIN ") {
        true => public_keys(text).iter().map(|key| hex::encode(Sha256::digest(key))).collect(),
        false => Vec::new(),
    };
    PUBLISHED.iter().find_map(|published| match published.mark {
        Mark::Text(sample) if readable.contains(sample) => {
            Some(format!("a sample from {}: everybody has it", published.whose))
        }
        Mark::Key(fingerprint) if keys.iter().any(|key| key == fingerprint) => {
            Some(format!("a sample from {}: everybody has its key", published.whose))
        }
        _ => None,
    })
}

/// One private key in several Secrets.
fn shared<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let mut keys: Vec<(Vec<u8>, &Document)> = Vec::new();
    for secret in world.kind("Secret") {
        let Some(key) = content(secret, "tls.key").filter(|key| !key.is_empty()) else { continue };
        // The same key may be written in several ways.
        let known = public_keys(&key).pop().unwrap_or(key);
        if let Some((_, other)) = keys.iter().find(|(other, _)| *other == known) {
            found
                .add(
                    secret,
                    key_pointer(secret, "tls.key"),
                    format!("the same private key as in the Secret {}", other.name),
                )
                .related(other, &key_pointer(other, "tls.key"), "the other Secret");
        }
        keys.push((known, secret));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_no_doubles_and_fingerprints_are_fingerprints() {
        let mut marks: Vec<&str> = PUBLISHED
            .iter()
            .map(|published| match published.mark {
                Mark::Text(text) => text,
                Mark::Key(key) => {
                    assert_eq!(hex::decode(key).unwrap().len(), 32, "{key}");
                    key
                }
            })
            .collect();
        let count = marks.len();
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), count);
    }
}
