//! Whether a service mesh (Istio) and the applications in it fit each other: thirteen checks over objects that were read.
//! It doesn't know how they were read, nor does it change any.
//!
//! Each finding says what is wrong in a sentence, and what repairs it. The reasons: a mesh's proxy in front of Elasticsearch must
//! leave its transport port alone (TLS of its own, peers by address), must be there before clients are required to use mutual
//! TLS, and must be told so for every host name that clients dial — the operator dials pods, not `…-es-http`.

mod answers;
mod application;
#[cfg(test)]
mod examples;
mod installed;
mod istio;
mod mtls;
mod names;
mod operator_pod;
mod pods;
mod seen;
#[cfg(test)]
mod tests;

use std::fmt;

pub use answers::{Answer, hint};
pub use installed::{CNI, CONFIGURATION, Facts, FactsError, INJECTOR, MESH, NAMESPACE, TAG, VALUES};
pub use seen::{INJECTION, Istio, REVISION, Seen};

/// One of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// C1: the transport port stays out of the mesh.
    TransportExcluded,
    /// C2: without TLS nothing says `https`.
    PlainEverywhere,
    /// C3: namespaces are injected, and can be.
    NamespaceInjected,
    /// C4: pods have their proxy.
    ProxyPresent,
    /// C5: no second TLS under strict mutual TLS.
    TwiceEncrypted,
    /// C6: probes pass strict mutual TLS.
    ProbesRewritten,
    /// C7: every dialled host has mutual TLS.
    HostsCovered,
    /// C8: the API server reaches the webhook.
    WebhookExcluded,
    /// C9: init containers reach the network.
    InitContainersOnline,
    /// C10: proxies have a token.
    TokenMounted,
    /// C11: ports say their protocol.
    PortsNamed,
    /// C12: Elasticsearch answers the operator.
    Answering,
    /// C13: ports are proxied that containers don't declare.
    InboundIncluded,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::TransportExcluded,
        Self::PlainEverywhere,
        Self::NamespaceInjected,
        Self::ProxyPresent,
        Self::TwiceEncrypted,
        Self::ProbesRewritten,
        Self::HostsCovered,
        Self::WebhookExcluded,
        Self::InitContainersOnline,
        Self::TokenMounted,
        Self::PortsNamed,
        Self::Answering,
        Self::InboundIncluded,
    ];

    /// `C1` to `C13`.
    pub fn id(self) -> &'static str {
        match self {
            Self::TransportExcluded => "C1",
            Self::PlainEverywhere => "C2",
            Self::NamespaceInjected => "C3",
            Self::ProxyPresent => "C4",
            Self::TwiceEncrypted => "C5",
            Self::ProbesRewritten => "C6",
            Self::HostsCovered => "C7",
            Self::WebhookExcluded => "C8",
            Self::InitContainersOnline => "C9",
            Self::TokenMounted => "C10",
            Self::PortsNamed => "C11",
            Self::Answering => "C12",
            Self::InboundIncluded => "C13",
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something may not work.
    Warning,
    /// Something does not work.
    Error,
}

/// An object that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace; empty if it is one itself.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// Something that doesn't fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// What is wrong.
    pub sentence: String,
    /// What repairs it.
    pub fix: String,
}

/// Everything that doesn't fit, by check and object. Nothing where no namespace with an application is in a mesh.
pub fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.has_mesh() {
        return Vec::new();
    }
    let applications = application::all(seen);
    let mut found = Vec::new();
    for application in applications.iter().filter(|one| one.is_injected(seen)) {
        pods::check(seen, application, &mut found);
        names::check(seen, application, &mut found);
        mtls::check(seen, application, &mut found);
    }
    operator_pod::check(seen, &mut found);
    answers::check(seen, &mut found);
    found.sort();
    found.dedup();
    found
}
