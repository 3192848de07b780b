//! Keys, certificate authorities, the certificates they issue, their rotation, and TLS configurations made of them.
//! It doesn't know who listens or connects, nor when it is time to look: the caller passes the time and asks.
//!
//! Two ways to have a certificate:
//!
//! - **One's own authority** in a [`Folder`]: issued, renewed and rotated here; [`ServerIdentity`] shows it.
//! - **Somebody else's**: a [`Source`] ([`WatchedPair`], [`SecretPair`], or [`SelfSigned`] for want of any) and a
//!   profile ([`ServerProfile`], [`ClientProfile`]) make a [`Reloading`] configuration.
//!
//! And one for those who make certificates for others, to the letter as they are expected: a [`Signer`].
//!
//! Invariants: **P-1** an authority is made only in a folder that shows no trace of one. **P-2** no leaf outlives its
//! authority. **P-3** what is served was checked: the key fits, and it is valid as far as anything at hand is. **P-4** bad
//! input never takes the place of good. K-1 to K-3 stand in [`rotation`].

mod authority;
mod bundle;
mod client;
mod error;
mod folder;
mod identity;
pub mod inspect;
mod key;
mod leaf;
mod metrics;
mod names;
mod pair;
mod provider;
mod reloading;
mod request;
pub mod rotation;
mod server;
mod signer;
mod source;
mod trust;
mod validity;

pub use authority::{Authority, AuthorityOptions, LeafOptions, Usage};
pub use bundle::Bundle;
pub use client::{ClientProfile, ClientTls, client_config};
pub use error::{PkiError, RefusalReason};
pub use folder::{Event, Folder, FolderOptions, IssueReason, Reports};
pub use identity::ServerIdentity;
pub use key::KeyKind;
pub use leaf::Leaf;
pub use metrics::Metrics;
pub use names::Names;
pub use pair::Pair;
pub use provider::{FIPS_BUILD, assert_fips, assert_fips_client, assert_fips_server, fips_enabled, provider};
pub use reloading::{Built, Clock, Followed, Options, Profile, Reloader, Reloading, reloading};
pub use request::{Answered, FolderLock, Question, Request};
pub use server::{ClientCertificates, MinVersion, ServerProfile, ServerTls};
pub use signer::{AlternativeName, Certificate, Signer, Subject, SubjectKey};
pub use source::{
    Material, PairPaths, SecretData, SecretPair, SelfSigned, Source, WatchedPair, secret_material,
};
pub use trust::Trust;
pub use validity::{Validity, renew_at, seed_of};
