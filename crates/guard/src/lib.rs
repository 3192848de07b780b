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

mod answer;
mod audit_line;
pub mod authn;
pub mod authz;
mod body;
mod cache;
mod clock;
mod decision;
mod engine;
mod headers;
mod inquiry;
mod layer;
mod limits;
mod metrics;
mod path;
pub mod proxy;
mod query;
pub mod review;
pub mod settings;
pub mod upstream;

pub use audit_line::{AUDIT_TARGET, AuditLines};
pub use clock::Clock;
pub use decision::{AllowReason, Consumed, Decide, Decision, Grant, Refusal, RefuseReason};
pub use engine::{Engine, Policy};
pub use headers::{HeaderRules, IdentityHeaders};
pub use inquiry::{AuthnMethod, Identity, Inquiry, Peer};
pub use layer::{GuardLayer, Guarded};
pub use limits::Limits;
pub use metrics::Metrics;
pub use path::{CanonicalPath, PathFault, PathRules};
pub use query::{CanonicalQuery, QueryFault};
