//! What is refused, and what is only warned of: the same rules for the webhook and for the reconciler.

mod applied;
mod claims;
mod error;
mod missing;
mod naming;
mod references;
mod roles;
mod update;
mod versions;
mod warnings;
mod zones;

use std::net::IpAddr;

use regex::Regex;

use crate::{
    ApmServer, Application, Elasticsearch, Kibana, Kind, StackVersion, SubjectAlternativeName, annotations,
};

pub use applied::Schemas;
pub use claims::Live;
pub use error::{FieldError, Problem, Warning};
pub use update::{
    apm_server as apm_server_update, elasticsearch as elasticsearch_update, kibana as kibana_update,
};
pub use warnings::{
    apm_server as apm_server_warnings, elasticsearch as elasticsearch_warnings, kibana as kibana_warnings,
};

/// What the rules depend on besides the object.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Labels of nodes that pods may see: `exposed-node-labels`.
    pub exposed_node_labels: Vec<Regex>,
    /// Whether only images on UBI may be used, which older versions don't have.
    pub ubi_only: bool,
    /// Whether there is an enterprise licence.
    pub enterprise: bool,
    /// The fields of each kind.
    pub schemas: Schemas,
}

/// What is wrong with an Elasticsearch, whether it is new or not. Empty: nothing.
pub fn elasticsearch(es: &Elasticsearch, rules: &Rules) -> Vec<FieldError> {
    let mut found = common(es, rules);
    found.extend(naming::node_sets(es));
    found.extend(roles::check(es));
    let tls = es.spec.http.tls.self_signed_certificate.as_ref();
    let names = tls.map(|tls| &*tls.subject_alternative_names).unwrap_or_default();
    found.extend(addresses("spec.http.tls.selfSignedCertificate.subjectAltNames", names));
    found.extend(addresses(
        "spec.transport.tls.subjectAltNames",
        &es.spec.transport.tls.subject_alternative_names,
    ));
    if es.annotation(annotations::AUTOSCALING).is_some() {
        let path = annotation_path(annotations::AUTOSCALING);
        found.push(FieldError::forbidden(path, "autoscaling by an annotation is gone; remove it"));
    }
    found.extend(claims::unmounted(es));
    found.extend(references::monitoring(es.spec.monitoring.as_ref(), es.version(), true));
    found.extend(references::remote_clusters(es));
    found.extend(client_certificates(es, rules));
    found.extend(zones::check(es, rules));
    found.extend(node_labels(es, rules));
    found
}

/// What is wrong with a Kibana, whether it is new or not.
pub fn kibana(kb: &Kibana, rules: &Rules) -> Vec<FieldError> {
    let mut found = common(kb, rules);
    let spec = &kb.spec;
    found.extend(references::object("spec.elasticsearchRef", &spec.elasticsearch_ref.target));
    found.extend(references::object("spec.enterpriseSearchRef", &spec.enterprise_search_ref));
    found.extend(references::object("spec.packageRegistryRef", &spec.package_registry_ref));
    found.extend(references::monitoring(
        spec.monitoring.as_ref(),
        kb.version(),
        spec.elasticsearch_ref.target.is_set(),
    ));
    found
}

/// What is wrong with an APM Server, whether it is new or not.
pub fn apm_server(apm: &ApmServer, rules: &Rules) -> Vec<FieldError> {
    let mut found = common(apm, rules);
    let spec = &apm.spec;
    found.extend(references::object("spec.elasticsearchRef", &spec.elasticsearch_ref.target));
    found.extend(references::object("spec.kibanaRef", &spec.kibana_ref));
    if spec.kibana_ref.is_set() {
        found.extend(versions::needs("spec.kibanaRef", apm.version(), StackVersion::new(7, 5, 1)));
    }
    found
}

/// The rules that all kinds share.
fn common<K: Application>(object: &K, rules: &Rules) -> Vec<FieldError> {
    let mut found = rules.schemas.unknown_fields(object);
    found.extend(naming::owner(object.object_name()));
    found.extend(versions::supported(K::KIND, object.version(), rules.ubi_only));
    if let Some(value) = object.annotation(annotations::PAUSE_ORCHESTRATION)
        && !matches!(value, "true" | "false")
    {
        let path = annotation_path(annotations::PAUSE_ORCHESTRATION);
        found.push(FieldError::invalid(path, value, "must be \"true\" or \"false\""));
    }
    if let Some(value) = object.annotation(annotations::LICENSE)
        && value == "enterprise"
        && !rules.enterprise
    {
        let path = annotation_path(annotations::LICENSE);
        found.push(FieldError::invalid(path, value, "the operator has no enterprise licence"));
    }
    if K::KIND != Kind::Elasticsearch {
        let tls = object.http().tls.self_signed_certificate.as_ref();
        let names = tls.map(|tls| &*tls.subject_alternative_names).unwrap_or_default();
        found.extend(addresses("spec.http.tls.selfSignedCertificate.subjectAltNames", names));
    }
    found
}

fn addresses(path: &str, names: &[SubjectAlternativeName]) -> Vec<FieldError> {
    let mut found = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(ip) = name.ip.as_deref().filter(|ip| !ip.is_empty())
            && ip.parse::<IpAddr>().is_err()
        {
            found.push(FieldError::invalid(format!("{path}[{index}].ip"), ip, "is not an IP address"));
        }
    }
    found
}

fn client_certificates(es: &Elasticsearch, rules: &Rules) -> Vec<FieldError> {
    let asked = es.spec.http.tls.client.as_ref().is_some_and(|client| client.authentication);
    let path = "spec.http.tls.client.authentication";
    let mut found = Vec::new();
    if asked && !es.spec.http.tls_enabled() {
        found.push(FieldError::invalid(path, true, "clients can't show certificates while TLS is off"));
    }
    if asked && !rules.enterprise {
        found.push(FieldError::forbidden(
            path,
            "needs an enterprise licence, which the operator doesn't have",
        ));
    }
    found
}

fn node_labels(es: &Elasticsearch, rules: &Rules) -> Vec<FieldError> {
    let path = annotation_path(annotations::DOWNWARD_NODE_LABELS);
    let wanted = es.annotation(annotations::DOWNWARD_NODE_LABELS).unwrap_or_default();
    let hidden =
        wanted.split(',').map(str::trim).filter(|label| !label.is_empty() && !is_exposed(label, rules));
    hidden
        .map(|label| {
            FieldError::invalid(
                path.clone(),
                label,
                "no expression of exposed-node-labels matches this label",
            )
        })
        .collect()
}

/// Whether pods may see this label of their node.
fn is_exposed(label: &str, rules: &Rules) -> bool {
    rules.exposed_node_labels.iter().any(|expression| expression.is_match(label))
}

fn annotation_path(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}
