//! OTLP messages to batches and back.
//!
//! Decoding keeps what the data model can hold and refuses, per record, what it cannot: each refusal is counted with its
//! [`Defect`], so that a receiver can say so in `partial_success`. Encoding is total for logs, spans and metrics; traffic
//! events have no OTLP form.
//!
//! Times follow one rule: a record without a time of its own gets the time at which it was observed, and without that
//! the time given as `now`; the end of a span is lifted to its start.

mod common;
mod logs;
mod metrics;
mod spans;

use std::fmt;

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};

use crate::Batch;

pub use logs::{decode as decode_logs, encode as encode_logs};
pub use metrics::{decode as decode_metrics, encode as encode_metrics};
pub use spans::{decode as decode_spans, encode as encode_spans};

/// Attributes that one list may have: four times the default limit of OTel's SDKs (128).
pub const MAX_ATTRIBUTES: usize = 512;

/// Why a record cannot be represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    /// A span without a valid trace id.
    TraceId,
    /// A span without a valid span id.
    SpanId,
    /// A time past the year 2262.
    Time,
    /// More than [`MAX_ATTRIBUTES`] attributes in one list.
    Attributes,
    /// A metric without a name.
    MetricName,
    /// A data point without a value.
    PointValue,
    /// A histogram whose counts do not fit its bounds.
    Buckets,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::TraceId,
        Self::SpanId,
        Self::Time,
        Self::Attributes,
        Self::MetricName,
        Self::PointValue,
        Self::Buckets,
    ];

    /// The value of the `reason` label in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TraceId => "invalid_trace_id",
            Self::SpanId => "invalid_span_id",
            Self::Time => "time_out_of_range",
            Self::Attributes => "too_many_attributes",
            Self::MetricName => "no_metric_name",
            Self::PointValue => "no_point_value",
            Self::Buckets => "buckets_do_not_fit_bounds",
        }
    }

    /// A sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::TraceId => "the trace id is not 16 bytes, or all zero",
            Self::SpanId => "the span id is not 8 bytes, or all zero",
            Self::Time => "a time is past the year 2262",
            Self::Attributes => "more than 512 attributes in one list",
            Self::MetricName => "the metric has no name",
            Self::PointValue => "the data point has no value",
            Self::Buckets => "the histogram's counts do not fit its bounds",
        }
    }
}

/// Records that could not be represented, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    counts: [u64; Defect::ALL.len()],
}

impl Rejected {
    /// How many records in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The reasons that occurred, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Defect, u64)> + '_ {
        Defect::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }

    fn add(&mut self, defect: Defect, records: usize) {
        self.counts[defect as usize] += records as u64;
    }
}

impl fmt::Display for Rejected {
    /// `2 records: the trace id is …; 1 record: …`; empty if nothing was rejected.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (defect, count)) in self.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            let noun = if count == 1 { "record" } else { "records" };
            write!(f, "{separator}{count} {noun}: {}", defect.sentence())?;
        }
        Ok(())
    }
}

/// What a request held.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The records that can be represented, in their order.
    pub batch: Batch,
    /// The others, counted.
    pub rejected: Rejected,
}

/// A batch as the request that exports it.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// For the logs service.
    Logs(ExportLogsServiceRequest),
    /// For the trace service.
    Traces(ExportTraceServiceRequest),
    /// For the metrics service.
    Metrics(ExportMetricsServiceRequest),
}

impl Request {
    /// The request for a batch; `None` for traffic, which OTLP has no form for.
    pub fn from_batch(batch: &Batch) -> Option<Self> {
        match batch {
            Batch::Logs(groups) => Some(Self::Logs(encode_logs(groups))),
            Batch::Spans(groups) => Some(Self::Traces(encode_spans(groups))),
            Batch::Metrics(groups) => Some(Self::Metrics(encode_metrics(groups))),
            Batch::Traffic(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
