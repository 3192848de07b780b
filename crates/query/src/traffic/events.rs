//! Single requests: pages of them, and everything about one transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::logical_expr::{Expr, LogicalPlan, in_subquery};
use datafusion::prelude::{ident, lit};
use parapet_signal::Signal;
use parapet_store::{SEQ, TS, TimeRange, schema};
use serde_json::json;
use tokio::time::Instant;

use super::{TrafficLeg, TrafficQuery, TrafficRow, TrafficSummary, TrafficTransaction};
use crate::cells::Cells;
use crate::cursor::{List, RowCursor};
use crate::metrics::Operation;
use crate::page::{self, Newest, Row};
use crate::session::Session;
use crate::time::Micros;
use crate::{Engine, Page, QueryError, filter};

/// How far from a leg its transaction's summary is looked for, microseconds: longer than any request takes.
const REACH: i64 = 3_600_000_000;

/// Lines of one transaction that are returned. System work shares one id over any number of lines.
const MAX_LINES: usize = 1_000;

const COLUMNS: [&str; 17] = [
    "ts",
    "seq",
    "correlation_id",
    "service",
    "operation",
    "http_method",
    "path",
    "http_status",
    "final_status",
    "duration_ms",
    "remote_addr",
    "app",
    "app_org",
    "gateway_name",
    "trace_id",
    "bytes_sent",
    "bytes_received",
];

impl Engine {
    /// One page of requests, newest first.
    pub async fn traffic_page(&self, query: TrafficQuery) -> Result<Page<TrafficRow>, QueryError> {
        let predicate = query.predicate()?;
        let app = query.app.as_deref().map(filter::bounded).transpose()?;
        let newest = Newest {
            list: List::Traffic,
            signal: Signal::Traffic,
            range: Micros::of(&query.range)?,
            predicate: &|session, window| {
                let of_app = app.map(|app| of_app(session, window, app)).transpose()?;
                Ok(of_app.into_iter().fold(predicate.clone(), Expr::and))
            },
            columns: &COLUMNS,
            cursor: query.cursor.as_deref().map(|text| RowCursor::decode(List::Traffic, text)).transpose()?,
            limit: self.limit(query.limit)?,
            search_until: Instant::now() + self.config().page_budget,
        };
        self.run(Operation::TrafficPage, async |session| {
            let page = page::newest(&session, newest).await?;
            let summaries = summaries(&session, &page.rows).await?;
            Ok(page.map(|row| {
                let mut row = TrafficRow::of(row.cells());
                if let Some(summary) = row.correlation_id.as_ref().and_then(|id| summaries.get(id)) {
                    row.complete(summary);
                }
                row
            }))
        })
        .await
    }

    /// One transaction; `None` if no line of it is stored.
    pub async fn traffic_transaction(
        &self,
        correlation_id: &str,
    ) -> Result<Option<TrafficTransaction>, QueryError> {
        let condition = ident("correlation_id").eq(lit(filter::bounded(correlation_id)?));
        self.run(Operation::TrafficTransaction, async |session| {
            let hours = session.snapshot.hours(Signal::Traffic, &TimeRange::ALL);
            let lines = session
                .table(session.rows(Signal::Traffic, hours))?
                .filter(condition)
                .and_then(|lines| lines.sort(page::newest_first()))
                .and_then(|lines| lines.limit(0, Some(MAX_LINES)))
                .map_err(QueryError::of_ours)?;
            let batches = session.collect(lines).await?;
            let lines: Vec<_> = batches.iter().flat_map(Row::all).collect();
            Ok((!lines.is_empty()).then(|| TrafficTransaction::of(correlation_id, &lines)))
        })
        .await
    }
}

/// The row is a request: leg 0 of a transaction.
pub(super) fn is_request() -> Expr {
    ident("kind").eq(lit("leg")).and(ident("leg").eq(lit(0_i32)))
}

/// The row is the summary of a transaction.
pub(super) fn is_summary() -> Expr {
    ident("kind").eq(lit("summary"))
}

/// The row's transaction has a summary that names the application, near the given range.
pub(super) fn of_app(session: &Session, range: Micros, app: &str) -> Result<Expr, QueryError> {
    let transactions: LogicalPlan = session
        .range(Signal::Traffic, range.widened(REACH))?
        .filter(is_summary().and(ident("app").eq(lit(app))))
        .and_then(|rows| rows.select_columns(&["correlation_id"]))
        .map_err(QueryError::of_ours)?
        .into_unoptimized_plan();
    Ok(in_subquery(ident("correlation_id"), Arc::new(transactions)))
}

/// The newest summary of each row's transaction.
async fn summaries(session: &Session, rows: &[Row]) -> Result<HashMap<String, TrafficRow>, QueryError> {
    let rows = rows.iter().map(Row::cells);
    let known: Vec<_> = rows
        .filter_map(|(cells, row)| Some((cells.micros(TS, row)?, cells.text("correlation_id", row)?)))
        .collect();
    let times = || known.iter().map(|(ts, _)| *ts);
    let (Some(oldest), Some(newest)) = (times().min(), times().max()) else { return Ok(HashMap::new()) };
    let ids: BTreeSet<_> = known.iter().map(|(_, id)| id.clone()).collect();
    let around = Micros { from: oldest, to: newest.saturating_add(1) }.widened(REACH);
    let query = session
        .range(Signal::Traffic, around)?
        .filter(is_summary().and(ident("correlation_id").in_list(ids.into_iter().map(lit).collect(), false)))
        .and_then(|rows| rows.sort(vec![ident(TS).sort(true, false), ident(SEQ).sort(true, false)]))
        .and_then(|rows| rows.select_columns(&COLUMNS))
        .map_err(QueryError::of_ours)?;
    let batches = session.collect(query).await?;
    let found = batches.iter().flat_map(Row::all).map(|row| TrafficRow::of(row.cells()));
    Ok(found.filter_map(|row| Some((row.correlation_id.clone()?, row))).collect())
}

