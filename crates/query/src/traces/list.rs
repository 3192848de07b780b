//! The list of traces: each once, at the place of its first matching span.
//!
//! Spans of one trace are spread over hours, flushes and arrivals. A trace's place is (start of its first matching span,
//! trace id), over the spans up to the `seq` that was the last at the first page: a place that never changes from page to
//! page. Walking from the newest hour, a trace is listed in the window where no older matching span of it remains.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::record_batch::RecordBatch;
use datafusion::functions_aggregate::count::count_all;
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::functions_aggregate::first_last::first_value;
use datafusion::logical_expr::{Expr, when};
use datafusion::prelude::{ident, lit};
use parapet_signal::{Signal, TraceId};
use parapet_store::{HourSlice, SEQ, TS};
use tokio::time::Instant;

use super::{REACH, TraceRow};
use crate::cells::Cells;
use crate::cursor::TraceCursor;
use crate::page::{Windows, span};
use crate::scan::micros;
use crate::session::{Session, within};
use crate::time::{Micros, rfc3339};
use crate::{Page, QueryError};

/// What is asked for.
pub(super) struct Search {
    pub(super) range: Micros,
    /// Of a span.
    pub(super) predicate: Expr,
    pub(super) cursor: Option<TraceCursor>,
    pub(super) limit: usize,
    pub(super) search_until: Instant,
}

/// Where a trace stands in the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Start of its first matching span.
    first: i64,
    trace_id: String,
}

pub(super) async fn page(session: &Session, search: Search) -> Result<Page<TraceRow>, QueryError> {
    let mut walk = Walk::new(session, &search);
    let mut windows = Windows::new(session.snapshot.hours(Signal::Spans, &walk.range.range()));
    let mut found: Vec<Place> = Vec::new();
    let mut scanned_until = None;
    while found.len() <= search.limit {
        let Some(window) = windows.next() else { break };
        if let Some(until) = scanned_until
            && Instant::now() >= search.search_until
        {
            return partial(session, found, until, walk.seq_max).await;
        }
        let from = span(&window).from.max(walk.range.from);
        walk.search(window, search.limit + 1, &mut found).await?;
        scanned_until = Some(from);
    }
    let more = found.len() > search.limit;
    found.truncate(search.limit);
    let next_cursor = match found.last().filter(|_| more) {
        Some(place) => Some(place.cursor(walk.seq_max)?.encode()),
        None => None,
    };
    Ok(Page { rows: describe(session, found).await?, next_cursor, scanned_until: None, complete: true })
}

async fn partial(
    session: &Session,
    found: Vec<Place>,
    until: i64,
    seq_max: u64,
) -> Result<Page<TraceRow>, QueryError> {
    // Below every trace that starts at `until`: no id is all zeros.
    let cursor = TraceCursor { ts: until, trace_id: [0; 16], seq_max };
    Ok(Page {
        rows: describe(session, found).await?,
        next_cursor: Some(cursor.encode()),
        scanned_until: Some(rfc3339(until)),
        complete: false,
    })
}

/// A walk from the newest window to the oldest.
struct Walk<'a> {
    session: &'a Session,
    range: Micros,
    /// Of a span: what was asked for, and that it had arrived at the first page.
    condition: Expr,
    seq_max: u64,
    /// Only places below this are left.
    below: Option<Place>,
}

impl<'a> Walk<'a> {
    fn new(session: &'a Session, search: &Search) -> Self {
        let mut range = search.range;
        let seq_max = match search.cursor {
            Some(cursor) => {
                // A place at or below the cursor has its first span there, so later ones need not be looked at.
                let at_cursor = i64::from(cursor.trace_id != [0; 16]);
                range.to = range.to.min(cursor.ts.saturating_add(at_cursor));
                cursor.seq_max
            }
            None => {
                session.rows(Signal::Spans, session.snapshot.hours(Signal::Spans, &range.range())).max_seq()
            }
        };
        Self {
            session,
            range,
            condition: search.predicate.clone().and(ident(SEQ).lt_eq(lit(seq_max))),
            seq_max,
            below: search.cursor.map(|cursor| Place { first: cursor.ts, trace_id: hex(&cursor.trace_id) }),
        }
    }

