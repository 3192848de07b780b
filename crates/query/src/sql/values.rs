//! Arrow values as JSON: numbers, booleans and nulls as such, times as RFC 3339, everything else as Arrow prints it.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use serde_json::{Value, json};

use crate::time::rfc3339;

/// Appends a batch's rows.
pub(super) fn append(batch: &RecordBatch, rows: &mut Vec<Vec<Value>>) -> Result<()> {
    let columns = batch.columns().iter().map(values).collect::<Result<Vec<_>>>()?;
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    rows.extend(
        (0..batch.num_rows()).map(|_| columns.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()),
    );
    Ok(())
}

fn values(column: &ArrayRef) -> Result<Vec<Value>> {
    fn each<T>(array: &dyn Array, value: impl Fn(usize) -> T) -> Vec<Value>
    where
        Value: From<T>,
    {
        (0..array.len())
            .map(|row| if array.is_valid(row) { value(row).into() } else { Value::Null })
            .collect()
    }
    Ok(match column.data_type() {
        DataType::Boolean => each(column, |row| column.as_boolean().value(row)),
        data_type if data_type.is_unsigned_integer() => {
            let numbers = cast(column, &DataType::UInt64)?;
            each(column, |row| numbers.as_primitive::<UInt64Type>().value(row))
        }
        data_type if data_type.is_signed_integer() => {
            let numbers = cast(column, &DataType::Int64)?;
            each(column, |row| numbers.as_primitive::<Int64Type>().value(row))
        }
        data_type if data_type.is_floating() => {
            let numbers = cast(column, &DataType::Float64)?;
            // JSON has no NaN and no infinities.
            each(column, |row| match numbers.as_primitive::<Float64Type>().value(row) {
                number if number.is_finite() => json!(number),
                other => json!(other.to_string()),
            })
        }
        DataType::Timestamp(_, zone) => {
            let times = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            each(column, |row| rfc3339(times.as_primitive::<TimestampMicrosecondType>().value(row)))
        }
        _ => {
            let options = FormatOptions::default();
            let printed = ArrayFormatter::try_new(column, &options)?;
            each(column, |row| printed.value(row).to_string())
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Float64Array, Int8Array, StringArray, TimestampNanosecondArray, UInt64Array,
    };

    use super::*;

    #[test]
    fn values_keep_their_kind() {
        #[track_caller]
        fn check(array: impl Array + 'static, expect: Value) {
            let array: ArrayRef = Arc::new(array);
            assert_eq!(Value::from(values(&array).unwrap()), expect);
        }
        check(BooleanArray::from(vec![Some(true), None]), json!([true, null]));
        check(Int8Array::from(vec![-1]), json!([-1]));
        check(UInt64Array::from(vec![u64::MAX]), json!([u64::MAX]));
        check(Float64Array::from(vec![0.5, f64::NAN]), json!([0.5, "NaN"]));
        check(StringArray::from(vec![Some("x"), None]), json!(["x", null]));
        check(TimestampNanosecondArray::from(vec![1_500]), json!(["1970-01-01T00:00:00.000001Z"]));
    }
}
