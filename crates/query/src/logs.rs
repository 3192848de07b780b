//! Log lines: pages, histogram, values of a field, and following.

use std::collections::BTreeMap;

use parapet_store::TimeRange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Engine, Filter, Page, QueryError};

/// Which log lines, and how many at once.
#[derive(Clone, Debug, PartialEq)]
pub struct LogQuery {
    /// When they happened.
    pub range: TimeRange,
    /// Words that the body must all have, in any case; `"a phrase"` for words in a row, `-word` for what it must not have.
    pub text: Option<String>,
    /// The least severity number, 1–24.
    pub severity_min: Option<u8>,
    /// `service_name`.
    pub service: Option<String>,
    /// `k8s_namespace_name`.
    pub namespace: Option<String>,
    /// `k8s_pod_name`.
    pub pod: Option<String>,
    /// `k8s_container_name`.
    pub container: Option<String>,
    /// `trace_id`, 32 hex digits.
    pub trace_id: Option<String>,
    /// Any other condition.
    pub filter: Option<Filter>,
    /// The most rows to return.
    pub limit: usize,
    /// From the page before.
    pub cursor: Option<String>,
}

impl LogQuery {
    /// All lines of `range`, a hundred at once.
    pub fn new(range: TimeRange) -> Self {
        Self {
            range,
            text: None,
            severity_min: None,
            service: None,
            namespace: None,
            pod: None,
            container: None,
            trace_id: None,
            filter: None,
            limit: 100,
            cursor: None,
        }
    }
}

/// One log line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogRow {
    /// When it happened, RFC 3339.
    pub ts: String,
    /// Its place in the order of arrival, unique in the store.
    pub seq: u64,
    /// OTel severity number, 1–24.
    pub severity_number: Option<u8>,
    /// Severity as the source wrote it.
    pub severity_text: Option<String>,
    /// The line.
    pub body: String,
    /// `service.name`.
    pub service_name: Option<String>,
    /// `k8s.namespace.name`.
    pub k8s_namespace_name: Option<String>,
    /// `k8s.pod.name`.
    pub k8s_pod_name: Option<String>,
    /// `k8s.container.name`.
    pub k8s_container_name: Option<String>,
    /// `host.name`.
    pub host_name: Option<String>,
    /// The trace it belongs to, hex.
    pub trace_id: Option<String>,
    /// The span it belongs to, hex.
    pub span_id: Option<String>,
    /// Name of the event, for OTel events.
    pub event_name: Option<String>,
    /// Attributes of the record.
    #[schema(value_type = Object)]
    pub attributes: serde_json::Value,
    /// Attributes of the resource.
    #[schema(value_type = Object)]
    pub resource: serde_json::Value,
}

/// Lines over time, by severity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Histogram {
    /// Width of a bucket.
    pub interval_seconds: u64,
    /// The names of the severities that occur, most severe first; `UNSPECIFIED` for lines without.
    pub series: Vec<String>,
    /// Buckets, oldest first, without gaps.
    pub buckets: Vec<HistogramBucket>,
}

/// One bucket of a histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistogramBucket {
    /// Its start, RFC 3339.
    pub ts: String,
    /// Lines by severity; a severity without lines is absent.
    pub counts: BTreeMap<String, u64>,
}

/// The columns whose values can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogField {
    /// `service.name`.
    ServiceName,
    /// `k8s.namespace.name`.
    K8sNamespaceName,
    /// `k8s.pod.name`.
    K8sPodName,
    /// `k8s.container.name`.
    K8sContainerName,
}

/// The values of a field, most frequent first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldValues {
    /// The values.
    pub values: Vec<FieldValue>,
}

/// One value of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldValue {
    /// The value.
    pub value: String,
    /// How many lines have it.
    pub count: u64,
}

/// New lines, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowPage {
    /// The lines, in order of arrival.
    pub rows: Vec<LogRow>,
    /// Everything up to here has been looked at: the `after_seq` of the next call.
    pub last_seq: u64,
}

impl Engine {
    /// One page, newest first.
    pub async fn logs_page(&self, query: LogQuery) -> Result<Page<LogRow>, QueryError> {
        let _ = query;
        Err(QueryError::BadRequest("not answered yet".into()))
    }

    /// Counts by interval and severity, in at most `buckets` intervals (and one more where the range starts inside one).
    pub async fn logs_histogram(&self, query: LogQuery, buckets: usize) -> Result<Histogram, QueryError> {
        let _ = (query, buckets);
        Err(QueryError::BadRequest("not answered yet".into()))
    }

    /// The `query.limit` most frequent values of `field`.
    pub async fn field_values(&self, query: LogQuery, field: LogField) -> Result<FieldValues, QueryError> {
        let _ = (query, field);
        Err(QueryError::BadRequest("not answered yet".into()))
    }

    /// Lines that arrived after `after_seq`, in order of arrival; for `--follow`. Does not wait: see `Store::subscribe`.
    pub async fn follow(&self, query: LogQuery, after_seq: u64) -> Result<FollowPage, QueryError> {
        let _ = (query, after_seq);
        Err(QueryError::BadRequest("not answered yet".into()))
    }

    /// The `seq` of the newest log line now: where to start following.
    pub fn last_log_seq(&self) -> u64 {
        0
    }
}
