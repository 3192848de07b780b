//! What the process says of itself: its `tracing` events and spans as log records and spans, its Prometheus registry as metric points,
//! all delivered to the same [`parapet_signal::Sink`] as anyone else's. It does not know where a sink keeps them, and it
//! never sends anything over a network.
//!
//! Nothing here removes secrets: what is passed to `tracing` as a field is stored and shown. Code that handles a secret keeps it
//! in a type whose `Debug` says nothing, and never formats it into a field.

mod counters;
mod feedback;
mod identity;
mod init;
pub mod metrics;
mod queue;
mod recorder;
mod spans;
mod visit;

pub use counters::Metrics;
pub use identity::{Clock, Identity, system_clock};
pub use init::{InitError, Options, Style, init};
pub use recorder::Recorder;
