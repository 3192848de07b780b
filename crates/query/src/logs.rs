//! Log lines: pages, histogram, values of a field, and following.

use std::collections::BTreeMap;
use std::str::FromStr;

use arrow::record_batch::RecordBatch;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{ident, lit};
use parapet_signal::{SeverityNumber, Signal, TraceId};
use parapet_store::{SEQ, TimeRange, schema};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::cells::Cells;
use crate::cursor::{List, RowCursor};
use crate::metrics::Operation;
use crate::page::{self, Newest, Row};
use crate::session::{bucket, within};
use crate::time::{Buckets, Micros};
use crate::{Engine, Filter, Page, QueryError, filter};

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
        let search_until = Instant::now() + self.config().page_budget;
        let predicate = query.predicate()?;
        let newest = Newest {
            list: List::Logs,
            signal: Signal::Logs,
            range: Micros::of(&query.range)?,
            predicate: &|_, _| Ok(predicate.clone()),
            columns: &COLUMNS,
            cursor: query.cursor.as_deref().map(|text| RowCursor::decode(List::Logs, text)).transpose()?,
            limit: self.limit(query.limit)?,
            search_until,
        };
        self.run(Operation::LogsPage, async |session| {
            let page = page::newest(&session, newest).await?;
            Ok(page.map(|row| LogRow::of(row.cells())))
        })
        .await
    }

    /// Counts by interval and severity, in at most `buckets` intervals (and one more where the range starts inside one).
    pub async fn logs_histogram(&self, query: LogQuery, buckets: usize) -> Result<Histogram, QueryError> {
        let range = Micros::of(&query.range)?;
        let buckets = Buckets::of(range, buckets, 1)?;
        let predicate = query.predicate()?;
        self.run(Operation::LogsHistogram, async |session| {
            let groups = vec![bucket(&buckets), ident("severity_number")];
            let counted = session
                .range(Signal::Logs, range)?
                .filter(predicate)
                .and_then(|rows| rows.aggregate(groups, vec![count_all().alias("n")]))
                .map_err(QueryError::of_ours)?;
            Ok(Histogram::of(&buckets, &session.collect(counted).await?))
        })
        .await
    }

    /// The `query.limit` most frequent values of `field`.
    pub async fn field_values(&self, query: LogQuery, field: LogField) -> Result<FieldValues, QueryError> {
        let range = Micros::of(&query.range)?;
        let limit = self.limit(query.limit)?;
        let predicate = query.predicate()?.and(ident(field.column()).is_not_null());
        self.run(Operation::FieldValues, async |session| {
            let counted = session
                .range(Signal::Logs, range)?
                .filter(predicate)
                .and_then(|rows| {
                    rows.aggregate(vec![ident(field.column()).alias("value")], vec![count_all().alias("n")])
                })
                .and_then(|rows| {
                    rows.sort(vec![ident("n").sort(false, false), ident("value").sort(true, false)])
                })
                .and_then(|rows| rows.limit(0, Some(limit)))
                .map_err(QueryError::of_ours)?;
            let batches = session.collect(counted).await?;
            let values = batches.iter().map(Cells::of).flat_map(|cells| {
                let value = |row| FieldValue {
                    value: cells.text("value", row).unwrap_or_default(),
                    count: cells.i64("n", row).map_or(0, i64::unsigned_abs),
                };
                cells.rows().map(value).collect::<Vec<_>>()
            });
            Ok(FieldValues { values: values.collect() })
        })
        .await
    }

    /// Lines that arrived after `after_seq`, in order of arrival; for `--follow`. Does not wait: see `Store::subscribe`.
    pub async fn follow(&self, query: LogQuery, after_seq: u64) -> Result<FollowPage, QueryError> {
        let range = Micros::of(&query.range)?;
        let limit = self.limit(query.limit)?;
        let predicate = query.predicate()?.and(within(range)).and(ident(SEQ).gt(lit(after_seq)));
        // Read before the snapshot is taken: whatever is visible at this moment is in it.
        let visible = self.last_log_seq();
        self.run(Operation::Follow, async |session| {
            let rows = session
                .rows(Signal::Logs, session.snapshot.hours(Signal::Logs, &range.range()))
                .above(after_seq);
            let newer = session
                .table(rows)?
                .filter(predicate)
                .and_then(|rows| rows.sort(vec![ident(SEQ).sort(true, false)]))
                .and_then(|rows| rows.limit(0, Some(limit)))
                .and_then(|rows| rows.select_columns(&COLUMNS))
                .map_err(QueryError::of_ours)?;
            let batches = session.collect(newer).await?;
            let rows: Vec<_> = batches.iter().flat_map(Row::all).map(|row| LogRow::of(row.cells())).collect();
            let last_row = rows.last().map_or(after_seq, |row| row.seq);
            let last_seq = if rows.len() < limit { visible.max(last_row) } else { last_row };
            Ok(FollowPage { rows, last_seq })
        })
        .await
    }

    /// The `seq` of the newest log line now: where to start following.
    pub fn last_log_seq(&self) -> u64 {
        *self.store().subscribe(Signal::Logs).borrow()
    }
}

