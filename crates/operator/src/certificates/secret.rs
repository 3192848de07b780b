//! Secrets of certificates: their keys, read and written.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_pki::Certificate;

/// Certificates of authorities.
pub(super) const CA_CRT: &str = "ca.crt";
/// An authority's key.
pub(super) const CA_KEY: &str = "ca.key";
/// A certificate, and what leads from it to an authority.
pub(super) const TLS_CRT: &str = "tls.crt";
/// Its key.
pub(super) const TLS_KEY: &str = "tls.key";

/// The text under `key`, if there is any.
pub(super) fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    let bytes = &secret.data.as_ref()?.get(key)?.0;
    std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// The certificates under `key`; none if there are none, or one can't be read.
pub(super) fn certificates(secret: Option<&Secret>, key: &str) -> Vec<Certificate> {
    let text = secret.and_then(|secret| text(secret, key));
    text.and_then(|text| Certificate::all_from_pem(text).ok()).unwrap_or_default()
}

/// An annotation.
pub(super) fn annotation<'a>(secret: Option<&'a Secret>, key: &str) -> Option<&'a str> {
    secret?.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// A Secret with these entries.
pub(super) fn build<K: Into<String>>(
    metadata: ObjectMeta,
    entries: impl IntoIterator<Item = (K, String)>,
) -> Secret {
    let data: BTreeMap<String, ByteString> =
        entries.into_iter().map(|(key, text)| (key.into(), ByteString(text.into_bytes()))).collect();
    Secret { metadata, data: Some(data), type_: Some("Opaque".to_owned()), ..Secret::default() }
}

/// Certificates one after the other.
pub(super) fn pem<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    certificates.into_iter().map(Certificate::pem).collect()
}
