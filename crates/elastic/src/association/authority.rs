//! The target's authority, copied to where the referrer's pods can mount it.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::Application;

use super::{AssociationKind, Target};
use crate::{data, owned_by};

/// The keys of a public certificate Secret.
const KEYS: [&str; 2] = ["ca.crt", "tls.crt"];

/// Whether a target's public certificates name an authority.
pub fn has_authority(public: &Secret) -> bool {
    data::filled(public, "ca.crt").is_some()
}

/// The copy of `public`, the target's `…-http-certs-public`.
pub fn authority_copy<K: Application>(
    kind: AssociationKind,
    referrer: &K,
    target: &Target<'_>,
    public: &Secret,
) -> Secret {
    let mut labels = kind.labels(referrer);
    labels.extend(kind.target_labels(target));
    labels.insert(parapet_api::labels::WATCHED.to_owned(), "true".to_owned());
    let metadata = ObjectMeta {
        name: Some(kind.authority_secret(referrer.object_name(), target)),
        namespace: Some(referrer.object_namespace().to_owned()),
        labels: Some(labels),
        owner_references: Some(vec![owned_by(referrer)]),
        ..ObjectMeta::default()
    };
    let entry = |key: &str| {
        let ByteString(bytes) = public.data.as_ref()?.get(key)?.clone();
        Some((key.to_owned(), bytes))
    };
    data::secret(metadata, KEYS.into_iter().filter_map(entry))
}