impl TrafficQuery {
    fn predicate(&self) -> Result<Expr, QueryError> {
        let path = self.path.as_deref().filter(|path| !path.is_empty());
        let path =
            path.map(|path| Ok(filter::contains(ident("path"), filter::bounded(path)?))).transpose()?;
        let least = self.min_duration_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let conditions = [
            filter::equals("service", &self.service)?,
            filter::equals("operation", &self.operation)?,
            filter::equals("gateway_name", &self.gateway)?,
            self.status_class.as_deref().map(class_is).transpose()?,
            least.map(|ms| ident("duration_ms").gt_eq(lit(ms))),
            path,
            self.filter.as_ref().map(|filter| filter.to_expr(&schema(Signal::Traffic))).transpose()?,
        ];
        Ok(filter::all(std::iter::once(is_request()).chain(conditions.into_iter().flatten())))
    }
}

fn class_is(class: &str) -> Result<Expr, QueryError> {
    let status = || ident("http_status");
    let between = |from: i32| status().gt_eq(lit(from)).and(status().lt(lit(from + 100)));
    match class {
        "2xx" => Ok(between(200)),
        "3xx" => Ok(between(300)),
        "4xx" => Ok(between(400)),
        "5xx" => Ok(between(500)),
        "other" => Ok(status().is_null().or(status().lt(lit(200_i32))).or(status().gt_eq(lit(600_i32)))),
        _ => Err(QueryError::BadRequest("status_class must be 2xx, 3xx, 4xx, 5xx or other".into())),
    }
}

impl TrafficRow {
    fn of((cells, row): (&Cells, usize)) -> Self {
        let text = |column| cells.text(column, row);
        Self {
            ts: cells.time(TS, row).unwrap_or_default(),
            seq: cells.u64(SEQ, row).unwrap_or_default(),
            correlation_id: text("correlation_id"),
            service: text("service"),
            operation: text("operation"),
            http_method: text("http_method"),
            path: text("path"),
            http_status: cells.i32("http_status", row),
            final_status: text("final_status"),
            duration_ms: cells.i64("duration_ms", row),
            remote_addr: text("remote_addr"),
            app: text("app"),
            app_org: text("app_org"),
            gateway_name: text("gateway_name"),
            trace_id: text("trace_id"),
            bytes_sent: cells.i64("bytes_sent", row),
            bytes_received: cells.i64("bytes_received", row),
        }
    }

    /// Fills what the leg lacks from its transaction's summary.
    fn complete(&mut self, summary: &Self) {
        fn fill<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
        fill(&mut self.service, &summary.service);
        fill(&mut self.operation, &summary.operation);
        fill(&mut self.path, &summary.path);
        fill(&mut self.final_status, &summary.final_status);
        fill(&mut self.app, &summary.app);
        fill(&mut self.app_org, &summary.app_org);
        fill(&mut self.gateway_name, &summary.gateway_name);
    }
}

impl TrafficTransaction {
    /// From its lines, newest first: of a line that was logged twice the newest counts.
    fn of(correlation_id: &str, lines: &[Row]) -> Self {
        let kind = |wanted: &'static str| {
            lines.iter().map(Row::cells).filter(move |(cells, row)| cells.str("kind", *row) == Some(wanted))
        };
        let mut legs: Vec<_> = kind("leg").map(TrafficLeg::of).collect();
        legs.sort_by_key(|leg| leg.leg);
        legs.dedup_by_key(|leg| leg.leg);
        Self {
            correlation_id: correlation_id.to_owned(),
            summary: kind("summary").chain(kind("scheduled_policy")).next().map(TrafficSummary::of),
            circuit_path: kind("circuit_path")
                .next()
                .map(|(cells, row)| circuit_path(cells.json("event", row, json!([])))),
            trace_ids: legs
                .iter()
                .filter_map(|leg| leg.trace_id.clone())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            legs,
        }
    }
}

/// The list itself, whether the stored line is the list or the object that holds it.
fn circuit_path(event: serde_json::Value) -> serde_json::Value {
    match event {
        serde_json::Value::Object(mut object) => {
            object.remove("circuitPath").unwrap_or_else(|| json!([object]))
        }
        list => list,
    }
}

impl TrafficSummary {
    fn of((cells, row): (&Cells, usize)) -> Self {
        let text = |column| cells.text(column, row);
        Self {
            ts: cells.time(TS, row).unwrap_or_default(),
            path: text("path"),
            protocol: text("protocol"),
            final_status: text("final_status"),
            service: text("service"),
            operation: text("operation"),
            app: text("app"),
            app_org: text("app_org"),
            duration_ms: cells.i64("duration_ms", row),
            gateway_name: text("gateway_name"),
            gateway_region: text("gateway_region"),
            event: cells.json("event", row, json!({})),
        }
    }
}

impl TrafficLeg {
    fn of((cells, row): (&Cells, usize)) -> Self {
        let text = |column| cells.text(column, row);
        Self {
            leg: cells.i32("leg", row).unwrap_or_default(),
            ts: cells.time(TS, row).unwrap_or_default(),
            duration_ms: cells.i64("duration_ms", row),
            service: text("service"),
            operation: text("operation"),
            http_status: cells.i32("http_status", row),
            http_method: text("http_method"),
            path: text("path"),
            final_status: text("final_status"),
            remote_addr: text("remote_addr"),
            bytes_sent: cells.i64("bytes_sent", row),
            bytes_received: cells.i64("bytes_received", row),
            trace_id: text("trace_id"),
            event: cells.json("event", row, json!({})),
        }
    }
}
