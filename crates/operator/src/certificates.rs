//! Certificates of HTTP and of the transport: kept, renewed, re-issued, handed over from one authority to the next.
//!
//! Functions of what was read and of the time; they return the Secrets as they should be, in the order in which they are to
//! be written, and when to look again. Nothing is read or written here; only keys are made on threads of their own.
//!
//! Rules, in the order in which they win:
//!
//! - A user's certificate is shown as it is; a user's authority signs.
//! - A leaf stays as long as its key fits, it leads to the authority (signature and key identifier), it has the wanted
//!   names, and it isn't due. A new one keeps the key.
//! - An authority of our own is renewed over the same key, with the same subject and key identifier: old leaves go on
//!   verifying, and nothing needs to be re-issued.
//! - **Another key is trusted before it is used** ([`succession`]): the new authority is published beside the former one
//!   first; leaves follow when it must have arrived everywhere; the former one goes when nothing leads to it any more.

mod authority;
mod custom;
mod error;
mod http;
mod keys;
mod leaf;
mod names;
mod notice;
mod remote;
mod secret;
mod succession;
mod transport;

use jiff::{SignedDuration, Timestamp};
use parapet_pki::{KeyKind, Signer};

pub use authority::read_global;
pub use error::CertificateError;
pub use http::{HttpCertificates, HttpInputs, Networking, reconcile_http};
pub use keys::KeyMaker;
pub use notice::{Notice, NoticeKind};
pub use remote::{Related, RemoteInputs, remote_authorities};
pub use transport::{
    NodeSetCertificates, TransportCertificates, TransportInputs, TransportPod, reconcile_transport,
};

/// How long it takes at most until a changed Secret is read again everywhere: kubelet's sync period and its cache's time to
/// live, a minute each, Elasticsearch's own look at its files, a minute at most, and as much again for a slow node.
pub const SPREAD: SignedDuration = SignedDuration::from_mins(5);

/// What the operator's settings say about certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The life of an authority (`ca-cert-validity`).
    pub authority_life: SignedDuration,
    /// How long before its end an authority is renewed (`ca-cert-rotate-before`).
    pub authority_rotate_before: SignedDuration,
    /// The life of a leaf (`cert-validity`).
    pub life: SignedDuration,
    /// How long before its end a leaf is re-issued (`cert-rotate-before`).
    pub rotate_before: SignedDuration,
    /// The keys of new authorities (`certificate-key-type`); leaves follow their authority.
    pub key: KeyKind,
    /// How long a new authority is published before it is used.
    pub spread: SignedDuration,
}

impl Default for Policy {
    fn default() -> Self {
        let year = SignedDuration::from_hours(8760);
        let day = SignedDuration::from_hours(24);
        Self {
            authority_life: year,
            authority_rotate_before: day,
            life: year,
            rotate_before: day,
            key: KeyKind::EcdsaP256,
            spread: SPREAD,
        }
    }
}

/// What is the same for all applications.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The settings.
    pub policy: &'a Policy,
    /// The operator's one authority for everything (`ca-dir`), if there is one; it isn't renewed here.
    pub global: Option<&'a Signer>,
    /// Makes keys.
    pub keys: &'a KeyMaker,
    /// The time.
    pub now: Timestamp,
}

/// When something ends, for gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What.
    pub what: Purpose,
    /// When.
    pub at: Timestamp,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// It signs the HTTP certificate.
    HttpAuthority,
    /// It is shown to clients.
    Http,
    /// It signs nodes' certificates.
    TransportAuthority,
    /// It is shown to other nodes; of several, the one that ends first.
    Transport,
}

impl Purpose {
    /// As a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpAuthority => "http_authority",
            Self::Http => "http",
            Self::TransportAuthority => "transport_authority",
            Self::Transport => "transport",
        }
    }

    /// In a sentence.
    fn words(self) -> &'static str {
        match self {
            Self::HttpAuthority => "HTTP authority's",
            Self::Http => "HTTP",
            Self::TransportAuthority => "transport authority's",
            Self::Transport => "transport",
        }
    }
}

/// The earlier of two times, either of which may be missing.
fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
