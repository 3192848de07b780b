//! What the server is doing: how much comes in, what is refused, what is kept.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use parapet_signal::{Signal, UnixNanos};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::openapi::Refusals;
use crate::pipeline::{CertificateStatus, ReceiverStatus, SecretStatus, SourceStatus};
use crate::problem::Problem;
use crate::query::Parameters;
use crate::time::rfc3339;

/// What the server is doing.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// Version of the program.
    version: &'static str,
    /// When it started, RFC 3339.
    started_at: String,
    /// Whether the data is a demonstration's.
    demo: bool,
    /// What comes in, by signal.
    signals: Vec<SignalStatus>,
    /// The endpoints that take telemetry in.
    receivers: Vec<ReceiverStatus>,
    /// The files and other things that are read.
    sources: Vec<SourceStatus>,
    /// What is kept.
    store: StoreStatus,
    /// What was found when the store was opened.
    #[schema(value_type = Object)]
    recovery: serde_json::Value,
    /// The certificates in use.
    certificates: Vec<CertificateStatus>,
    /// The secrets in use, without their values.
    secrets: Vec<SecretStatus>,
}

/// What comes in of one signal.
#[derive(Serialize, ToSchema)]
pub(super) struct SignalStatus {
    /// `logs`, `spans`, `metrics`, `traffic`.
    signal: &'static str,
    /// Rows kept since the start.
    rows_total: u64,
    /// Rows kept per second, over the last half minute.
    rows_per_second: f64,
    /// Rows refused since the start, by reason.
    refused: Vec<RefusedRows>,
    /// The latest instant of a row, RFC 3339; null: no rows.
    last_ts: Option<String>,
}

/// Rows refused for one reason.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusedRows {
    /// Why.
    reason: &'static str,
    /// How many.
    rows: u64,
}

/// What is kept.
#[derive(Serialize, ToSchema)]
pub(super) struct StoreStatus {
    /// Bytes of segments, rollups and write-ahead log.
    disk_bytes: u64,
    /// Bytes free on its file system.
    disk_free_bytes: u64,
    /// Bytes of the write-ahead log.
    wal_bytes: u64,
    /// Bytes of rows that are in no segment yet.
    memtable_bytes: u64,
    /// Segments.
    segments: u64,
    /// Rows in them.
    rows: u64,
    /// The earliest instant of a row in a segment, RFC 3339.
    oldest_ts: Option<String>,
    /// The latest instant of a row, RFC 3339.
    newest_ts: Option<String>,
    /// How long rows are kept, by signal.
    retention: Vec<Retention>,
    /// Why nothing is taken any more; null: all is well.
    failed: Option<String>,
}

/// How long rows of one signal are kept.
#[derive(Serialize, ToSchema)]
pub(super) struct Retention {
    /// `logs`, `spans`, `metrics`, `traffic`.
    signal: &'static str,
    /// Days.
    days: u64,
}

/// What the server is doing
#[utoipa::path(get, path = "/status", tag = "status", security(("session" = []), ("token" = ["read"])), responses((status = 200, body = Status), Refusals))]
pub(super) async fn status(
    State(app): State<Shared>,
    parameters: Parameters,
) -> Result<Json<Status>, Problem> {
    parameters.finish()?;
    let pipeline = &app.state.pipeline;
    let store = app.state.store.status();
    Ok(Json(Status {
        version: app.state.version,
        started_at: rfc3339(app.started_at),
        demo: app.state.demo,
        signals: Signal::ALL
            .into_iter()
            .zip(&store.signals)
            .map(|(signal, status)| SignalStatus::of(status, app.rates.per_second(signal)))
            .collect(),
        receivers: pipeline.receivers(),
        sources: pipeline.sources(),
        store: store.into(),
        recovery: serde_json::to_value(&app.state.recovery).map_err(|error| Problem::internal(&error))?,
        certificates: pipeline.certificates(),
        secrets: pipeline.secrets(),
    }))
}

impl SignalStatus {
    fn of(status: &parapet_store::SignalStatus, rows_per_second: f64) -> Self {
        let refused =
            status.refused.iter().map(|refused| RefusedRows { reason: refused.reason, rows: refused.rows });
        Self {
            signal: status.signal,
            rows_total: status.rows_total,
            rows_per_second,
            refused: refused.collect(),
            last_ts: status.last_ts.and_then(instant),
        }
    }
}

impl From<parapet_store::Status> for StoreStatus {
    fn from(status: parapet_store::Status) -> Self {
        let retention =
            status.signals.iter().map(|each| Retention { signal: each.signal, days: each.retention_days });
        Self {
            retention: retention.collect(),
            disk_bytes: status.disk_bytes,
            disk_free_bytes: status.disk_free_bytes,
            wal_bytes: status.wal_bytes,
            memtable_bytes: status.memtable_bytes,
            segments: status.segments,
            rows: status.rows,
            oldest_ts: status.oldest_ts.and_then(instant),
            newest_ts: status.newest_ts.and_then(instant),
            failed: status.failed,
        }
    }
}

fn instant(nanos: UnixNanos) -> Option<String> {
    Timestamp::from_nanosecond(i128::from(nanos.0)).ok().map(rfc3339)
}
