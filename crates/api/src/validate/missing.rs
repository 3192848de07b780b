//! What a specification asks for that this operator doesn't do: accepted, as the rest of it works, and said.

use super::{Warning, annotation_path};
use crate::settings::Settings;
use crate::{
    ApmServer, Application, Elasticsearch, ElasticsearchSelector, Kibana, StackVersion, annotations,
};

/// Since when a keystore has a password in FIPS mode.
const FIPS_PASSWORD_SINCE: (u64, u64, u64) = (9, 4, 0);
const FIPS: &str = "xpack.security.fips_mode.enabled";

/// Of an Elasticsearch.
pub(super) fn elasticsearch(es: &Elasticsearch) -> Vec<Warning> {
    let mut found = Vec::new();
    for (index, remote) in es.spec.remote_clusters.iter().flatten().enumerate() {
        if remote.api_key.is_some() {
            let reason = "this operator makes no API keys: what is connected stays so, and new ones are yours to connect";
            found.push(Warning::new(format!("spec.remoteClusters[{index}].apiKey"), reason));
        }
    }
    if es.annotation(annotations::FILE_BASED_SECURE_SETTINGS).is_some() {
        let reason = "has no effect: this operator puts secure settings into the keystore";
        found.push(Warning::new(annotation_path(annotations::FILE_BASED_SECURE_SETTINGS), reason));
    }
    let (major, minor, patch) = FIPS_PASSWORD_SINCE;
    if es.version().parse().is_ok_and(|version: StackVersion| version.at_least(major, minor, patch)) {
        for (index, set) in es.spec.node_sets.iter().enumerate() {
            let settings = Settings::read(set.config.as_ref()).unwrap_or_default();
            if settings.flag(FIPS) == Some(true) {
                let path = format!("spec.nodeSets[{index}].config.{FIPS}");
                let reason =
                    "this operator gives the keystore no password, which this version wants in FIPS mode";
                found.push(Warning::new(path, reason));
            }
        }
    }
    found
}

/// Of a Kibana.
pub(super) fn kibana(kb: &Kibana) -> Vec<Warning> {
    let mut found: Vec<Warning> = client_certificate(&kb.spec.elasticsearch_ref).into_iter().collect();
    for (path, target, setting) in [
        ("spec.enterpriseSearchRef", &kb.spec.enterprise_search_ref, "enterpriseSearch.host"),
        ("spec.packageRegistryRef", &kb.spec.package_registry_ref, "xpack.fleet.registryUrl"),
    ] {
        if target.is_set() {
            let reason =
                format!("this operator doesn't know that kind: set {setting} in spec.config instead");
            found.push(Warning::new(path, reason));
        }
    }
    found
}

/// Of an APM Server.
pub(super) fn apm_server(apm: &ApmServer) -> Vec<Warning> {
    client_certificate(&apm.spec.elasticsearch_ref).into_iter().collect()
}

fn client_certificate(reference: &ElasticsearchSelector) -> Option<Warning> {
    reference.client_certificate_secret_name.as_ref().filter(|name| !name.is_empty())?;
    let reason = "has no effect: clusters of this operator ask for no certificates of clients";
    Some(Warning::new("spec.elasticsearchRef.clientCertificateSecretName", reason))
}
