//! Counting rows of the traffic table.

use std::collections::HashMap;

use arrow::array::{Array, AsArray as _, DictionaryArray, PrimitiveArray, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow::record_batch::RecordBatch;

use super::state::{States, TrafficHour, TrafficKey};
use crate::time::Hour;

/// What has to be read of a segment to count its rows.
pub(crate) const COLUMNS: [&str; 15] = [
    "ts",
    "seq",
    "kind",
    "leg",
    "gateway_name",
    "gateway_region",
    "final_status",
    "service",
    "operation",
    "app",
    "app_org",
    "duration_ms",
    "http_status",
    "bytes_sent",
    "bytes_received",
];

/// Counts the rows of a batch that have a `seq` above `consumed`: summaries, and legs with number 0.
pub(crate) fn add_rows(states: &mut States, rows: &RecordBatch, consumed: u64) {
    let column =
        |name: &str| rows.column_by_name(name).expect("batches of the traffic table have its columns");
    let names = |name: &str| Names::of(column(name).as_dictionary::<Int32Type>());
    let ts = column("ts").as_primitive::<TimestampMicrosecondType>();
    let seq = column("seq").as_primitive::<UInt64Type>();
    let leg = column("leg").as_primitive::<Int32Type>();
    let kind = names("kind");
    let dimensions =
        ["gateway_name", "gateway_region", "service", "operation", "app", "app_org", "final_status"];
    let dimensions = dimensions.map(names);
    let status = column("http_status").as_primitive::<Int32Type>();
    let duration = column("duration_ms").as_primitive::<Int64Type>();
    let sent = column("bytes_sent").as_primitive::<Int64Type>();
    let received = column("bytes_received").as_primitive::<Int64Type>();

    // Within a batch, rows are grouped by the numbers of their names in the dictionaries: no text is touched per row.
    let mut groups: HashMap<(Hour, i32, [i32; 7], Option<i32>), TrafficHour> = HashMap::new();
    for row in 0..rows.num_rows() {
        let counted = match kind.text(kind.number(row)) {
            Some("summary") => true,
            Some("leg") => value(leg, row) == Some(0),
            _ => false,
        };
        if !counted || seq.value(row) <= consumed {
            continue;
        }
        let ts = ts.value(row);
        let numbers = dimensions.each_ref().map(|names| names.number(row));
        let group = (Hour::of_micros(ts), kind.number(row), numbers, value(status, row));
        let state = groups.entry(group).or_insert_with(|| {
            let name = |at: usize| dimensions[at].text(numbers[at]).map(str::to_owned);
            TrafficHour::empty(TrafficKey {
                hour: group.0,
                kind: kind.text(group.1).unwrap_or_default().to_owned(),
                gateway_name: name(0),
                gateway_region: name(1),
                service: name(2),
                operation: name(3),
                app: name(4),
                app_org: name(5),
                final_status: name(6),
                http_status: group.3,
            })
        });
        state.add(ts, value(duration, row), value(sent, row).unwrap_or(0), value(received, row).unwrap_or(0));
    }
    groups.values().for_each(|state| states.merge(state));
}

/// A column of names with its dictionary at hand.
struct Names<'a> {
    column: &'a DictionaryArray<Int32Type>,
    values: &'a StringArray,
}

impl<'a> Names<'a> {
    fn of(column: &'a DictionaryArray<Int32Type>) -> Self {
        Self { column, values: column.values().as_string() }
    }

    /// -1 for null.
    fn number(&self, row: usize) -> i32 {
        if self.column.is_null(row) { -1 } else { self.column.keys().value(row) }
    }

    fn text(&self, number: i32) -> Option<&'a str> {
        usize::try_from(number).ok().map(|at| self.values.value(at))
    }
}

fn value<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}
