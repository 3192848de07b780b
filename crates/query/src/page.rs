//! A page of rows, newest first: hours are walked from the newest, and the walk ends when the page is full.

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{ident, lit};
use parapet_signal::Signal;
use parapet_store::{HourSlice, SEQ, TS};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::QueryError;
use crate::cells::Cells;
use crate::cursor::{List, RowCursor};
use crate::scan::micros;
use crate::session::{Session, within};
use crate::time::{Micros, rfc3339};

/// Rows newest first, and how to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The rows, newest first; rows of one instant in descending order of `seq`.
    pub rows: Vec<T>,
    /// Opaque; passed back, it continues after the last row. Null when there is nothing older in the range.
    pub next_cursor: Option<String>,
    /// RFC 3339. When the scan budget ended before the page was full: everything at or after this instant has been looked at.
    pub scanned_until: Option<String>,
    /// Whether the page is full or the range exhausted; false when the scan budget ended first.
    pub complete: bool,
}

/// Rows after which an hour is a window of its own: planning costs milliseconds, so quiet hours are searched together,
/// but a page that is full after one busy hour should not have read two.
const WINDOW_ROWS: u64 = 2_000_000;

/// What is asked of [`newest`].
pub(crate) struct Newest<'a> {
    pub(crate) list: List,
    pub(crate) signal: Signal,
    pub(crate) range: Micros,
    /// What holds of the rows, for each window that is searched.
    pub(crate) predicate: &'a (dyn Fn(&Session, Micros) -> Result<Expr, QueryError> + Sync),
    pub(crate) columns: &'a [&'a str],
    pub(crate) cursor: Option<RowCursor>,
    pub(crate) limit: usize,
    pub(crate) search_until: Instant,
}

/// A page of rows as they are stored. `columns` must have `ts` and `seq`.
pub(crate) async fn newest(session: &Session, query: Newest<'_>) -> Result<Page<Row>, QueryError> {
    let mut range = query.range;
    let mut below = None;
    if let Some(cursor) = query.cursor {
        // Row numbers start at 1: below number 0 nothing of that instant is left, and its hour need not be searched again.
        range.to = range.to.min(cursor.ts.saturating_add(i64::from(cursor.seq > 0)));
        let older = ident(TS).lt(lit(micros(cursor.ts)));
        let same = ident(TS).eq(lit(micros(cursor.ts))).and(ident(SEQ).lt(lit(cursor.seq)));
        below = Some(older.or(same));
    }
    let condition = below.into_iter().fold(within(range), Expr::and);
    let mut rows: Vec<Row> = Vec::new();
    let mut windows = Windows::new(session.snapshot.hours(query.signal, &range.range()));
    let mut scanned_until = None;
    while rows.len() <= query.limit {
        let Some(window) = windows.next() else { break };
        if let Some(until) = scanned_until
            && Instant::now() >= query.search_until
        {
            return Ok(partial(query.list, rows, until));
        }
        let span = span(&window);
        let condition = condition.clone().and((query.predicate)(session, span)?);
        // One more than fits says whether there is a next page.
        let wanted = query.limit + 1 - rows.len();
        let found = search(session, query.signal, window, condition, query.columns, wanted).await;
        match (found, scanned_until) {
            (Ok(batches), _) => rows.extend(batches.iter().flat_map(Row::all)),
            (Err(_), Some(until)) if session.is_late() => return Ok(partial(query.list, rows, until)),
            (Err(error), _) => return Err(error),
        }
        scanned_until = Some(span.from.max(range.from));
    }
    Ok(full(query.list, rows, query.limit))
}

/// The newest rows of a window.
async fn search(
    session: &Session,
    signal: Signal,
    window: Vec<HourSlice>,
    condition: Expr,
    columns: &[&str],
    limit: usize,
) -> Result<Vec<RecordBatch>, QueryError> {
    let query = session
        .table(session.rows(signal, window))?
        .filter(condition)
        .and_then(|query| query.sort(newest_first()))
        .and_then(|query| query.limit(0, Some(limit)))
        .and_then(|query| query.select_columns(columns))
        .map_err(QueryError::of_ours)?;
    session.collect(query).await
}

/// The order of every list of rows. `seq` is unique, so it is a total one.
pub(crate) fn newest_first() -> Vec<datafusion::logical_expr::SortExpr> {
    vec![ident(TS).sort(false, false), ident(SEQ).sort(false, false)]
}

fn full(list: List, mut rows: Vec<Row>, limit: usize) -> Page<Row> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|row| row.cursor().encode(list));
    Page { rows, next_cursor, scanned_until: None, complete: true }
}

fn partial(list: List, rows: Vec<Row>, until: i64) -> Page<Row> {
    // Everything at `until` has been looked at; row numbers start at 1.
    let next_cursor = Some(RowCursor { ts: until, seq: 0 }.encode(list));
    Page { rows, next_cursor, scanned_until: Some(rfc3339(until)), complete: false }
}

/// One row of a batch.
#[derive(Clone)]
pub(crate) struct Row {
    cells: std::sync::Arc<Cells>,
    row: usize,
}

impl Row {
    pub(crate) fn all(batch: &RecordBatch) -> impl Iterator<Item = Self> + use<> {
        let cells = std::sync::Arc::new(Cells::of(batch));
        cells.rows().map(move |row| Self { cells: std::sync::Arc::clone(&cells), row })
    }

    pub(crate) fn cells(&self) -> (&Cells, usize) {
        (&self.cells, self.row)
    }

    fn cursor(&self) -> RowCursor {
        RowCursor {
            ts: self.cells.micros(TS, self.row).unwrap_or_default(),
            seq: self.cells.u64(SEQ, self.row).unwrap_or_default(),
        }
    }
}

/// Groups of hours, newest first: one hour, then twice as many quiet ones each time.
pub(crate) struct Windows {
    hours: std::iter::Peekable<std::vec::IntoIter<HourSlice>>,
    next: usize,
}

impl Windows {
    pub(crate) fn new(hours: Vec<HourSlice>) -> Self {
        Self { hours: hours.into_iter().peekable(), next: 1 }
    }
}

impl Iterator for Windows {
    type Item = Vec<HourSlice>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.hours.next()?;
        let mut rows = count(&first);
        let mut window = vec![first];
        while window.len() < self.next
            && let Some(slice) = self.hours.next_if(|slice| rows.saturating_add(count(slice)) <= WINDOW_ROWS)
        {
            rows = rows.saturating_add(count(&slice));
            window.push(slice);
        }
        self.next = self.next.saturating_mul(2);
        Some(window)
    }
}

/// From the start of the oldest hour to the end of the newest.
pub(crate) fn span(window: &[HourSlice]) -> Micros {
    let hours = || window.iter().map(|slice| slice.hour);
    let (oldest, newest) = (hours().min(), hours().max());
    Micros {
        from: oldest.map_or(i64::MIN, |hour| hour.start().micros()),
        to: newest.map_or(i64::MAX, |hour| hour.end().micros()),
    }
}

fn count(slice: &HourSlice) -> u64 {
    let memory: usize = slice.memory.iter().map(RecordBatch::num_rows).sum();
    slice.segments.iter().map(|segment| segment.rows).sum::<u64>() + memory as u64
}

impl<T> Page<T> {
    /// The same page with other rows.
    pub(crate) fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(f).collect(),
            next_cursor: self.next_cursor,
            scanned_until: self.scanned_until,
            complete: self.complete,
        }
    }
}
