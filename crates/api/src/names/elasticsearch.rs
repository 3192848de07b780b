//! Names of an Elasticsearch's objects.

use crate::Kind;

/// The Service that the operator and the nodes' own scripts use: never customised.
pub fn internal_http_service(owner: &str) -> String {
    own(owner, "internal-http")
}

/// The Service of the transport port.
pub fn transport_service(owner: &str) -> String {
    own(owner, "transport")
}

/// The Service of the remote cluster server.
pub fn remote_cluster_service(owner: &str) -> String {
    own(owner, "remote-cluster")
}

/// The Secret with the password of `elastic`, under that key.
pub fn elastic_user(owner: &str) -> String {
    own(owner, "elastic-user")
}

/// The Secret with the passwords of the operator's own users, by user.
pub fn internal_users(owner: &str) -> String {
    own(owner, "internal-users")
}

/// The Secret with `users`, `users_roles`, `roles.yml`, `service_tokens`.
pub fn file_realm(owner: &str) -> String {
    own(owner, "xpack-file-realm")
}

/// The Secret with the authority of the transport certificates: `tls.crt`, `tls.key`.
pub fn transport_authority(owner: &str) -> String {
    own(owner, "transport-ca-internal")
}

/// The Secret that other clusters read: `ca.crt`.
pub fn public_transport_certificates(owner: &str) -> String {
    own(owner, "transport-certs-public")
}

/// The Secret with the authorities of remote clusters: `ca.crt`.
pub fn remote_authorities(owner: &str) -> String {
    own(owner, "remote-ca")
}

/// The Secret with `settings.json`.
pub fn file_settings(owner: &str) -> String {
    own(owner, "file-settings")
}

/// The Secret with the API keys for remote clusters.
pub fn remote_api_keys(owner: &str) -> String {
    own(owner, "remote-api-keys")
}

/// The Secret with the licence.
pub fn license(owner: &str) -> String {
    own(owner, "license")
}

/// The Secret with the keystore's password.
pub fn keystore_password(owner: &str) -> String {
    own(owner, "keystore-password")
}

/// The Secret with the operator's client certificate.
pub fn internal_client_certificate(owner: &str) -> String {
    own(owner, "internal-client-cert")
}

/// The Secret with the authorities of client certificates.
pub fn client_trust_bundle(owner: &str) -> String {
    own(owner, "client-trust-bundle")
}

/// The ConfigMap with the scripts of the pods.
pub fn scripts(owner: &str) -> String {
    own(owner, "scripts")
}

/// The ConfigMap with `unicast_hosts.txt`.
pub fn unicast_hosts(owner: &str) -> String {
    own(owner, "unicast-hosts")
}

/// The PodDisruptionBudget; one of a role adds `-<role>`.
pub fn disruption_budget(owner: &str) -> String {
    own(owner, "default")
}

/// The Secret with `elasticsearch.yml` of a group of nodes, by its StatefulSet.
pub fn config(stateful_set: &str) -> String {
    format!("{stateful_set}-es-config")
}

/// The Secret with the transport certificates of a group of nodes, by its StatefulSet.
pub fn transport_certificates(stateful_set: &str) -> String {
    format!("{stateful_set}-es-transport-certs")
}

/// A pod, by its StatefulSet.
pub fn pod(stateful_set: &str, ordinal: u32) -> String {
    format!("{stateful_set}-{ordinal}")
}

/// The number at the end of a pod's name, if it is one of this StatefulSet.
pub fn ordinal(stateful_set: &str, pod: &str) -> Option<u32> {
    let digits = pod.strip_prefix(stateful_set)?.strip_prefix('-')?;
    let number: u32 = digits.parse().ok()?;
    // `+1` and `01` are numbers to Rust, and never to the StatefulSet controller.
    (number.to_string() == digits).then_some(number)
}

/// The PodDisruptionBudget of one role.
pub fn role_disruption_budget(owner: &str, role: &str) -> String {
    super::generated(Kind::Elasticsearch, owner, &["default", role])
}

/// The claim of a pod, by the name of its template.
pub fn claim(template: &str, pod: &str) -> String {
    format!("{template}-{pod}")
}

fn own(owner: &str, part: &str) -> String {
    super::generated(Kind::Elasticsearch, owner, &[part])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_are_documented() {
        let set = super::super::stateful_set("quickstart", "default");
        assert_eq!(set, "quickstart-es-default");
        assert_eq!(config(&set), "quickstart-es-default-es-config");
        assert_eq!(transport_certificates(&set), "quickstart-es-default-es-transport-certs");
        assert_eq!(claim("elasticsearch-data", &pod(&set, 0)), "elasticsearch-data-quickstart-es-default-0");
        assert_eq!(file_realm("X"), "X-es-xpack-file-realm");
        assert_eq!(elastic_user("X"), "X-es-elastic-user");
        assert_eq!(role_disruption_budget("X", "master"), "X-es-default-master");
    }

    #[test]
    fn ordinals_are_read_from_pods_of_the_same_set_only() {
        let check = |pod: &str, expect: Option<u32>| assert_eq!(ordinal("X-es-a", pod), expect, "{pod}");
        check("X-es-a-0", Some(0));
        check("X-es-a-12", Some(12));
        check("X-es-a-b-0", None);
        check("X-es-ab-0", None);
        check("X-es-a-", None);
        check("X-es-a-+1", None);
        check("X-es-a-01", None);
    }
}
