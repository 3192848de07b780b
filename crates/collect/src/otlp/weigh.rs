//! How much memory a message takes once it is decoded, estimated before it is.
//!
//! Two bytes on the wire are an empty log record, and that is a hundred times as much in memory: a bound on the bytes
//! alone would not bound what decoding them costs. The estimate walks the nested messages that can repeat, and counts
//! the size of each one's struct and the length of what it holds.

use bytes::Buf as _;
use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, SummaryDataPoint, summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// A message: the size of its struct, and its fields that are messages themselves.
pub(super) struct Kind {
    size: usize,
    /// Bytes in memory for each byte of a field that is no message: 8 where varints are packed.
    per_byte: usize,
    fields: &'static [(u32, &'static Kind)],
}

const fn kind<T>(fields: &'static [(u32, &'static Kind)]) -> Kind {
    Kind { size: size_of::<T>(), per_byte: 1, fields }
}

pub(super) static LOGS: Kind = kind::<()>(&[(1, &RESOURCE_LOGS)]);
pub(super) static TRACES: Kind = kind::<()>(&[(1, &RESOURCE_SPANS)]);
pub(super) static METRICS: Kind = kind::<()>(&[(1, &RESOURCE_METRICS)]);

static RESOURCE: Kind = kind::<()>(&[(1, &KEY_VALUE), (3, &ENTITY)]);
static ENTITY: Kind = kind::<EntityRef>(&[(3, &TEXT), (4, &TEXT)]);
static TEXT: Kind = kind::<String>(&[]);
static SCOPE: Kind = kind::<InstrumentationScope>(&[(3, &KEY_VALUE)]);
static KEY_VALUE: Kind = kind::<KeyValue>(&[(2, &ANY)]);
static ANY: Kind = kind::<AnyValue>(&[(5, &LIST), (6, &MAP)]);
static LIST: Kind = kind::<()>(&[(1, &ANY)]);
static MAP: Kind = kind::<()>(&[(1, &KEY_VALUE)]);

static RESOURCE_LOGS: Kind = kind::<ResourceLogs>(&[(1, &RESOURCE), (2, &SCOPE_LOGS)]);
static SCOPE_LOGS: Kind = kind::<ScopeLogs>(&[(1, &SCOPE), (2, &LOG)]);
static LOG: Kind = kind::<LogRecord>(&[(5, &ANY), (6, &KEY_VALUE)]);

static RESOURCE_SPANS: Kind = kind::<ResourceSpans>(&[(1, &RESOURCE), (2, &SCOPE_SPANS)]);
static SCOPE_SPANS: Kind = kind::<ScopeSpans>(&[(1, &SCOPE), (2, &SPAN)]);
static SPAN: Kind = kind::<Span>(&[(9, &KEY_VALUE), (11, &EVENT), (13, &LINK)]);
static EVENT: Kind = kind::<span::Event>(&[(3, &KEY_VALUE)]);
static LINK: Kind = kind::<span::Link>(&[(4, &KEY_VALUE)]);

static RESOURCE_METRICS: Kind = kind::<ResourceMetrics>(&[(1, &RESOURCE), (2, &SCOPE_METRICS)]);
static SCOPE_METRICS: Kind = kind::<ScopeMetrics>(&[(1, &SCOPE), (2, &METRIC)]);
static METRIC: Kind = kind::<Metric>(&[
    (5, &NUMBERS),
    (7, &NUMBERS),
    (9, &HISTOGRAMS),
    (10, &EXPONENTIALS),
    (11, &SUMMARIES),
    (12, &KEY_VALUE),
]);
static NUMBERS: Kind = kind::<()>(&[(1, &NUMBER)]);
static NUMBER: Kind = kind::<NumberDataPoint>(&[(5, &EXEMPLAR), (7, &KEY_VALUE)]);
static HISTOGRAMS: Kind = kind::<()>(&[(1, &HISTOGRAM)]);
static HISTOGRAM: Kind = kind::<HistogramDataPoint>(&[(8, &EXEMPLAR), (9, &KEY_VALUE)]);
static EXPONENTIALS: Kind = kind::<()>(&[(1, &EXPONENTIAL)]);
static EXPONENTIAL: Kind =
    kind::<ExponentialHistogramDataPoint>(&[(1, &KEY_VALUE), (8, &BUCKETS), (9, &BUCKETS), (11, &EXEMPLAR)]);
