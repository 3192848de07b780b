//! Certificates and the keys that belong to them, as Secrets hold them: OBS-SEC-10.

use parapet_manifest::{Document, Node};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;

use super::material::{content, key_pointer};
use crate::finding::Findings;
use crate::world::{Workload, World};

/// The last day of the first certificate of a PEM text.
pub(in crate::rules) fn last_day(pem: &[u8]) -> Option<jiff::civil::Date> {
    let pem = Pem::iter_from_buffer(pem).next()?.ok()?;
    ends(&pem.parse_x509().ok()?)
}

fn ends(certificate: &X509Certificate<'_>) -> Option<jiff::civil::Date> {
    let seconds = certificate.validity().not_after.timestamp();
    Some(jiff::Timestamp::from_second(seconds).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// The public keys (SubjectPublicKeyInfo, DER) of all certificates and private keys of a PEM text.
pub(super) fn public_keys(pem: &[u8]) -> Vec<Vec<u8>> {
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(|certificate| {
        let certificate = certificate.ok()?;
        let (_, certificate) = X509Certificate::from_der(&certificate).ok()?;
        Some(certificate.public_key().raw.to_vec())
    });
    let keys = PrivateKeyDer::pem_slice_iter(pem).filter_map(|key| public_key_of(&key.ok()?));
    certificates.chain(keys).collect()
}

/// None for kinds of keys that no TLS server here can use, so that nothing is known of them.
fn public_key_of(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).ok()?;
    Some(key.public_key()?.as_ref().to_vec())
}

pub(super) fn unusable_certificate<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    // Of a live cluster's Secrets only names and types are read, unless more is asked for.
    let is_read = |secret: &&Document| &*secret.file != "cluster" || secret.root.get("data").is_some();
    let secrets = world
        .kind("Secret")
        .filter(is_read)
        .filter(|secret| secret.at("/type").and_then(Node::as_str) == Some("kubernetes.io/tls"));
    for secret in secrets {
        let [certificate, key] = ["tls.crt", "tls.key"].map(|name| {
            let bytes = content(secret, name).filter(|bytes| !bytes.is_empty());
            if bytes.is_none() {
                found.add(secret, "/type", format!("the Secret has no usable {name}"));
            }
            bytes
        });
        let key = key.and_then(|bytes| match PrivateKeyDer::from_pem_slice(&bytes) {
            Ok(key) => Some(key),
            Err(_) => {
                found.add(secret, key_pointer(secret, "tls.key"), "tls.key holds no private key as PEM");
                None
            }
        });
        let Some(bytes) = certificate else { continue };
        let chain = CertificateDer::from_pem_slice(&bytes);
        let parsed = chain.as_ref().ok().and_then(|chain| X509Certificate::from_der(chain).ok());
        let Some((_, certificate)) = parsed else {
            found.add(secret, key_pointer(secret, "tls.crt"), "tls.crt holds no certificate as PEM");
            continue;
        };
        if let Some(day) = ends(&certificate).filter(|day| *day < world.options.today) {
            found.add(secret, key_pointer(secret, "tls.crt"), format!("the certificate ended on {day}"));
        }
        if let Some(public) = key.as_ref().and_then(public_key_of)
            && public != certificate.public_key().raw
        {
            found
                .add(
                    secret,
                    key_pointer(secret, "tls.key"),
                    "tls.key is not the key of the certificate in tls.crt: no server starts with the two",
                )
                .related(secret, &key_pointer(secret, "tls.crt"), "the certificate");
        }
        unnamed(world, secret, &certificate, found);
    }
}

/// A server's certificate that names none of the Services by which clients reach it.
fn unnamed<'w>(
    world: &'w World<'w>,
    secret: &'w Document,
    certificate: &X509Certificate<'_>,
    found: &mut Findings<'w>,
) {
    if !serves(certificate) {
        return;
    }
    let names = names(certificate);
    let namespace = world.namespace(secret);
    for workload in world.workloads.iter().filter(|workload| mounts(workload, namespace, &secret.name)) {
        let services: Vec<&Document> = world
            .kind("Service")
            .filter(|service| world.backends(service).iter().any(|backend| backend.number == workload.number))
            .collect();
        let is_named = services.iter().any(|service| {
            addresses(&service.name, namespace).iter().any(|host| names.iter().any(|name| covers(name, host)))
        });
        let Some(service) = services.first().filter(|_| !is_named) else { continue };
        let has = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
        found
            .add(
                secret,
                key_pointer(secret, "tls.crt"),
                format!(
                    "the certificate is for {has}; clients of {workload} ask for {}.{namespace}.svc and refuse it",
                    service.name
                ),
            )
            .related(service, "/metadata/name", "the Service that clients use");
    }
}

/// Whether it is one that servers show: its extended key usage, if it has one, says so.
fn serves(certificate: &X509Certificate<'_>) -> bool {
    match certificate.extended_key_usage() {
        Ok(Some(usage)) => usage.value.server_auth || usage.value.any,
        Ok(None) => !certificate.is_ca(),
        Err(_) => false,
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let dns = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_lowercase()),
        _ => None,
    });
    dns.collect()
}

fn mounts(workload: &Workload<'_>, namespace: &str, secret: &str) -> bool {
    workload.namespace == namespace
        && workload
            .volumes()
            .iter()
            .any(|(_, volume)| volume.at("/secret/secretName").and_then(Node::as_str) == Some(secret))
}

/// What a client in the cluster may call a Service, and one of its pods.
fn addresses(service: &str, namespace: &str) -> [String; 6] {
    [
        service.to_owned(),
        format!("{service}.{namespace}"),
        format!("{service}.{namespace}.svc"),
        format!("{service}.{namespace}.svc.cluster.local"),
        format!("pod.{service}.{namespace}.svc"),
        format!("pod.{service}.{namespace}.svc.cluster.local"),
    ]
}

/// Whether a certificate's name is `host`, or a wildcard for it: one for a whole first label (RFC 6125, 6.4.3).
fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, domain)| domain == rest),
        None => name == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(covers("es.obs.svc", "es.obs.svc") && covers("*.obs.svc", "es.obs.svc"));
        assert!(!covers("*.svc", "es.obs.svc") && !covers("*.obs.svc", "obs.svc"));
        assert!(!covers("es.obs", "es.obs.svc"));
    }
}
