//! What is told.

use k8s_openapi::api::core::v1::ObjectReference;
use parapet_api::Kind;

/// What happened. The names are what users filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A reference could not be resolved.
    AssociationError,
    /// A reference is in another state.
    AssociationStatusChange,
    /// An authority could not be used any more, and another one took its place (ours).
    AuthorityReplaced,
    /// A certificate ends soon that nobody here renews (ours).
    CertificateEnding,
    /// A certificate is in use that isn't valid now (ours).
    CertificateInvalid,
    /// Something waits for something else.
    Delayed,
    /// A field or version will be gone.
    Deprecated,
    /// The licence doesn't have it.
    InvalidLicense,
    /// The service mesh doesn't fit (ours; the reference has none).
    Mesh,
    /// Changes of nodes are held.
    Paused,
    /// A pass failed.
    ReconciliationError,
    /// Changes of nodes go on.
    Resumed,
    /// A node can't hand over its data.
    Stalled,
    /// What should not be.
    Unexpected,
    /// Health is worse than it was.
    Unhealthy,
    /// A node or a cluster has another version.
    Upgraded,
    /// The specification is refused, or is odd.
    Validation,
}

impl Reason {
    /// As events have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AssociationError => "AssociationError",
            Self::AssociationStatusChange => "AssociationStatusChange",
            Self::AuthorityReplaced => "AuthorityReplaced",
            Self::CertificateEnding => "CertificateEnding",
            Self::CertificateInvalid => "CertificateInvalid",
            Self::Delayed => "Delayed",
            Self::Deprecated => "Deprecated",
            Self::InvalidLicense => "InvalidLicense",
            Self::Mesh => "Mesh",
            Self::Paused => "Paused",
            Self::ReconciliationError => "ReconciliationError",
            Self::Resumed => "Resumed",
            Self::Stalled => "Stalled",
            Self::Unexpected => "Unexpected",
            Self::Unhealthy => "Unhealthy",
            Self::Upgraded => "Upgraded",
            Self::Validation => "Validation",
        }
    }
}

/// One event, before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether somebody should look.
    pub warning: bool,
    /// What happened.
    pub reason: Reason,
    /// What was being done: `Validation`, `Reconciliation`, `StatusUpdate`, `Upscale` …
    pub action: &'static str,
    /// What, in a sentence.
    pub note: String,
    /// What it is about besides: events of one reason about several others don't take each other's place.
    pub related: Option<Related>,
}

/// An object beside the application that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Related {
    /// With its group, as manifests have it.
    pub api_version: String,
    /// Its kind.
    pub kind: &'static str,
    /// Where it is.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Related {
    /// An object of Kubernetes' own first group.
    pub fn core(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self { api_version: "v1".to_owned(), kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// An application.
    pub fn application(kind: Kind, namespace: &str, name: &str) -> Self {
        let api_version = api_version(kind);
        Self { api_version, kind: kind.name(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(super) fn reference(self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.api_version),
            kind: Some(self.kind.to_owned()),
            namespace: Some(self.namespace),
            name: Some(self.name),
            ..ObjectReference::default()
        }
    }
}

pub(super) fn api_version(kind: Kind) -> String {
    format!("{}/v1", kind.group())
}

impl News {
    /// Somebody should look.
    pub fn warning(reason: Reason, action: &'static str, note: impl Into<String>) -> Self {
        Self { warning: true, reason, action, note: note.into(), related: None }
    }

    /// Nobody needs to.
    pub fn normal(reason: Reason, action: &'static str, note: impl Into<String>) -> Self {
        Self { warning: false, reason, action, note: note.into(), related: None }
    }

    /// The same about another object too.
    pub fn about(self, related: Related) -> Self {
        Self { related: Some(related), ..self }
    }
}
