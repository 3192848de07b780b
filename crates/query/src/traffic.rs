//! API traffic: overview, pages of requests, one transaction.

mod cube;
mod events;
mod overview;

use std::collections::BTreeMap;

use parapet_store::TimeRange;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Filter;

/// What an overview is of.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficOverviewQuery {
    /// When the requests came.
    pub range: TimeRange,
    /// The API.
    pub service: Option<String>,
    /// The API's method.
    pub operation: Option<String>,
    /// The application.
    pub app: Option<String>,
    /// The gateway's name.
    pub gateway: Option<String>,
    /// About how many buckets.
    pub buckets: usize,
}

/// Requests over time and by what they went to. A request is a transaction's leg 0, the client's side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficOverview {
    /// Width of a bucket.
    pub interval_seconds: u64,
    /// Where most of it came from.
    pub source: TrafficSource,
    /// Over the whole range.
    pub totals: TrafficTotals,
    /// Buckets, oldest first, without gaps.
    pub buckets: Vec<TrafficBucket>,
    /// The APIs with the most requests.
    pub top_services: Vec<TopRow>,
    /// The API methods with the most requests.
    pub top_operations: Vec<TopRow>,
    /// The applications with the most transactions; from the transactions' summaries.
    pub top_apps: Vec<TopRow>,
    /// By HTTP status.
    pub status_codes: Vec<StatusCount>,
}

/// Where an overview came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrafficSource {
    /// Hourly rollups for whole hours, rows for the range's edges.
    Rollup,
    /// Rows alone.
    Raw,
}

/// Percentiles of the duration; null without data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficPercentiles {
    /// Median.
    pub p50_ms: Option<f64>,
    /// 95 of 100 took no longer.
    pub p95_ms: Option<f64>,
    /// 99 of 100 took no longer.
    pub p99_ms: Option<f64>,
}

/// Sums over the whole range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficTotals {
    /// Requests.
    pub requests: u64,
    /// Requests that did not pass: a final status of fail, error or exception, or HTTP status 500 and above.
    pub errors: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Durations.
    #[serde(flatten)]
    pub percentiles: TrafficPercentiles,
}

/// One bucket of an overview.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficBucket {
    /// Its start, RFC 3339.
    pub ts: String,
    /// Requests.
    pub requests: u64,
    /// By status class; all five keys are there.
    pub by_class: BTreeMap<String, u64>,
    /// Durations.
    #[serde(flatten)]
    pub percentiles: TrafficPercentiles,
}

/// One entry of a top list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopRow {
    /// Of the API, method or application.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Requests that did not pass.
    pub errors: u64,
    /// 95 of 100 took no longer; null without data.
    pub p95_ms: Option<f64>,
    /// Bytes to clients.
    pub bytes_sent: u64,
}

/// Requests of one HTTP status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusCount {
    /// The status.
    pub status: i32,
    /// Requests.
    pub requests: u64,
}

/// Which requests.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficQuery {
    /// When they came.
    pub range: TimeRange,
    /// The API.
    pub service: Option<String>,
    /// The API's method.
    pub operation: Option<String>,
    /// The application.
    pub app: Option<String>,
    /// The gateway's name.
    pub gateway: Option<String>,
    /// `2xx`, `3xx`, `4xx`, `5xx` or `other`.
    pub status_class: Option<String>,
    /// A part of the path, in any case.
    pub path: Option<String>,
    /// The least duration.
    pub min_duration_ms: Option<u64>,
    /// Any other condition on the leg.
    pub filter: Option<Filter>,
    /// The most rows to return.
    pub limit: usize,
    /// From the page before.
    pub cursor: Option<String>,
}

impl TrafficQuery {
    /// All requests of `range`, a hundred at once.
    pub fn new(range: TimeRange) -> Self {
        Self {
            range,
            service: None,
            operation: None,
            app: None,
            gateway: None,
            status_class: None,
            path: None,
            min_duration_ms: None,
            filter: None,
            limit: 100,
            cursor: None,
        }
    }
}

/// One request: leg 0, and from its summary what the leg lacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficRow {
    /// When, RFC 3339.
    pub ts: String,
    /// Its place in the order of arrival.
    pub seq: u64,
    /// Names the transaction.
    pub correlation_id: Option<String>,
    /// The API.
    pub service: Option<String>,
    /// The API's method.
    pub operation: Option<String>,
    /// HTTP method.
    pub http_method: Option<String>,
    /// Path.
    pub path: Option<String>,
    /// HTTP status.
    pub http_status: Option<i32>,
    /// `Pass`, `Fail`, `Error`.
    pub final_status: Option<String>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// The client's address.
    pub remote_addr: Option<String>,
    /// The application.
    pub app: Option<String>,
    /// The application's organisation.
    pub app_org: Option<String>,
    /// The gateway.
    pub gateway_name: Option<String>,
    /// The trace it belongs to, hex.
    pub trace_id: Option<String>,
    /// Bytes to the client.
    pub bytes_sent: Option<i64>,
    /// Bytes from the client.
    pub bytes_received: Option<i64>,
}

/// Everything that was logged of one transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficTransaction {
    /// Names it.
    pub correlation_id: String,
    /// The transaction as a whole, if that line has arrived.
    pub summary: Option<TrafficSummary>,
    /// Its legs by number.
    pub legs: Vec<TrafficLeg>,
    /// The policies it went through, as logged.
    #[schema(value_type = Option<Vec<Object>>)]
    pub circuit_path: Option<serde_json::Value>,
    /// The traces its legs belong to.
    pub trace_ids: Vec<String>,
}

/// The transaction as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficSummary {
    /// When, RFC 3339.
    pub ts: String,
    /// Path.
    pub path: Option<String>,
    /// Protocol.
    pub protocol: Option<String>,
    /// `Pass`, `Fail`, `Error`.
    pub final_status: Option<String>,
    /// The API.
    pub service: Option<String>,
    /// The API's method.
    pub operation: Option<String>,
    /// The application.
    pub app: Option<String>,
    /// The application's organisation.
    pub app_org: Option<String>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// The gateway.
    pub gateway_name: Option<String>,
    /// The gateway's region.
    pub gateway_region: Option<String>,
    /// The line as logged.
    #[schema(value_type = Object)]
    pub event: serde_json::Value,
}

/// One leg of a transaction: 0 is the client's side, 1..n are calls to back ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrafficLeg {
    /// Its number.
    pub leg: i32,
    /// When, RFC 3339.
    pub ts: String,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// The API.
    pub service: Option<String>,
    /// The API's method.
    pub operation: Option<String>,
    /// HTTP status.
    pub http_status: Option<i32>,
    /// HTTP method.
    pub http_method: Option<String>,
    /// Path.
    pub path: Option<String>,
    /// `Pass`, `Fail`, `Error`.
    pub final_status: Option<String>,
    /// The other side's address.
    pub remote_addr: Option<String>,
    /// Bytes sent.
    pub bytes_sent: Option<i64>,
    /// Bytes received.
    pub bytes_received: Option<i64>,
    /// The trace it belongs to, hex.
    pub trace_id: Option<String>,
    /// The line as logged.
    #[schema(value_type = Object)]
    pub event: serde_json::Value,
}
