//! What is in a Secret, as it was read or as it will be written.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The text under `key`; nothing if there is none, or if it is no UTF-8.
pub(crate) fn text(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
}

/// The text under `key`, if it isn't empty.
pub(crate) fn filled(secret: &Secret, key: &str) -> Option<String> {
    text(secret, key).filter(|text| !text.is_empty())
}

/// A Secret of ordinary type.
pub(crate) fn secret<T: Into<Vec<u8>>>(
    metadata: ObjectMeta,
    entries: impl IntoIterator<Item = (String, T)>,
) -> Secret {
    let data: BTreeMap<String, ByteString> =
        entries.into_iter().map(|(key, value)| (key, ByteString(value.into()))).collect();
    Secret { metadata, data: Some(data), type_: Some("Opaque".to_owned()), ..Secret::default() }
}