    /// Adds the traces of a window until there are `wanted` in all.
    async fn search(
        &mut self,
        window: Vec<HourSlice>,
        wanted: usize,
        found: &mut Vec<Place>,
    ) -> Result<(), QueryError> {
        let older = Micros { from: self.range.from, to: span(&window).from };
        while found.len() < wanted {
            let ask = wanted - found.len();
            let places = self.places(window.clone(), ask).await?;
            let all = places.len() < ask;
            let elsewhere = self.with_spans_in(older, &places).await?;
            self.below = places.last().cloned().or(self.below.take());
            found.extend(places.into_iter().filter(|place| !elsewhere.contains(&place.trace_id)));
            if all {
                break;
            }
        }
        Ok(())
    }

    /// The highest places of the window, as far as its own spans say.
    async fn places(&self, window: Vec<HourSlice>, limit: usize) -> Result<Vec<Place>, QueryError> {
        let below = match &self.below {
            None => lit(true),
            Some(place) => {
                let earlier = ident("first").lt(lit(micros(place.first)));
                let same = ident("first").eq(lit(micros(place.first)));
                earlier.or(same.and(ident("trace_id").lt(lit(place.trace_id.clone()))))
            }
        };
        let query = self
            .session
            .table(self.session.rows(Signal::Spans, window))?
            .filter(within(self.range).and(self.condition.clone()))
            .and_then(|spans| spans.aggregate(vec![ident("trace_id")], vec![min(ident(TS)).alias("first")]))
            .and_then(|traces| traces.filter(below))
            .and_then(|traces| {
                traces.sort(vec![ident("first").sort(false, false), ident("trace_id").sort(false, false)])
            })
            .and_then(|traces| traces.limit(0, Some(limit)))
            .map_err(QueryError::of_ours)?;
        let batches = self.session.collect(query).await?;
        let places = batches.iter().map(Cells::of).flat_map(|cells| {
            let place = |row| {
                Some(Place { first: cells.micros("first", row)?, trace_id: cells.text("trace_id", row)? })
            };
            cells.rows().filter_map(place).collect::<Vec<_>>()
        });
        Ok(places.collect())
    }

    /// Which of the traces have a matching span in that range.
    async fn with_spans_in(&self, range: Micros, places: &[Place]) -> Result<HashSet<String>, QueryError> {
        if places.is_empty() || range.from >= range.to {
            return Ok(HashSet::new());
        }
        let query = self
            .session
            .range(Signal::Spans, range)?
            .filter(one_of(places).and(self.condition.clone()))
            .and_then(|spans| spans.select_columns(&["trace_id"]))
            .and_then(|spans| spans.distinct())
            .map_err(QueryError::of_ours)?;
        let batches = self.session.collect(query).await?;
        let ids = batches
            .iter()
            .map(Cells::of)
            .flat_map(|cells| cells.rows().filter_map(|row| cells.text("trace_id", row)).collect::<Vec<_>>());
        Ok(ids.collect())
    }
}

fn one_of(places: &[Place]) -> Expr {
    ident("trace_id").in_list(places.iter().map(|place| lit(place.trace_id.clone())).collect(), false)
}

