//! Sources of telemetry: OTLP receivers, container log files, API-gateway event logs, the host's own figures.
//!
//! It does not know where data goes: everything ends in a [`parapet_signal::Sink`], and a file's offset moves only when
//! the sink has acknowledged. It opens no sockets; receivers are routers that someone else serves.

mod clock;
pub mod container;
pub mod files;
pub mod host;
mod metrics;
pub mod opentraffic;
pub mod otlp;

pub use clock::{Clock, SystemClock};
pub use metrics::Metrics;
