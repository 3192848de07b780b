//! Names of generated objects. They are what applications know of a cluster, so they are the reference's to the letter.

use crate::Kind;

pub mod apm_server;
pub mod elasticsearch;
pub mod kibana;

/// The longest name of a custom resource, in bytes: with the longest suffix it still fits into a label.
pub const MAX_OWNER: usize = 36;
/// The longest that may be added to an owner's name, in bytes.
pub const MAX_SUFFIX: usize = 27;
/// The longest value of a label, in bytes (Kubernetes).
pub const MAX_LABEL: usize = 63;
/// The longest name of a StatefulSet, in bytes: its pods carry `<name>-<hash of ten>` as a label.
pub const MAX_STATEFUL_SET: usize = MAX_LABEL - 11;
/// The longest name of a group of nodes, in bytes.
pub const MAX_NODE_SET: usize = 23;

/// `<owner>-<kind suffix>-<part>-<part>…`.
pub fn generated(kind: Kind, owner: &str, parts: &[&str]) -> String {
    let mut name = format!("{owner}-{}", kind.suffix());
    for part in parts {
        name.push('-');
        name.push_str(part);
    }
    name
}

/// The StatefulSet of a group of nodes: `<owner>-es-<node set>`; its pods add `-<ordinal>`.
pub fn stateful_set(owner: &str, node_set: &str) -> String {
    generated(Kind::Elasticsearch, owner, &[node_set])
}

/// The Service that clients use: `<owner>-<es|kb|apm>-http`.
pub fn http_service(kind: Kind, owner: &str) -> String {
    generated(kind, owner, &["http"])
}

/// The Secret that holds the authority of the HTTP certificate: `tls.crt`, `tls.key`.
pub fn http_authority(kind: Kind, owner: &str) -> String {
    generated(kind, owner, &["http", "ca", "internal"])
}

/// The Secret that pods mount: `tls.crt`, `tls.key`, `ca.crt`.
pub fn http_certificates(kind: Kind, owner: &str) -> String {
    generated(kind, owner, &["http", "certs", "internal"])
}

/// The Secret that clients read: `tls.crt`, `ca.crt`.
pub fn public_http_certificates(kind: Kind, owner: &str) -> String {
    generated(kind, owner, &["http", "certs", "public"])
}

/// The Secret that the user's entries of the keystore are brought together in.
pub fn secure_settings(kind: Kind, owner: &str) -> String {
    generated(kind, owner, &["secure-settings"])
}

/// The Secret with the configuration of a Beat beside its owner's pods: `X-es-monitoring-metricbeat-config`.
pub fn monitoring_config(kind: Kind, owner: &str, beat: &str) -> String {
    generated(kind, owner, &["monitoring", beat, "config"])
}

/// A copy of a target's public certificates beside its referrer: `K-kb-es-ca`, `A-apm-es-ca`, `A-apm-kibana-ca`.
pub fn association_authority(referrer: Kind, name: &str, target: Kind) -> String {
    generated(referrer, name, &[association(target), "ca"])
}

/// What an association is called in names: `es`, `kibana`.
fn association(target: Kind) -> &'static str {
    match target {
        Kind::Elasticsearch => "es",
        Kind::Kibana => "kibana",
        Kind::ApmServer => "apm",
    }
}

/// How the user is called that a referrer logs in with, as far as the referrer's name does not say it: `K-kibana-user`,
/// `A-apm-user` for Elasticsearch, `A-apm-kb-user` for Kibana.
fn user_suffix(referrer: Kind, target: Kind) -> &'static str {
    match (referrer, target) {
        (Kind::ApmServer, Kind::Kibana) => "apm-kb-user",
        (Kind::ApmServer, _) => "apm-user",
        (Kind::Kibana | Kind::Elasticsearch, _) => "kibana-user",
    }
}

/// The Secret beside the referrer with its user's password or token.
pub fn association_user_secret(referrer: Kind, name: &str, target: Kind) -> String {
    format!("{name}-{}", user_suffix(referrer, target))
}

/// The user, which is also the Secret's name beside the Elasticsearch, and the key of the password in the referrer's Secret.
pub fn association_user(referrer: Kind, namespace: &str, name: &str, target: Kind) -> String {
    format!("{namespace}-{name}-{}", user_suffix(referrer, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn associations_have_the_names_that_are_documented() {
        let check = |name: String, expect: &str| assert_eq!(name, expect);
        check(association_authority(Kind::Kibana, "K", Kind::Elasticsearch), "K-kb-es-ca");
        check(association_authority(Kind::ApmServer, "A", Kind::Elasticsearch), "A-apm-es-ca");
        check(association_authority(Kind::ApmServer, "A", Kind::Kibana), "A-apm-kibana-ca");
        check(association_user_secret(Kind::Kibana, "K", Kind::Elasticsearch), "K-kibana-user");
        check(association_user_secret(Kind::ApmServer, "A", Kind::Elasticsearch), "A-apm-user");
        check(association_user_secret(Kind::ApmServer, "A", Kind::Kibana), "A-apm-kb-user");
        check(association_user(Kind::Kibana, "ns", "K", Kind::Elasticsearch), "ns-K-kibana-user");
        check(association_user(Kind::ApmServer, "ns", "A", Kind::Kibana), "ns-A-apm-kb-user");
        check(http_certificates(Kind::ApmServer, "A"), "A-apm-http-certs-internal");
        check(public_http_certificates(Kind::Elasticsearch, "X"), "X-es-http-certs-public");
        check(http_authority(Kind::Kibana, "K"), "K-kb-http-ca-internal");
        check(secure_settings(Kind::Elasticsearch, "X"), "X-es-secure-settings");
        check(monitoring_config(Kind::Kibana, "K", "filebeat"), "K-kb-monitoring-filebeat-config");
    }
}
