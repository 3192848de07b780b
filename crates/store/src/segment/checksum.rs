//! A checksum of rows that does not depend on their order, their encoding, or how they are spread over files.
//!
//! Compaction must keep it (C-1), and `verify` recomputes it from what is read. A row's hash is a sum over its columns of
//! hash(name, value), nulls counting as nothing, so that a column added later does not change it.

use arrow::array::{Array, AsArray as _};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt8Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

/// The checksum of a batch; those of several batches are added, wrapping.
pub(crate) fn checksum(batch: &RecordBatch) -> Result<u64, ArrowError> {
    let mut rows = vec![0u64; batch.num_rows()];
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        add_column(&mut rows, u64::from(crc32c::crc32c(field.name().as_bytes())) << 32, column.as_ref())?;
    }
    Ok(rows.into_iter().fold(0, |sum, row| sum.wrapping_add(mix(row))))
}

fn add_column(rows: &mut [u64], name: u64, column: &dyn Array) -> Result<(), ArrowError> {
    macro_rules! numbers {
        ($kind:ty, $bits:expr) => {{
            let bits = $bits;
            let column = column.as_primitive::<$kind>();
            add(rows, column, |row| mix(name ^ mix(bits(column.value(row)))));
        }};
    }
    match column.data_type() {
        DataType::Timestamp(..) => numbers!(TimestampMicrosecondType, |v: i64| v as u64),
        DataType::UInt64 => numbers!(UInt64Type, |v: u64| v),
        DataType::UInt8 => numbers!(UInt8Type, u64::from),
        DataType::Int32 => numbers!(Int32Type, |v: i32| v as u64),
        DataType::Int64 => numbers!(Int64Type, |v: i64| v as u64),
        DataType::Float64 => numbers!(Float64Type, f64::to_bits),
        DataType::Boolean => {
            let column = column.as_boolean();
            add(rows, column, |row| mix(name ^ mix(u64::from(column.value(row)))));
        }
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            add(rows, column, |row| text(name, column.value(row)));
        }
        DataType::Dictionary(..) => {
            let column = column.as_dictionary::<Int32Type>();
            let values = column.values().as_string::<i32>();
            let hashes: Vec<u64> =
                values.iter().map(|value| value.map_or(0, |value| text(name, value))).collect();
            let keys = column.keys().values();
            add(rows, column, |row| {
                usize::try_from(keys[row]).ok().and_then(|key| hashes.get(key)).copied().unwrap_or(0)
            });
        }
        // Segments hold none of these; other types would come from a file that is not ours.
        _ => add_column(rows, name, cast(column, &DataType::Utf8)?.as_ref())?,
    }
    Ok(())
}

fn add(rows: &mut [u64], column: &dyn Array, hash: impl Fn(usize) -> u64) {
    for (at, row) in rows.iter_mut().enumerate() {
        if column.is_valid(at) {
            *row = row.wrapping_add(hash(at));
        }
    }
}

fn text(name: u64, text: &str) -> u64 {
    let crc = u64::from(crc32c::crc32c(text.as_bytes()));
    mix(name ^ mix(crc | (text.len() as u64) << 32))
}

/// Spreads every bit over the whole word (the finisher of splitmix64).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
