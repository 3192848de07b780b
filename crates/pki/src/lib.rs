//! A private certificate authority in a folder, the server certificates it issues, and TLS configurations made of them.
//! It doesn't know who listens or connects, nor when it is time to look: the caller passes the time and asks.
//!
//! # On disk
//! | file | content | written |
//! |---|---|---|
//! | `ca.key` | the authority's private key, PKCS #8 PEM | once, first |
//! | `ca.crt` | its certificate, PEM; what clients trust | once, after the key |
//! | `server.pem` | the server's certificate and private key, PEM | at each issue, after both |
//!
//! All files are readable by their owner alone and replaced atomically, so each is found whole or not at all; the
//! certificate and key of the server share a file so that they always fit each other.
//!
//! Invariants: **P-1** an authority is made only in a folder that has neither its certificate nor anything it issued.
//! **P-2** no leaf outlives its authority. **P-3** what is served was checked: the key fits, the chain leads to the
//! authority, it is valid now, and it has the names asked for.
//!
//! A crash between the first two files leaves a key that never signed anything; the next start completes it. A crash before
//! the third leaves an authority without a leaf; the next start issues one.

mod authority;
mod client;
mod error;
mod folder;
mod identity;
mod leaf;
mod names;

pub use authority::Authority;
pub use client::client_config;
pub use error::PkiError;
pub use folder::{Folder, IssueReason};
pub use identity::ServerIdentity;
pub use leaf::Leaf;
pub use names::Names;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The one implementation of cryptography that this program uses; never taken from a process-wide default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
