//! Points to lines: DataFusion sums the points of each series in each bucket, and here the buckets of a series become
//! averages, rates or means, and series with the same label one line.

use std::collections::{BTreeMap, HashMap};

use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::functions_aggregate::first_last::last_value;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{ident, lit};
use parapet_store::{SEQ, TS};

use super::{Label, MetricSeries, Series};
use crate::cells::Cells;
use crate::session::bucket;
use crate::time::{Buckets, Micros};

/// Lines of one chart: more cannot be told apart. The labels that sort first are kept.
const MAX_LINES: usize = 100;

/// What the points of a metric are summed by: series and bucket.
pub(super) fn groups(buckets: &Buckets, label: Option<&Label>) -> Vec<Expr> {
    // The bucket before the first holds the value that rates start from.
    let label = label.map_or_else(|| lit(""), |label| label.value.clone()).alias("label");
    let series = ["attributes", "resource", "kind", "unit", "temporality", "monotonic"];
    series.into_iter().map(ident).chain([label, bucket(buckets)]).collect()
}

/// What is kept of each series in each bucket.
pub(super) fn state() -> Vec<Expr> {
    let order = || vec![ident(TS).sort(true, false), ident(SEQ).sort(true, false)];
    vec![
        count(ident("value")).alias("values"),
        sum(ident("value")).alias("value"),
        sum(ident("count")).alias("count"),
        sum(ident("sum")).alias("sum"),
        last_value(ident("value"), order()).alias("last_value"),
        last_value(ident("count"), order()).alias("last_count"),
        last_value(ident("sum"), order()).alias("last_sum"),
        last_value(ident("start_ts"), order()).alias("last_start"),
        last_value(ident(TS), order()).alias("last_ts"),
    ]
}

/// The points of one series in one bucket.
pub(super) struct State {
    series: String,
    label: Option<String>,
    kind: String,
    unit: Option<String>,
    cumulative: bool,
    monotonic: bool,
    bucket: i64,
    values: i64,
    value: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
    last: Last,
}

/// The last point of a series.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    ts: i64,
    /// Since when it counts.
    start: Option<i64>,
    value: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
}

impl State {
    pub(super) fn of(cells: &Cells, row: usize) -> Self {
        let attributes = cells.str("attributes", row).unwrap_or_default();
        let resource = cells.str("resource", row).unwrap_or_default();
        let count = |column| cells.u64(column, row).map(|count| count as f64);
        Self {
            // A line feed does not occur in compact JSON, so no two series have one name.
            series: format!("{attributes}\n{resource}"),
            label: cells.text("label", row),
            kind: cells.text("kind", row).unwrap_or_default(),
            unit: cells.text("unit", row),
            cumulative: cells.str("temporality", row) != Some("delta"),
            monotonic: cells.bool("monotonic", row).unwrap_or(false),
            bucket: cells.i64("bucket", row).unwrap_or_default(),
            values: cells.i64("values", row).unwrap_or_default(),
            value: cells.f64("value", row),
            count: count("count"),
            sum: cells.f64("sum", row),
            last: Last {
                ts: cells.micros("last_ts", row).unwrap_or_default(),
                start: cells.micros("last_start", row),
                value: cells.f64("last_value", row),
                count: count("last_count"),
                sum: cells.f64("last_sum", row),
            },
        }
    }
}

/// A quotient under way: the value of a point is numerator by denominator.
#[derive(Clone, Copy, Debug, Default)]
struct Quotient {
    numerator: f64,
    denominator: f64,
}

/// The lines.
pub(super) struct Chart {
    buckets: Buckets,
    range: Micros,
    label: Option<String>,
    kind: Option<String>,
    unit: Option<String>,
    before: HashMap<String, Last>,
    lines: BTreeMap<String, Vec<Option<Quotient>>>,
}

impl Chart {
    pub(super) fn new(buckets: Buckets, range: Micros, label: Option<String>) -> Self {
        let (before, lines) = (HashMap::new(), BTreeMap::new());
        Self { buckets, range, label, kind: None, unit: None, before, lines }
    }

    /// Adds the points of a series in a bucket; those of one series in order of time.
    pub(super) fn add(&mut self, state: &State) {
        let before = self.before.insert(state.series.clone(), state.last);
        // What lies before the range is there only to start rates from.
        if state.last.ts < self.range.from {
            return;
        }
        let Some(quotient) = self.quotient(state, before) else { return };
        let Some(index) = usize::try_from(state.bucket).ok().filter(|index| *index < self.buckets.count)
        else {
            return;
        };
        self.kind.get_or_insert_with(|| state.kind.clone());
        if self.unit.is_none() {
            self.unit.clone_from(&state.unit);
        }
        let label = state.label.clone().unwrap_or_default();
        if self.lines.len() >= MAX_LINES && !self.lines.contains_key(&label) {
            return;
        }
        let line = self.lines.entry(label).or_insert_with(|| vec![None; self.buckets.count]);
        let point = line[index].get_or_insert_default();
        let is_mean = !matches!(state.kind.as_str(), "sum");
        point.numerator += quotient.numerator;
        // Rates and totals of several series add up; averages and means weigh.
        point.denominator = if is_mean { point.denominator + quotient.denominator } else { 1.0 };
    }

