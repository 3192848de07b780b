//! The overview: whole days and hours from rollups where the buckets are as wide, rows for the rest.

use arrow::record_batch::RecordBatch;
use datafusion::functions_aggregate::count::count_all;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{ident, lit};
use parapet_signal::Signal;
use parapet_store::{Sketch, Snapshot, StoreError, TimeRange, TrafficHour};

use super::cube::{Alike, Cube};
use super::events::{is_request, is_summary, of_app};
use super::{TrafficOverview, TrafficOverviewQuery, TrafficSource};
use crate::cells::Cells;
use crate::metrics::Operation;
use crate::session::{Session, bucket};
use crate::time::{Buckets, Micros};
use crate::{Engine, QueryError, filter};

/// Ranges from this length on are shown in hours, microseconds: a day's rows are read in the time that a screen may take.
const HOURLY_FROM: i64 = 24 * HOUR;
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

impl Engine {
    /// Rates, errors and latency over time, and what the most of it went to.
    ///
    /// With an application given, requests are those whose summary names it; rollups do not know that, so it is always
    /// answered from rows.
    pub async fn traffic_overview(&self, query: TrafficOverviewQuery) -> Result<TrafficOverview, QueryError> {
        let range = Micros::of(&query.range)?;
        let hourly = range.to.saturating_sub(range.from) >= HOURLY_FROM && query.app.is_none();
        let buckets = Buckets::of(range, query.buckets, if hourly { HOUR / 1_000_000 } else { 1 })?;
        let source = if hourly { TrafficSource::Rollup } else { TrafficSource::Raw };
        query.check()?;
        self.run(Operation::TrafficOverview, async |session| {
            let mut cube = Cube::new(buckets);
            let mut rows = vec![range];
            if hourly {
                let (whole, edges) = split(range, HOUR);
                let mut parts = vec![(Snapshot::traffic_hourly as Rollup, whole)];
                // Buckets that are whole days start at midnight, so a day is never in two of them.
                if buckets.width % DAY == 0 {
                    let (days, hours) = split(whole, DAY);
                    parts =
                        hours.into_iter().map(|part| (Snapshot::traffic_hourly as Rollup, part)).collect();
                    parts.push((Snapshot::traffic_daily, days));
                }
                for (rollup, part) in parts {
                    for state in session.in_time(read(rollup, session.snapshot.clone(), part)).await?? {
                        if query.wants(&state) {
                            cube.add(&Alike::of_rollup(state));
                        }
                    }
                }
                rows = edges;
            }
            for part in rows {
                for batch in query.count(&session, part, &buckets).await? {
                    add_rows(&mut cube, &buckets, &batch);
                }
            }
            Ok(cube.finish(source))
        })
        .await
    }
}

/// Partial states of a range, by hour or by day.
type Rollup = fn(&Snapshot, &TimeRange) -> Result<Vec<TrafficHour>, StoreError>;

async fn read(rollup: Rollup, snapshot: Snapshot, part: Micros) -> Result<Vec<TrafficHour>, QueryError> {
    if part.from >= part.to {
        return Ok(Vec::new());
    }
    let read = tokio::task::spawn_blocking(move || rollup(&snapshot, &part.range())).await;
    let hours = read.map_err(|error| QueryError::internal("reading rollups", error))?;
    hours.map_err(|error| QueryError::internal("reading rollups", error))
}

/// The whole hours, or days, of a range, and what is left at its ends.
fn split(range: Micros, width: i64) -> (Micros, Vec<Micros>) {
    let first = range.from.div_euclid(width).saturating_add(i64::from(range.from.rem_euclid(width) != 0));
    let from = first.saturating_mul(width).min(range.to);
    let to = range.to.div_euclid(width).saturating_mul(width).max(from);
    let edges = [Micros { from: range.from, to: from }, Micros { from: to, to: range.to }];
    (Micros { from, to }, edges.into_iter().filter(|edge| edge.from < edge.to).collect())
}

impl TrafficOverviewQuery {
    fn check(&self) -> Result<(), QueryError> {
        for text in [&self.service, &self.operation, &self.app, &self.gateway].into_iter().flatten() {
            filter::bounded(text)?;
        }
        Ok(())
    }

    fn wants(&self, hour: &TrafficHour) -> bool {
        let is = |wanted: &Option<String>, value: &Option<String>| wanted.is_none() || wanted == value;
        is(&self.service, &hour.key.service)
            && is(&self.operation, &hour.key.operation)
            && is(&self.gateway, &hour.key.gateway_name)
    }

