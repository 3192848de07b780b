//! One gate in front of an endpoint: it authenticates, authorises and forwards one canonical request.
//! It doesn't know what is behind it.
//!
//! The order, for every request and in both faces (the proxy and the layer for in-process endpoints):
//!
//! 1. The request is canonical or refused (400): the path that is matched is the path that is authorised is the
//!    path that is forwarded.
//! 2. [`Decide`] is asked.
//! 3. Hop-by-hop and identity headers are taken out, always; the caller's identity is written in, last.
//! 4. The request is written anew from its parsed parts and forwarded.

pub mod authn;
pub mod authz;
mod cache;
mod clock;
mod decision;
mod inquiry;
mod path;
mod query;
pub mod review;
pub mod settings;

pub use clock::Clock;
pub use decision::{AllowReason, Consumed, Decide, Decision, Grant, Refusal, RefuseReason};
pub use inquiry::{AuthnMethod, Identity, Inquiry, Peer};
pub use path::{CanonicalPath, PathFault, PathRules};
pub use query::{CanonicalQuery, QueryFault};