/// What the list says of each trace, in the order of the places.
async fn describe(session: &Session, places: Vec<Place>) -> Result<Vec<TraceRow>, QueryError> {
    let firsts = || places.iter().map(|place| place.first);
    let (Some(oldest), Some(newest)) = (firsts().min(), firsts().max()) else { return Ok(Vec::new()) };
    let around = Micros { from: oldest, to: newest.saturating_add(1) }.widened(REACH);
    let is_child = when(ident("parent_span_id").is_null(), lit(0_i64))
        .otherwise(lit(1_i64))
        .map_err(QueryError::of_ours)?;
    let is_error = when(ident("status_code").eq(lit("error")), lit(1_i64))
        .otherwise(lit(0_i64))
        .map_err(QueryError::of_ours)?;
    let rank = || {
        vec![is_child.clone().sort(true, false), ident(TS).sort(true, false), ident(SEQ).sort(true, false)]
    };
    let query = session
        .range(Signal::Spans, around)?
        .filter(one_of(&places))
        .and_then(|spans| {
            spans.aggregate(
                vec![ident("trace_id"), ident("service_name")],
                vec![
                    min(ident(TS)).alias("start"),
                    max(ident("end_ts")).alias("end"),
                    count_all().alias("spans"),
                    sum(is_error).alias("errors"),
                    first_value(ident("name"), rank()).alias("root_name"),
                    first_value(is_child.clone(), rank()).alias("root_is_child"),
                    first_value(ident(TS), rank()).alias("root_ts"),
                    first_value(ident(SEQ), rank()).alias("root_seq"),
                ],
            )
        })
        .map_err(QueryError::of_ours)?;
    let mut traces = merge(&session.collect(query).await?);
    Ok(places.iter().filter_map(|place| Some(traces.remove(&place.trace_id)?.row(&place.trace_id))).collect())
}

/// What is known of a trace, merged over its services.
struct Known {
    start: i64,
    end: i64,
    spans: u64,
    errors: u64,
    services: BTreeSet<String>,
    /// (is a child, start, number) of the span that stands for the whole, the least.
    root: (i64, i64, u64),
    root_name: String,
    root_service: Option<String>,
}

fn merge(batches: &[RecordBatch]) -> HashMap<String, Known> {
    let mut traces: HashMap<String, Known> = HashMap::new();
    for cells in batches.iter().map(Cells::of) {
        for row in cells.rows() {
            let Some(trace_id) = cells.text("trace_id", row) else { continue };
            let part = Known::of(&cells, row);
            match traces.remove(&trace_id) {
                Some(known) => traces.insert(trace_id, known.and(part)),
                None => traces.insert(trace_id, part),
            };
        }
    }
    traces
}

impl Known {
    fn of(cells: &Cells, row: usize) -> Self {
        let start = cells.micros("start", row).unwrap_or_default();
        let service = cells.text("service_name", row);
        let number = |column| cells.i64(column, row).unwrap_or_default();
        Self {
            start,
            end: cells.micros("end", row).unwrap_or(start),
            spans: number("spans").unsigned_abs(),
            errors: number("errors").unsigned_abs(),
            services: service.iter().cloned().collect(),
            root: (
                number("root_is_child"),
                cells.micros("root_ts", row).unwrap_or_default(),
                cells.u64("root_seq", row).unwrap_or_default(),
            ),
            root_name: cells.text("root_name", row).unwrap_or_default(),
            root_service: service,
        }
    }

    fn and(self, other: Self) -> Self {
        let (mut root, rest) = if self.root <= other.root { (self, other) } else { (other, self) };
        root.start = root.start.min(rest.start);
        root.end = root.end.max(rest.end);
        root.spans += rest.spans;
        root.errors += rest.errors;
        root.services.extend(rest.services);
        root
    }

    fn row(self, trace_id: &str) -> TraceRow {
        TraceRow {
            trace_id: trace_id.to_owned(),
            ts: rfc3339(self.start),
            root_name: self.root_name,
            root_service: self.root_service,
            duration_ms: self.end.saturating_sub(self.start).max(0) as f64 / 1_000.0,
            span_count: self.spans,
            error_count: self.errors,
            services: self.services.into_iter().collect(),
        }
    }
}

impl Place {
    fn cursor(&self, seq_max: u64) -> Result<TraceCursor, QueryError> {
        let id: TraceId =
            self.trace_id.parse().map_err(|error| QueryError::internal("reading a trace id", error))?;
        Ok(TraceCursor { ts: self.first, trace_id: *id.as_bytes(), seq_max })
    }
}

fn hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
