//! The HTTP API under `/api/v1`, its sessions and tokens as headers and cookies, health and metrics endpoints, and the console's files.
//! It does not know how bytes are stored or queries are run, and it opens no socket: [`router`] returns a service for a listener.
//!
//! Every route belongs to a group that says who may call it ([`gate`]): the public ones are listed there, everything else is
//! refused without credentials before its handler or its body is looked at. Every refusal is a problem document (RFC 9457).

mod api;
mod app;
mod body;
mod causes;
mod console;
mod gate;
mod guard;
mod health;
mod metrics;
mod openapi;
mod pipeline;
pub mod posture;
mod problem;
mod query;
mod router;
mod sampler;
mod time;

pub use app::State;
pub use gate::session_of;
pub use metrics::Metrics;
pub use openapi::openapi_json;
pub use pipeline::{
    CertificateStatus, PipelineStatus, ReceiverStatus, RefusedCount, SecretStatus, SecretUser, SourceStatus,
};
pub use problem::refusal;
pub use router::router;
