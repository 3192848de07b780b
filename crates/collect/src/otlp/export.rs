//! What the three export services have in common.

use opentelemetry_proto::tonic::collector::{
    logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
    metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
};
use parapet_signal::otlp::{Decoded, decode_logs, decode_metrics, decode_spans};
use parapet_signal::{Signal, UnixNanos};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::weigh::{self, Kind};

/// What the sender is told about an acknowledged request. Rejected 0 with a message is a warning; 0 without one is
/// full success, and `partial_success` stays unset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) rejected: u64,
    pub(super) message: String,
}

impl Outcome {
    fn partial<T>(self, build: impl FnOnce(i64, String) -> T) -> Option<T> {
        let rejected = i64::try_from(self.rejected).unwrap_or(i64::MAX);
        (rejected > 0 || !self.message.is_empty()).then(|| build(rejected, self.message))
    }
}

/// A request of one of the export services.
pub(super) trait Export: prost::Message + Default + DeserializeOwned + Send + 'static {
    type Response: prost::Message + Serialize;
    const SIGNAL: Signal;
    /// The request's shape, for weighing it.
    fn kind() -> &'static Kind;
    fn decode_records(self, now: UnixNanos) -> Decoded;
    fn response(outcome: Outcome) -> Self::Response;
}

impl Export for ExportLogsServiceRequest {
    type Response = ExportLogsServiceResponse;
    const SIGNAL: Signal = Signal::Logs;
    fn kind() -> &'static Kind {
        &weigh::LOGS
    }
    fn decode_records(self, now: UnixNanos) -> Decoded {
        decode_logs(self, now)
    }
    fn response(outcome: Outcome) -> Self::Response {
        let partial_success = outcome.partial(|rejected_log_records, error_message| {
            ExportLogsPartialSuccess { rejected_log_records, error_message }
        });
        Self::Response { partial_success }
    }
}

impl Export for ExportTraceServiceRequest {
    type Response = ExportTraceServiceResponse;
    const SIGNAL: Signal = Signal::Spans;
    fn kind() -> &'static Kind {
        &weigh::TRACES
    }
    fn decode_records(self, now: UnixNanos) -> Decoded {
        decode_spans(self, now)
    }
    fn response(outcome: Outcome) -> Self::Response {
        let partial_success = outcome.partial(|rejected_spans, error_message| ExportTracePartialSuccess {
            rejected_spans,
            error_message,
        });
        Self::Response { partial_success }
    }
}

impl Export for ExportMetricsServiceRequest {
    type Response = ExportMetricsServiceResponse;
    const SIGNAL: Signal = Signal::Metrics;
    fn kind() -> &'static Kind {
        &weigh::METRICS
    }
    fn decode_records(self, now: UnixNanos) -> Decoded {
        decode_metrics(self, now)
    }
    fn response(outcome: Outcome) -> Self::Response {
        let partial_success = outcome.partial(|rejected_data_points, error_message| {
            ExportMetricsPartialSuccess { rejected_data_points, error_message }
        });
        Self::Response { partial_success }
    }
}
