//! Istio's objects that decide about connections. Routing (VirtualService, Gateway, DestinationRule) isn't modelled:
//! it changes where requests go, and reports say so.

use std::sync::Arc;

use ipnet::IpNet;

use super::selector::Selector;

/// The mesh of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// Where mesh-wide objects live.
    pub root_namespace: Arc<str>,
    /// First part of principals.
    pub trust_domain: Arc<str>,
    /// By namespace and name.
    pub authorization_policies: Vec<AuthorizationPolicy>,
    /// Oldest first, then by namespace and name: the first one of a scope wins.
    pub peer_authentications: Vec<PeerAuthentication>,
    /// By namespace and name.
    pub sidecars: Vec<Sidecar>,
}

impl Default for Mesh {
    /// Istio's own defaults.
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".into(),
            trust_domain: "cluster.local".into(),
            authorization_policies: Vec::new(),
            peer_authentications: Vec::new(),
            sidecars: Vec::new(),
        }
    }
}

impl Mesh {
    /// True if no object of the mesh was read.
    pub fn is_empty(&self) -> bool {
        self.authorization_policies.is_empty()
            && self.peer_authentications.is_empty()
            && self.sidecars.is_empty()
    }

    pub(super) fn normalise(&mut self) {
        self.authorization_policies.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        self.peer_authentications
            .sort_by(|a, b| (&a.created, &a.namespace, &a.name).cmp(&(&b.created, &b.namespace, &b.name)));
        self.sidecars.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    }
}

/// An AuthorizationPolicy (security.istio.io).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// Where it lives; in the root namespace it is about the whole mesh.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it does.
    pub action: AuthorizationAction,
    /// None: every workload of its scope.
    pub selector: Option<Selector>,
    /// Attached to gateways or services by `targetRefs`: says nothing about pods' own ports.
    pub targets_gateways: bool,
    /// Its rules; any that matches counts.
    pub rules: Vec<AuthorizationRule>,
}

/// What an AuthorizationPolicy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthorizationAction {
    /// Allows what matches; everything else is denied.
    Allow,
    /// Denies what matches.
    Deny,
    /// Only writes a record.
    Audit,
    /// Asks an external service: its answer isn't known.
    Custom,
}

/// `from` and `to` and `when`, each of which must match; empty ones match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationRule {
    /// Alternatives.
    pub from: Vec<From>,
    /// Alternatives.
    pub to: Vec<To>,
    /// All must hold.
    pub when: Vec<Condition>,
}

/// Values that match, and values that must not. Both empty: matches everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Either<T> {
    /// One of them must match, if there are any.
    pub any: Vec<T>,
    /// None of them may match.
    pub not: Vec<T>,
}

impl<T> Default for Either<T> {
    fn default() -> Self {
        Self { any: Vec::new(), not: Vec::new() }
    }
}

impl<T> Either<T> {
    /// True if it asks nothing.
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.not.is_empty()
    }
}

/// One `source`: all its fields must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct From {
    /// `trust-domain/ns/NAMESPACE/sa/ACCOUNT`, from the client's certificate.
    pub principals: Either<Text>,
    /// The client's namespace, from its certificate.
    pub namespaces: Either<Text>,
    /// The client's address.
    pub ip_blocks: Either<IpNet>,
    /// Asks for fields that only HTTP has (`requestPrincipals`, `remoteIpBlocks`).
    pub needs_http: bool,
}

/// One `operation`: all its fields must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct To {
    /// Ports of the workload.
    pub ports: Either<u16>,
    /// Asks for fields that only HTTP has (`methods`, `paths`, `hosts`).
    pub needs_http: bool,
}

/// One `when`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `source.principal`.
    Principal(Either<Text>),
    /// `source.namespace`.
    Namespace(Either<Text>),
    /// `source.ip`.
    Address(Either<IpNet>),
    /// `destination.port`.
    Port(Either<u16>),
    /// Something that only HTTP has, or that can't be known before a request.
    Request(String),
}

/// Istio's text patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Text {
    /// This text.
    Exact(String),
    /// `prefix*`.
    Prefix(String),
    /// `*suffix`.
    Suffix(String),
    /// `*`: any text, but there must be one.
    Present,
}

impl Text {
    /// Reads a pattern.
    pub fn new(pattern: &str) -> Self {
        if pattern == "*" {
            return Self::Present;
        }
        match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(suffix), _) => Self::Suffix(suffix.to_owned()),
            (None, Some(prefix)) => Self::Prefix(prefix.to_owned()),
            (None, None) => Self::Exact(pattern.to_owned()),
        }
    }

    /// Whether `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::Present => !text.is_empty(),
        }
    }
}

/// A PeerAuthentication (security.istio.io).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAuthentication {
    /// Where it lives.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `metadata.creationTimestamp` as written; empty sorts first.
    pub created: Arc<str>,
    /// None: the whole namespace, or the whole mesh from the root namespace.
    pub selector: Option<Selector>,
    /// None: inherited.
    pub mode: Option<TlsMode>,
    /// By workload port; only counts with a selector.
    pub ports: Vec<(u16, Option<TlsMode>)>,
}

/// What a workload's proxy accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsMode {
    /// Plain text only.
    Disable,
    /// Both; Istio's default.
    Permissive,
    /// Mutual TLS only.
    Strict,
}

/// A Sidecar (networking.istio.io): which services a workload's proxy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// Where it lives.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// None: the whole namespace, or every namespace without its own from the root namespace.
    pub selector: Option<Selector>,
    /// `outboundTrafficPolicy.mode: REGISTRY_ONLY`: what isn't known can't be reached.
    pub registry_only: bool,
    /// `namespace/name` patterns of the known hosts; None: all.
    pub hosts: Option<Vec<String>>,
}