    /// Counts rows by everything that the overview tells apart, and by duration.
    async fn count(
        &self,
        session: &Session,
        range: Micros,
        buckets: &Buckets,
    ) -> Result<Vec<RecordBatch>, QueryError> {
        let mut requests = is_request();
        let mut summaries = is_summary();
        if let Some(app) = &self.app {
            requests = requests.and(of_app(session, range, app)?);
            summaries = summaries.and(ident("app").eq(lit(app.clone())));
        }
        let mut conditions = vec![];
        conditions.extend(filter::equals("service", &self.service)?);
        conditions.extend(filter::equals("operation", &self.operation)?);
        conditions.extend(filter::equals("gateway_name", &self.gateway)?);
        let conditions = filter::all(conditions);
        let mut batches = Vec::new();
        for which in [requests, summaries] {
            let groups =
                ["kind", "service", "operation", "app", "final_status", "http_status", "duration_ms"];
            let groups = groups.into_iter().map(ident).chain([bucket(buckets)]).collect::<Vec<Expr>>();
            let counts = vec![
                count_all().alias("n"),
                sum(ident("bytes_sent")).alias("bytes_sent"),
                sum(ident("bytes_received")).alias("bytes_received"),
            ];
            let query = session
                .range(Signal::Traffic, range)?
                .filter(which.and(conditions.clone()))
                .and_then(|rows| rows.aggregate(groups, counts))
                .map_err(QueryError::of_ours)?;
            batches.extend(session.collect(query).await?);
        }
        Ok(batches)
    }
}

impl Alike {
    fn of_rollup(hour: TrafficHour) -> Self {
        Self {
            ts: hour.key.hour.start().micros(),
            is_summary: hour.key.kind == "summary",
            service: hour.key.service,
            operation: hour.key.operation,
            app: hour.key.app,
            final_status: hour.key.final_status,
            http_status: hour.key.http_status,
            count: hour.count,
            durations: hour.duration_sketch,
            bytes_sent: hour.bytes_sent,
            bytes_received: hour.bytes_received,
        }
    }
}

fn add_rows(cube: &mut Cube, buckets: &Buckets, batch: &RecordBatch) {
    let cells = Cells::of(batch);
    for row in cells.rows() {
        let count = cells.i64("n", row).map_or(0, i64::unsigned_abs);
        let bucket = cells.i64("bucket", row).unwrap_or_default();
        let duration = cells.i64("duration_ms", row);
        cube.add(&Alike {
            ts: buckets.start.saturating_add(buckets.width.saturating_mul(bucket)),
            is_summary: cells.str("kind", row) == Some("summary"),
            service: cells.text("service", row),
            operation: cells.text("operation", row),
            app: cells.text("app", row),
            final_status: cells.text("final_status", row),
            http_status: cells.i32("http_status", row),
            count,
            durations: duration
                .map_or_else(Sketch::default, |ms| repeated(u64::try_from(ms).unwrap_or(0), count)),
            bytes_sent: cells.i64("bytes_sent", row).unwrap_or_default(),
            bytes_received: cells.i64("bytes_received", row).unwrap_or_default(),
        });
    }
}

/// A sketch that counted one value `count` times; doubled up, as `count` may be in the millions.
fn repeated(value: u64, count: u64) -> Sketch {
    let mut sketch = Sketch::default();
    let mut power = Sketch::default();
    power.add(value);
    let mut left = count;
    while left > 0 {
        if left % 2 == 1 {
            sketch.merge(&power);
        }
        let same = power.clone();
        power.merge(&same);
        left /= 2;
    }
    sketch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeating_is_adding_that_often() {
        for (value, count) in [(0, 1), (7, 1), (7, 6), (1_234, 1_000)] {
            let mut expect = Sketch::default();
            (0..count).for_each(|_| expect.add(value));
            assert_eq!(repeated(value, count), expect);
        }
        assert_eq!(repeated(5, 0), Sketch::default());
    }

    #[test]
    fn ranges_split_into_whole_hours_and_edges() {
        #[track_caller]
        fn check(from: i64, to: i64, whole: (i64, i64), edges: &[(i64, i64)]) {
            let (got, rest) = split(Micros { from, to }, HOUR);
            assert_eq!((got.from, got.to), whole);
            assert_eq!(rest.into_iter().map(|edge| (edge.from, edge.to)).collect::<Vec<_>>(), edges);
        }
        check(0, 2 * HOUR, (0, 2 * HOUR), &[]);
        check(1, 2 * HOUR + 5, (HOUR, 2 * HOUR), &[(1, HOUR), (2 * HOUR, 2 * HOUR + 5)]);
        check(1, 5, (5, 5), &[(1, 5)]);
        check(-5, HOUR - 1, (0, 0), &[(-5, 0), (0, HOUR - 1)]);
    }
}