const COLUMNS: [&str; 15] = [
    "ts",
    "seq",
    "severity_number",
    "severity_text",
    "body",
    "service_name",
    "k8s_namespace_name",
    "k8s_pod_name",
    "k8s_container_name",
    "host_name",
    "trace_id",
    "span_id",
    "event_name",
    "attributes",
    "resource",
];

impl LogQuery {
    fn predicate(&self) -> Result<Expr, QueryError> {
        let text = self.text.as_deref().map(|text| filter::words(text, &ident("body"))).transpose()?;
        let severity = self.severity_min.map(|least| ident("severity_number").gt_eq(lit(least)));
        let trace_id = self.trace_id.as_deref().map(trace_is).transpose()?;
        let filter = self.filter.as_ref().map(|filter| filter.to_expr(&schema(Signal::Logs))).transpose()?;
        let columns = [
            ("service_name", &self.service),
            ("k8s_namespace_name", &self.namespace),
            ("k8s_pod_name", &self.pod),
            ("k8s_container_name", &self.container),
        ];
        let columns = columns.into_iter().map(|(column, text)| filter::equals(column, text));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(filter::all(columns.into_iter().chain([severity, trace_id, filter, text]).flatten()))
    }
}

/// `trace_id` is this one; anything but 32 hex digits is a bad request.
pub(crate) fn trace_is(text: &str) -> Result<Expr, QueryError> {
    let id: TraceId = text
        .parse()
        .map_err(|error| QueryError::BadRequest(format!("not a trace id of 32 hex digits: {error}")))?;
    Ok(ident("trace_id").eq(lit(id.to_hex())))
}

impl LogRow {
    fn of((cells, row): (&Cells, usize)) -> Self {
        let text = |column| cells.text(column, row);
        Self {
            ts: cells.time("ts", row).unwrap_or_default(),
            seq: cells.u64("seq", row).unwrap_or_default(),
            severity_number: cells.u8("severity_number", row),
            severity_text: text("severity_text"),
            body: text("body").unwrap_or_default(),
            service_name: text("service_name"),
            k8s_namespace_name: text("k8s_namespace_name"),
            k8s_pod_name: text("k8s_pod_name"),
            k8s_container_name: text("k8s_container_name"),
            host_name: text("host_name"),
            trace_id: text("trace_id"),
            span_id: text("span_id"),
            event_name: text("event_name"),
            attributes: cells.json("attributes", row, json!({})),
            resource: cells.json("resource", row, json!({})),
        }
    }
}

impl LogField {
    /// The column's name.
    pub fn column(self) -> &'static str {
        match self {
            Self::ServiceName => "service_name",
            Self::K8sNamespaceName => "k8s_namespace_name",
            Self::K8sPodName => "k8s_pod_name",
            Self::K8sContainerName => "k8s_container_name",
        }
    }
}

impl FromStr for LogField {
    type Err = QueryError;

    /// From the column's name.
    fn from_str(name: &str) -> Result<Self, QueryError> {
        let all = [Self::ServiceName, Self::K8sNamespaceName, Self::K8sPodName, Self::K8sContainerName];
        all.into_iter().find(|field| field.column() == name).ok_or_else(|| {
            let known = all.map(Self::column).join(", ");
            QueryError::BadRequest(format!("values can be listed of {known}"))
        })
    }
}

impl Histogram {
    fn of(buckets: &Buckets, batches: &[RecordBatch]) -> Self {
        let mut counts = vec![BTreeMap::new(); buckets.count];
        let mut seen = BTreeMap::new();
        for cells in batches.iter().map(Cells::of) {
            for row in cells.rows() {
                let number =
                    SeverityNumber::from_number(cells.u8("severity_number", row).unwrap_or(0).into());
                let name = if number.name().is_empty() { "UNSPECIFIED" } else { number.name() };
                let index = cells.i64("bucket", row).and_then(|index| usize::try_from(index).ok());
                if let Some(bucket) = index.and_then(|index| counts.get_mut(index)) {
                    *bucket.entry(name.to_owned()).or_insert(0) +=
                        cells.i64("n", row).map_or(0, i64::unsigned_abs);
                    let severity = seen.entry(name).or_insert(number);
                    *severity = number.max(*severity);
                }
            }
        }
        let mut series: Vec<_> = seen.into_iter().collect();
        series.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
        Self {
            interval_seconds: buckets.seconds(),
            series: series.into_iter().map(|(name, _)| name.to_owned()).collect(),
            buckets: counts
                .into_iter()
                .enumerate()
                .map(|(index, counts)| HistogramBucket { ts: buckets.ts(index), counts })
                .collect(),
        }
    }
}
