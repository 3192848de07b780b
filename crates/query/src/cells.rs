//! Values of a result by column name and row.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type,
    UInt64Type,
};
use arrow::record_batch::RecordBatch;

use crate::time::rfc3339;

/// One batch of a result that we selected ourselves: that a column is there with its type is our invariant.
pub(crate) struct Cells {
    names: Vec<String>,
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl Cells {
    /// Dictionaries and string views become plain strings.
    pub(crate) fn of(batch: &RecordBatch) -> Self {
        let plain = |column: &ArrayRef| match column.data_type() {
            DataType::Dictionary(..) | DataType::Utf8View => {
                cast(column, &DataType::Utf8).expect("a string of any encoding casts to a plain one")
            }
            _ => ArrayRef::clone(column),
        };
        Self {
            names: batch.schema().fields().iter().map(|field| field.name().clone()).collect(),
            columns: batch.columns().iter().map(plain).collect(),
            rows: batch.num_rows(),
        }
    }

    pub(crate) fn rows(&self) -> std::ops::Range<usize> {
        0..self.rows
    }

    pub(crate) fn text(&self, name: &str, row: usize) -> Option<String> {
        self.str(name, row).map(str::to_owned)
    }

    pub(crate) fn str(&self, name: &str, row: usize) -> Option<&str> {
        let column = self.column(name).as_string::<i32>();
        column.is_valid(row).then(|| column.value(row))
    }

    /// JSON text as a value; null becomes `otherwise`.
    pub(crate) fn json(&self, name: &str, row: usize, otherwise: serde_json::Value) -> serde_json::Value {
        match self.str(name, row) {
            None => otherwise,
            Some(text) => {
                serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
            }
        }
    }

    /// An instant as RFC 3339.
    pub(crate) fn time(&self, name: &str, row: usize) -> Option<String> {
        self.micros(name, row).map(rfc3339)
    }

    pub(crate) fn micros(&self, name: &str, row: usize) -> Option<i64> {
        self.primitive::<TimestampMicrosecondType>(name, row)
    }

    pub(crate) fn u8(&self, name: &str, row: usize) -> Option<u8> {
        self.primitive::<UInt8Type>(name, row)
    }

    pub(crate) fn i32(&self, name: &str, row: usize) -> Option<i32> {
        self.primitive::<Int32Type>(name, row)
    }

    pub(crate) fn i64(&self, name: &str, row: usize) -> Option<i64> {
        self.primitive::<Int64Type>(name, row)
    }

    pub(crate) fn u64(&self, name: &str, row: usize) -> Option<u64> {
        self.primitive::<UInt64Type>(name, row)
    }

    pub(crate) fn f64(&self, name: &str, row: usize) -> Option<f64> {
        self.primitive::<Float64Type>(name, row)
    }

    pub(crate) fn bool(&self, name: &str, row: usize) -> Option<bool> {
        let column = self.column(name).as_boolean();
        column.is_valid(row).then(|| column.value(row))
    }

    fn primitive<T: ArrowPrimitiveType>(&self, name: &str, row: usize) -> Option<T::Native> {
        let column: &PrimitiveArray<T> = self.column(name).as_primitive();
        column.is_valid(row).then(|| column.value(row))
    }

    fn column(&self, name: &str) -> &ArrayRef {
        let index = self.names.iter().position(|known| known == name).expect("the query selects this column");
        &self.columns[index]
    }
}
