//! The tables: their columns, and how each column is kept.
//!
//! One schema serves memory, WAL frames and segments. Strings that repeat inside a delivery (names of services, pods,
//! gateways, whole resources) are dictionaries: a row then costs four bytes for each, which is what lets a memtable
//! hold a resource's JSON on every row. Strings that rarely repeat (bodies, ids, attributes) are plain.
//!
//! A changed column is a new column, and a changed list of columns a new [`SCHEMA_ID`]; new columns are nullable and
//! read as null from segments that lack them.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parapet_signal::Signal;

/// Version of the column lists, kept in every WAL frame and segment.
pub(crate) const SCHEMA_ID: u8 = 1;

/// Event time, first column of every table.
pub const TS: &str = "ts";
/// The row's store-wide number, second column of every table.
pub const SEQ: &str = "seq";
/// When the store took the row, third column of every table.
pub const INGEST_TS: &str = "ingest_ts";

/// How a column is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Microseconds since the epoch, UTC.
    Micros,
    /// A string that repeats.
    Name,
    /// A string that rarely repeats.
    Text,
    U8,
    I32,
    I64,
    U64,
    F64,
    Bool,
}

/// Columns that equality is asked of and that have too many values for statistics to prune: they get bloom filters.
pub(crate) const BLOOM_COLUMNS: [&str; 3] = ["trace_id", "correlation_id", "k8s_pod_name"];

const LOGS: &[(&str, Kind)] = &[
    ("observed_ts", Kind::Micros),
    ("severity_number", Kind::U8),
    ("severity_text", Kind::Name),
    ("body", Kind::Text),
    ("event_name", Kind::Name),
    ("service_name", Kind::Name),
    ("k8s_namespace_name", Kind::Name),
    ("k8s_pod_name", Kind::Name),
    ("k8s_pod_uid", Kind::Name),
    ("k8s_container_name", Kind::Name),
    ("host_name", Kind::Name),
    ("trace_id", Kind::Text),
    ("span_id", Kind::Text),
    ("attributes", Kind::Text),
    ("resource", Kind::Name),
    ("scope_name", Kind::Name),
];

const SPANS: &[(&str, Kind)] = &[
    ("end_ts", Kind::Micros),
    ("duration_ns", Kind::I64),
    ("trace_id", Kind::Text),
    ("span_id", Kind::Text),
    ("parent_span_id", Kind::Text),
    ("trace_state", Kind::Text),
    ("name", Kind::Name),
    ("kind", Kind::Name),
    ("status_code", Kind::Name),
    ("status_message", Kind::Text),
    ("service_name", Kind::Name),
    ("k8s_namespace_name", Kind::Name),
    ("k8s_pod_name", Kind::Name),
    ("k8s_container_name", Kind::Name),
    ("host_name", Kind::Name),
    ("attributes", Kind::Text),
    ("resource", Kind::Name),
    ("scope_name", Kind::Name),
    ("events", Kind::Text),
    ("links", Kind::Text),
];

const METRICS: &[(&str, Kind)] = &[
    ("start_ts", Kind::Micros),
    ("name", Kind::Name),
    ("description", Kind::Name),
    ("unit", Kind::Name),
    ("kind", Kind::Name),
    ("temporality", Kind::Name),
    ("monotonic", Kind::Bool),
    ("value", Kind::F64),
    ("count", Kind::U64),
    ("sum", Kind::F64),
    ("min", Kind::F64),
    ("max", Kind::F64),
    ("detail", Kind::Text),
    ("service_name", Kind::Name),
    ("k8s_namespace_name", Kind::Name),
    ("k8s_pod_name", Kind::Name),
    ("k8s_container_name", Kind::Name),
    ("host_name", Kind::Name),
    ("attributes", Kind::Name),
    ("resource", Kind::Name),
    ("scope_name", Kind::Name),
];

