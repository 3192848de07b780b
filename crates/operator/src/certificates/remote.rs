//! The authorities of remote clusters.

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, names};
use parapet_elastic::owned_meta;

use super::secret::{self, CA_CRT};

/// The Secret that pods mount: the authorities of all `remotes`, each once and in a fixed order. It is never empty, since
/// Elasticsearch's configuration names it: without any, it has the cluster's `own`.
pub fn remote_authorities(es: &Elasticsearch, own: &str, remotes: &[String]) -> Secret {
    let mut all: Vec<&str> = remotes.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    let text = if all.is_empty() { own.to_owned() } else { all.concat() };
    let metadata = owned_meta(es, names::elasticsearch::remote_authorities(es.object_name()));
    secret::build(metadata, [(CA_CRT, text)])
}