static BUCKETS: Kind = Kind { size: 0, per_byte: size_of::<u64>(), fields: &[] };
static SUMMARIES: Kind = kind::<()>(&[(1, &SUMMARY)]);
static SUMMARY: Kind = kind::<SummaryDataPoint>(&[(6, &QUANTILE), (7, &KEY_VALUE)]);
static QUANTILE: Kind = kind::<ValueAtQuantile>(&[]);
static EXEMPLAR: Kind = kind::<Exemplar>(&[(7, &KEY_VALUE)]);

/// Bytes that the message will take at least, or `None` once that is more than `limit`. What cannot be read any
/// further weighs nothing: the decoder will say what is wrong with it.
pub(super) fn weigh(kind: &Kind, message: &[u8], limit: usize) -> Option<usize> {
    let mut total = 0;
    add(kind, message, MAX_DEPTH, &mut total, limit).then_some(total)
}

/// The same for JSON, where each object may become a message: an upper bound for records, and about right for values.
pub(super) fn weigh_json(text: &[u8], limit: usize) -> Option<usize> {
    let objects = memchr::memchr_iter(b'{', text).count();
    Some(text.len() + objects * size_of::<LogRecord>()).filter(|total| *total <= limit)
}

/// As deep as prost decodes.
const MAX_DEPTH: usize = 100;

/// Whether the total stays within the limit.
fn add(kind: &Kind, mut message: &[u8], depth: usize, total: &mut usize, limit: usize) -> bool {
    while message.has_remaining() {
        let Ok((tag, wire)) = decode_key(&mut message) else { return true };
        if wire != WireType::LengthDelimited {
            if skip_field(wire, tag, &mut message, DecodeContext::default()).is_err() {
                return true;
            }
            continue;
        }
        let Some(len) = decode_varint(&mut message).ok().and_then(|len| usize::try_from(len).ok()) else {
            return true;
        };
        let Some((field, rest)) = message.split_at_checked(len) else { return true };
        message = rest;
        match kind.fields.iter().find(|(number, _)| *number == tag) {
            Some((_, kind)) => {
                *total += kind.size;
                if *total > limit || (depth > 0 && !add(kind, field, depth - 1, total, limit)) {
                    return false;
                }
            }
            None => *total += len * kind.per_byte,
        }
        if *total > limit {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{KeyValueList, any_value};
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn request(records: Vec<LogRecord>) -> Vec<u8> {
        let scope_logs = vec![ScopeLogs { log_records: records, ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
        ExportLogsServiceRequest { resource_logs }.encode_to_vec()
    }

    #[test]
    fn many_small_messages_weigh_what_their_structs_do() {
        let body = request(vec![LogRecord::default(); 1000]);
        let weight = weigh(&LOGS, &body, usize::MAX).unwrap();
        assert!(weight >= 1000 * size_of::<LogRecord>() && weight < 1001 * size_of::<LogRecord>() + 1000);
        assert_eq!(weigh(&LOGS, &body, weight), Some(weight));
        assert_eq!(weigh(&LOGS, &body, weight - 1), None);
        let attributes = vec![KeyValue::default(); 1000];
        let body = request(vec![LogRecord { attributes, ..LogRecord::default() }]);
        assert!(weigh(&LOGS, &body, usize::MAX).unwrap() >= 1000 * size_of::<KeyValue>());
    }

    #[test]
    fn deep_nesting_ends() {
        let mut value = AnyValue::default();
        for _ in 0..500 {
            let pair = KeyValue { value: Some(value), ..KeyValue::default() };
            let list = KeyValueList { values: vec![pair] };
            value = AnyValue { value: Some(any_value::Value::KvlistValue(list)) };
        }
        let body = request(vec![LogRecord { body: Some(value), ..LogRecord::default() }]);
        assert!(weigh(&LOGS, &body, usize::MAX).is_some());
    }

    #[test]
    fn json_weighs_its_objects() {
        assert_eq!(weigh_json(b"[{},{}]", usize::MAX), Some(7 + 2 * size_of::<LogRecord>()));
        assert_eq!(weigh_json(b"[{},{}]", 8), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_weighed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for kind in [&LOGS, &TRACES, &METRICS] {
                weigh(kind, &bytes, 10_000);
            }
        }
    }
}
