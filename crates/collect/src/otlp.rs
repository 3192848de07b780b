//! Receives OTLP over gRPC and over HTTP (protobuf and JSON; gzip and zstd).
//!
//! Every request is admitted by its `authorization` header before a byte of its body is read, charged against what may
//! be under way, bounded before and while it is decompressed, and answered only when the sink has acknowledged: a
//! success means that everything not named in `partial_success` is durable.
//!
//! | given | HTTP | gRPC |
//! |---|---|---|
//! | no or bad token | 401 | `UNAUTHENTICATED` |
//! | a token that may not send | 403 | `PERMISSION_DENIED` |
//! | wrong content type or encoding | 415 | 415, `UNIMPLEMENTED` |
//! | body too large, before or after decompression, or once decoded | 413 | `RESOURCE_EXHAUSTED` without `RetryInfo`: sending it again does not help |
//! | truncated, undecodable | 400 | `INVALID_ARGUMENT` |
//! | a body that does not arrive in time | 408 | `DEADLINE_EXCEEDED` |
//! | too much under way here | 429 with `Retry-After` | `UNAVAILABLE` with `RetryInfo` |
//! | the sink is busy, closing or failed | 503 with `Retry-After` | `UNAVAILABLE` with `RetryInfo` |
//!
//! A sender that numbers its deliveries may add the headers `parapet-source` (up to 16 hex digits) and
//! `parapet-position` (decimal): a delivery whose position is not above the highest kept for its source is acknowledged
//! without being applied again.

mod body;
mod export;
mod gate;
mod grpc;
mod http;
mod limits;
mod receiver;
mod refused;
mod status;
mod weigh;

pub use body::{Encoding, decompress};
pub use gate::{Admitted, Denied, Gate};
pub use limits::Limits;
pub use receiver::{Options, Receiver};
pub use refused::Refused;
pub use status::{ReasonCount, ReceiverStatus};