const TRAFFIC: &[(&str, Kind)] = &[
    ("correlation_id", Kind::Text),
    ("kind", Kind::Name),
    ("leg", Kind::I32),
    ("gateway_name", Kind::Name),
    ("gateway_region", Kind::Name),
    ("hostname", Kind::Name),
    ("group_id", Kind::Name),
    ("group_name", Kind::Name),
    ("service_id", Kind::Name),
    ("gateway_version", Kind::Name),
    ("path", Kind::Text),
    ("protocol", Kind::Name),
    ("protocol_src", Kind::Name),
    ("final_status", Kind::Name),
    ("service", Kind::Name),
    ("operation", Kind::Name),
    ("app", Kind::Name),
    ("app_org", Kind::Name),
    ("monitored", Kind::Bool),
    ("duration_ms", Kind::I64),
    ("http_status", Kind::I32),
    ("http_method", Kind::Name),
    ("http_vhost", Kind::Name),
    ("bytes_sent", Kind::I64),
    ("bytes_received", Kind::I64),
    ("remote_addr", Kind::Name),
    ("local_addr", Kind::Name),
    ("auth_subject_id", Kind::Name),
    ("trace_id", Kind::Text),
    ("event", Kind::Text),
];

/// The Arrow schema of a table: `ts`, `seq`, `ingest_ts`, then its own columns.
pub fn schema(signal: Signal) -> SchemaRef {
    static SCHEMAS: LazyLock<[SchemaRef; 4]> = LazyLock::new(|| {
        Signal::ALL.map(|signal| {
            let mut fields = vec![
                Field::new(TS, micros(), false),
                Field::new(SEQ, DataType::UInt64, false),
                Field::new(INGEST_TS, micros(), false),
            ];
            fields
                .extend(columns(signal).iter().map(|(name, kind)| Field::new(*name, data_type(*kind), true)));
            Arc::new(Schema::new(fields))
        })
    });
    Arc::clone(&SCHEMAS[index(signal)])
}

/// A table's number in WAL frames and the manifest; part of the disk format.
pub(crate) fn number(signal: Signal) -> u16 {
    match signal {
        Signal::Logs => 0,
        Signal::Spans => 1,
        Signal::Metrics => 2,
        Signal::Traffic => 3,
    }
}

/// A table's place in arrays with one entry a table.
pub(crate) fn index(signal: Signal) -> usize {
    usize::from(number(signal))
}

/// The table with that number, if there is one.
pub(crate) fn signal(number: u16) -> Option<Signal> {
    Signal::ALL.into_iter().find(|signal| self::number(*signal) == number)
}

/// The schema of rows that have no `seq` yet: what a WAL frame holds.
pub(crate) fn unnumbered_schema(signal: Signal) -> SchemaRef {
    static SCHEMAS: LazyLock<[SchemaRef; 4]> = LazyLock::new(|| {
        Signal::ALL.map(|signal| {
            let fields: Vec<_> =
                schema(signal).fields().iter().filter(|f| f.name() != SEQ).cloned().collect();
            Arc::new(Schema::new(fields))
        })
    });
    Arc::clone(&SCHEMAS[index(signal)])
}

/// The type of every timestamp column.
pub(crate) fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The type of strings that repeat.
pub(crate) fn name_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn columns(signal: Signal) -> &'static [(&'static str, Kind)] {
    match signal {
        Signal::Logs => LOGS,
        Signal::Spans => SPANS,
        Signal::Metrics => METRICS,
        Signal::Traffic => TRAFFIC,
    }
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Micros => micros(),
        Kind::Name => name_type(),
        Kind::Text => DataType::Utf8,
        Kind::U8 => DataType::UInt8,
        Kind::I32 => DataType::Int32,
        Kind::I64 => DataType::Int64,
        Kind::U64 => DataType::UInt64,
        Kind::F64 => DataType::Float64,
        Kind::Bool => DataType::Boolean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_starts_alike_and_its_number_finds_it_again() {
        for signal in Signal::ALL {
            let names: Vec<_> = schema(signal).fields().iter().take(3).map(|f| f.name().clone()).collect();
            assert_eq!(names, [TS, SEQ, INGEST_TS]);
            assert_eq!(self::signal(number(signal)), Some(signal));
            assert_eq!(unnumbered_schema(signal).fields().len() + 1, schema(signal).fields().len());
        }
        assert_eq!(signal(4), None);
    }
}
