//! What is asked of the gate: one request in canonical form, who sent it, and who that turned out to be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::{CanonicalPath, CanonicalQuery};

/// One request, before anything of it was removed: the gate sees all credentials, the upstream none of them.
#[derive(Debug, Clone, Copy)]
pub struct Inquiry<'a> {
    /// The method as sent. `CONNECT` and `TRACE` were refused before.
    pub method: &'a Method,
    /// The decoded path; exactly one spelling of it is accepted, and that one is forwarded.
    pub path: &'a CanonicalPath,
    /// The decoded parameters in order; what is forwarded is written from them.
    pub query: &'a CanonicalQuery,
    /// All headers as sent, duplicates included.
    pub headers: &'a HeaderMap,
    /// Who is at the other end of the connection.
    pub peer: &'a Peer,
}

/// The other end of a connection.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// None on a Unix socket and in-process.
    pub address: Option<SocketAddr>,
    /// What the client sent in the handshake, leaf first; empty if it sent nothing. Possession of the leaf's key
    /// was proved by the handshake; nothing else about these is verified.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name, as Kubernetes spells it. Never empty.
    pub user: String,
    /// Kubernetes' uid; empty where the method knows none.
    pub uid: String,
    /// Groups, in the authenticator's order.
    pub groups: Vec<String>,
    /// What else the authenticator said, for example the pod that a token is bound to.
    pub extra: BTreeMap<String, Vec<String>>,
    /// How the caller showed who it is.
    pub method: AuthnMethod,
    /// When the credential ends, where that is known. No decision may be reused after it.
    pub expires: Option<Timestamp>,
}

/// How a caller showed who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthnMethod {
    /// A client certificate in the handshake.
    Certificate,
    /// A bearer token, reviewed by the API server.
    Token,
    /// A bearer token of an OpenID Connect issuer.
    Oidc,
    /// A token or a session that this process itself has given out.
    Account,
}

impl AuthnMethod {
    /// The word in audit lines and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::Oidc => "oidc",
            Self::Account => "account",
        }
    }
}
