//! The data model: log records, spans, metric points, API-traffic events, their resources, ids and time; OTLP in and out.
//!
//! It does not know I/O, Kubernetes or storage: everything here is a value, or a pure function between values.

mod attributes;
mod batch;
pub mod delivery;
mod id;
mod log;
mod metric;
pub mod otlp;
mod span;
mod time;
mod traffic;

pub use attributes::{Attributes, Resource, Scope, Value};
pub use batch::{Batch, Grouped, Signal};
pub use delivery::{Delivery, DeliveryError, Receipt, Refusal, RefusedRows, Sink, SourceId};
pub use id::{InvalidId, SpanId, TraceId};
pub use log::{LogRecord, SeverityNumber};
pub use metric::{Metric, MetricData, Number, Point, PointValue, Temporality};
pub use span::{Link, Span, SpanEvent, SpanKind, Status, StatusCode};
pub use time::UnixNanos;
pub use traffic::{TrafficEvent, TrafficKind};