    /// What a series adds to its line in a bucket; `None` while that cannot be known.
    fn quotient(&self, state: &State, before: Option<Last>) -> Option<Quotient> {
        let per_second = |micros: i64| micros as f64 / 1e6;
        let sum_like = |numerator| Some(Quotient { numerator, denominator: 1.0 });
        match state.kind.as_str() {
            "sum" if !state.cumulative => sum_like(state.value? / per_second(self.buckets.width)),
            "sum" if state.monotonic => {
                let (increase, since) = increase(state.last.value?, state.last, before, |last| last.value)?;
                let elapsed = state.last.ts.saturating_sub(since);
                (elapsed > 0).then(|| increase / per_second(elapsed)).and_then(sum_like)
            }
            "sum" => sum_like(state.last.value?),
            "histogram" | "exponential_histogram" if !state.cumulative => {
                Some(Quotient { numerator: state.sum?, denominator: state.count? })
            }
            "histogram" | "exponential_histogram" | "summary" => {
                let (numerator, _) = increase(state.last.sum?, state.last, before, |last| last.sum)?;
                let (denominator, _) = increase(state.last.count?, state.last, before, |last| last.count)?;
                Some(Quotient { numerator, denominator })
            }
            _ => Some(Quotient { numerator: state.value?, denominator: state.values as f64 }),
        }
    }

    pub(super) fn finish(self, name: String) -> MetricSeries {
        let times: Vec<_> = (0..self.buckets.count).map(|index| self.buckets.ts(index)).collect();
        let series = self.lines.into_iter().map(|(value, points)| Series {
            labels: self.label.iter().map(|label| (label.clone(), value.clone())).collect(),
            points: times
                .iter()
                .cloned()
                .zip(points.into_iter().map(|point| point.and_then(Quotient::value)))
                .collect(),
        });
        MetricSeries {
            name,
            unit: self.unit,
            kind: self.kind,
            interval_seconds: self.buckets.seconds(),
            series: series.collect(),
        }
    }
}

impl Quotient {
    fn value(self) -> Option<f64> {
        Some(self.numerator / self.denominator).filter(|value| value.is_finite())
    }
}

/// How much a counter rose, and since when: since the point before, or since its start if it started anew.
fn increase(
    now: f64,
    last: Last,
    before: Option<Last>,
    value: impl Fn(Last) -> Option<f64>,
) -> Option<(f64, i64)> {
    match before.and_then(|before| Some((value(before)?, before.ts))) {
        Some((then, ts)) if now >= then && last.start.is_none_or(|start| start <= ts) => {
            Some((now - then, ts))
        }
        // A counter below its last value, or with a later start, began again at zero.
        Some((_, ts)) => Some((now, last.start.filter(|start| *start > ts).unwrap_or(ts))),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(label: Option<&str>) -> Chart {
        let range = Micros { from: 0, to: 30_000_000 };
        Chart::new(Buckets { start: 0, width: 10_000_000, count: 3 }, range, label.map(str::to_owned))
    }

    fn state(series: &str, kind: &str, seconds: i64, value: f64) -> State {
        State {
            series: series.into(),
            label: Some(String::new()),
            kind: kind.into(),
            unit: None,
            cumulative: true,
            monotonic: true,
            bucket: seconds.div_euclid(10),
            values: 1,
            value: Some(value),
            count: Some(value),
            sum: Some(value * 2.0),
            last: Last {
                ts: seconds * 1_000_000,
                start: None,
                value: Some(value),
                count: Some(value),
                sum: Some(value * 2.0),
            },
        }
    }

    #[track_caller]
    fn check(states: &[State], expect: [Option<f64>; 3]) {
        let mut chart = chart(None);
        states.iter().for_each(|state| chart.add(state));
        let series = chart.finish("m".into()).series;
        let points: Vec<_> =
            series.into_iter().flat_map(|series| series.points).map(|(_, value)| value).collect();
        assert_eq!(points, expect);
    }

    #[test]
    fn counters_become_rates_that_add_up_and_survive_a_reset() {
        let counter = |series, seconds, value| state(series, "sum", seconds, value);
        check(
            &[
                counter("a", -5, 100.0),
                counter("a", 5, 150.0),
                counter("a", 15, 10.0),
                counter("a", 25, 30.0),
            ],
            [Some(5.0), Some(1.0), Some(2.0)],
        );
        check(
            &[counter("a", 5, 0.0), counter("b", 5, 0.0), counter("a", 15, 10.0), counter("b", 15, 20.0)],
            [None, Some(3.0), None].map(|x: Option<f64>| x),
        );
    }

    #[test]
    fn gauges_average_over_all_series() {
        let gauge = |series, seconds, value| state(series, "gauge", seconds, value);
        check(&[gauge("a", 5, 1.0), gauge("b", 5, 4.0), gauge("a", 25, 7.0)], [Some(2.5), None, Some(7.0)]);
    }

    #[test]
    fn deltas_become_rates_and_histograms_means() {
        let delta = |seconds, value| State { cumulative: false, ..state("a", "sum", seconds, value) };
        check(&[delta(5, 20.0), delta(15, 30.0)], [Some(2.0), Some(3.0), None]);
        let histogram = |seconds, value| state("a", "histogram", seconds, value);
        check(&[histogram(-1, 5.0), histogram(5, 10.0), histogram(15, 10.0)], [Some(2.0), None, None]);
    }

    #[test]
    fn totals_that_rise_and_fall_stay_totals() {
        let total =
            |series, seconds, value| State { monotonic: false, ..state(series, "sum", seconds, value) };
        check(&[total("a", 5, 20.0), total("b", 5, 3.0)], [Some(23.0), None, None]);
    }
}
