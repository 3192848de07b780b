//! How Elasticsearch answered, and what a proxy's 503 means: C12.

use super::{Check, Finding, Seen, Severity, Subject};

/// How the operator's last request to a cluster went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Elasticsearch answered, whatever it said.
    Elasticsearch,
    /// A proxy answered in its place.
    Proxy {
        /// The status, such as 503.
        status: u16,
        /// The beginning of what it said.
        body: String,
    },
    /// Nobody did.
    None,
}

impl Answer {
    /// Who gave an answer: Elasticsearch names itself in a header, Envoy in `server`.
    pub fn of(status: u16, product: Option<&str>, server: Option<&str>, body: &str) -> Self {
        /// More than any of Envoy's sentences.
        const SHOWN: usize = 256;
        if product == Some("Elasticsearch") || server != Some("envoy") {
            return Self::Elasticsearch;
        }
        Self::Proxy { status, body: body.chars().take(SHOWN).collect() }
    }
}

/// What repairs the cause of a proxy's answer, by Envoy's sentences.
pub fn hint(status: u16, body: &str) -> &'static str {
    let says = |text: &str| body.to_ascii_lowercase().contains(text);
    if status == 403 || says("rbac") {
        "an AuthorizationPolicy refuses the operator: allow its service account"
    } else if says("no healthy upstream") {
        "the Service has no ready pod: look at the pods"
    } else if says("tls error") || says("certificate") {
        "the two sides disagree on TLS: compare the DestinationRule for the host with http.tls of the Elasticsearch"
    } else if says("connection termination") || says("reset before headers") {
        "one side requires mutual TLS and the other doesn't use it: add a DestinationRule with mode ISTIO_MUTUAL for the host"
    } else if says("connection timeout") || says("connection failure") {
        "the proxy can't reach the pod: look at NetworkPolicies and at the pods' proxies"
    } else {
        "look at the proxy's log in the operator's pod: kubectl logs -c istio-proxy"
    }
}

pub(super) fn check(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for (key, answer) in seen.answers {
        let Answer::Proxy { status, body } = answer else { continue };
        found.push(Finding {
            check: Check::Answering,
            severity: Severity::Error,
            subject: Subject {
                kind: "Elasticsearch",
                namespace: key.namespace.to_string(),
                name: key.name.to_string(),
            },
            sentence: format!("the mesh's proxy answers {status} in place of Elasticsearch: {}", body.trim()),
            fix: hint(*status, body).to_owned(),
        });
    }
}
