//! Files of partial states: one day of the rollup each, sorted by key.
//!
//! ```text
//! r/traffic_hourly/<day>/<ulid>.seg   Parquet, zstd 1; the sketch as two lists, its layout named in the footer
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray as _, Int32Array, Int32Builder, Int64Array, ListBuilder, PrimitiveArray,
    StringArray, UInt64Array, UInt64Builder,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Int32Type, Int64Type, Schema, SchemaRef, UInt64Type,
};
use arrow::record_batch::RecordBatch;
use parapet_fs::{Fs, OpenMode};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use ulid::Ulid;

use super::state::{TrafficHour, TrafficKey};
use crate::error::StoreError;
use crate::segment::{batches, ensure_folder};
use crate::sketch::{SKETCH_LAYOUT, Sketch};
use crate::time::{Day, Hour};

/// States read at once.
const BATCH_ROWS: usize = 8 << 10;

/// A file of partial states that the manifest lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delta {
    pub(crate) id: Ulid,
    pub(crate) path: PathBuf,
    pub(crate) day: Day,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// The folder of one day's files.
fn folder(dir: &Path, day: Day) -> PathBuf {
    dir.join("r").join("traffic_hourly").join(day.to_string())
}

/// The file of one delta.
fn file(dir: &Path, day: Day, id: Ulid) -> PathBuf {
    folder(dir, day).join(format!("{id}.seg"))
}

impl Delta {
    pub(crate) fn new(dir: &Path, id: Ulid, day: Day, bytes: u64, rows: u64) -> Self {
        Self { id, path: file(dir, day, id), day, bytes, rows }
    }

    /// Writes states of one day; durable when this returns, visible once the manifest lists it. The order of steps, and
    /// what a crash leaves, is that of a segment.
    pub(crate) fn write(
        fs: &dyn Fs,
        dir: &Path,
        id: Ulid,
        day: Day,
        states: &[TrafficHour],
    ) -> Result<Self, StoreError> {
        let folder = folder(dir, day);
        ensure_folder(fs, dir, &folder)?;
        let path = file(dir, day, id);
        let temporary = path.with_extension("seg.tmp");
        let output =
            fs.open(&temporary, OpenMode::CreateNew).map_err(StoreError::io("create", &temporary))?;
        let written = write_states(output, states).map_err(|error| match error {
            Failure::Parquet(error) => StoreError::parquet(&temporary)(error),
            Failure::Io(error) => StoreError::io("sync", &temporary)(error),
            Failure::Arrow(error) => error.into(),
        });
        let bytes = match written {
            Ok(bytes) => bytes,
            Err(error) => {
                // Best effort: what stays is an orphan, which the next start removes.
                let _ = fs.remove_file(&temporary);
                return Err(error);
            }
        };
        fs.rename(&temporary, &path).map_err(StoreError::io("rename to", &path))?;
        fs.sync_dir(&folder).map_err(StoreError::io("sync folder", &folder))?;
        Ok(Self { id, path, day, bytes, rows: states.len() as u64 })
    }

    /// Reads the states back, sorted by key.
    pub(crate) fn read(&self, fs: &dyn Fs) -> Result<Vec<TrafficHour>, StoreError> {
        let mut states = Vec::new();
        for batch in batches(fs, &self.path, None, BATCH_ROWS)? {
            let batch = batch?;
            if *batch.schema_ref().fields() != *schema().fields() {
                return Err(StoreError::damaged(&self.path, "other columns than a delta has"));
            }
            states.extend(from_columns(&batch));
        }
        if states.len() as u64 != self.rows {
            return Err(StoreError::damaged(
                &self.path,
                format!("{} states instead of {}", states.len(), self.rows),
            ));
        }
        Ok(states)
    }
}

enum Failure {
    Parquet(parquet::errors::ParquetError),
    Io(std::io::Error),
    Arrow(arrow::error::ArrowError),
}

fn write_states(file: Box<dyn parapet_fs::File>, states: &[TrafficHour]) -> Result<u64, Failure> {
    let level = ZstdLevel::try_new(1).expect("zstd has a level 1");
    let layout = KeyValue::new("parapet.sketch".to_owned(), SKETCH_LAYOUT.to_owned());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(Some(vec![layout]))
        .build();
    let mut writer = ArrowWriter::try_new(parapet_fs::Writer::new(file), schema(), Some(properties))
        .map_err(Failure::Parquet)?;
    writer.write(&to_columns(states).map_err(Failure::Arrow)?).map_err(Failure::Parquet)?;
    let output = writer.into_inner().map_err(Failure::Parquet)?;
    let bytes = output.position();
    output.finish().sync_data().map_err(Failure::Io)?;
    Ok(bytes)
}

fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let list = |name: &str, item: DataType| {
            Field::new(name, DataType::List(Arc::new(Field::new("item", item, false))), false)
        };
        let mut fields =
            vec![Field::new("hour", DataType::Int64, false), Field::new("kind", DataType::Utf8, false)];
        let names =
            ["gateway_name", "gateway_region", "service", "operation", "app", "app_org", "final_status"];
        fields.extend(names.map(|name| Field::new(name, DataType::Utf8, true)));
        fields.extend([
            Field::new("http_status", DataType::Int32, true),
            Field::new("count", DataType::UInt64, false),
            Field::new("duration_count", DataType::UInt64, false),
            Field::new("duration_sum_ms", DataType::Int64, false),
            Field::new("duration_min_ms", DataType::Int64, true),
            Field::new("duration_max_ms", DataType::Int64, true),
            Field::new("bytes_sent", DataType::Int64, false),
            Field::new("bytes_received", DataType::Int64, false),
            Field::new("ts_min", DataType::Int64, false),
            Field::new("ts_max", DataType::Int64, false),
            Field::new("sketch_zeros", DataType::UInt64, false),
            list("sketch_buckets", DataType::Int32),
            list("sketch_counts", DataType::UInt64),
        ]);
        Arc::new(Schema::new(fields))
    });
    Arc::clone(&SCHEMA)
}

fn to_columns(states: &[TrafficHour]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let i64s = |of: fn(&TrafficHour) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(states.iter().map(of)))
    };
    let options = |of: fn(&TrafficHour) -> Option<i64>| -> ArrayRef {
        Arc::new(states.iter().map(of).collect::<Int64Array>())
    };
    let u64s = |of: fn(&TrafficHour) -> u64| -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(states.iter().map(of)))
    };
    let names = |of: fn(&TrafficKey) -> Option<&str>| -> ArrayRef {
        Arc::new(states.iter().map(|state| of(&state.key)).collect::<StringArray>())
    };
    let item = |kind: DataType| Arc::new(Field::new("item", kind, false));
    let mut buckets = ListBuilder::new(Int32Builder::new()).with_field(item(DataType::Int32));
    let mut counts = ListBuilder::new(UInt64Builder::new()).with_field(item(DataType::UInt64));
    for state in states {
        for (bucket, count) in state.duration_sketch.parts().1 {
            buckets.values().append_value(*bucket);
            counts.values().append_value(*count);
        }
        buckets.append(true);
        counts.append(true);
    }
    RecordBatch::try_new(
        schema(),
        vec![
            i64s(|s| s.key.hour.0),
            names(|k| Some(&k.kind)),
            names(|k| k.gateway_name.as_deref()),
            names(|k| k.gateway_region.as_deref()),
            names(|k| k.service.as_deref()),
            names(|k| k.operation.as_deref()),
            names(|k| k.app.as_deref()),
            names(|k| k.app_org.as_deref()),
            names(|k| k.final_status.as_deref()),
            Arc::new(states.iter().map(|s| s.key.http_status).collect::<Int32Array>()),
            u64s(|s| s.count),
            u64s(|s| s.duration_count),
            i64s(|s| s.duration_sum_ms),
            options(|s| s.duration_min_ms),
            options(|s| s.duration_max_ms),
            i64s(|s| s.bytes_sent),
            i64s(|s| s.bytes_received),
            i64s(|s| s.ts_min),
            i64s(|s| s.ts_max),
            u64s(|s| s.duration_sketch.parts().0),
            Arc::new(buckets.finish()),
            Arc::new(counts.finish()),
        ],
    )
}

/// The batch has the columns of [`schema`].
fn from_columns(batch: &RecordBatch) -> Vec<TrafficHour> {
    let column = |name: &str| batch.column_by_name(name).expect("the caller compared the columns");
    let i64s = |name: &str| column(name).as_primitive::<Int64Type>().clone();
    let u64s = |name: &str| column(name).as_primitive::<UInt64Type>().clone();
    let names = |name: &str| column(name).as_string::<i32>().clone();
    let kind = names("kind");
    let dimensions =
        ["gateway_name", "gateway_region", "service", "operation", "app", "app_org", "final_status"];
    let dimensions = dimensions.map(names);
    let status = column("http_status").as_primitive::<Int32Type>();
    let (hour, count, duration_count) = (i64s("hour"), u64s("count"), u64s("duration_count"));
    let (sum, min, max) = (i64s("duration_sum_ms"), i64s("duration_min_ms"), i64s("duration_max_ms"));
    let (sent, received) = (i64s("bytes_sent"), i64s("bytes_received"));
    let (ts_min, ts_max) = (i64s("ts_min"), i64s("ts_max"));
    let zeros = u64s("sketch_zeros");
    let (buckets, counts) =
        (column("sketch_buckets").as_list::<i32>(), column("sketch_counts").as_list::<i32>());
    (0..batch.num_rows())
        .map(|row| {
            let name = |at: usize| {
                let column: &StringArray = &dimensions[at];
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            let (row_buckets, row_counts) = (buckets.value(row), counts.value(row));
            let pairs = row_buckets.as_primitive::<Int32Type>().values().iter().copied();
            let pairs = pairs.zip(row_counts.as_primitive::<UInt64Type>().values().iter().copied());
            TrafficHour {
                key: TrafficKey {
                    hour: Hour(hour.value(row)),
                    kind: kind.value(row).to_owned(),
                    gateway_name: name(0),
                    gateway_region: name(1),
                    service: name(2),
                    operation: name(3),
                    app: name(4),
                    app_org: name(5),
                    final_status: name(6),
                    http_status: option(status, row),
                },
                count: count.value(row),
                duration_count: duration_count.value(row),
                duration_sum_ms: sum.value(row),
                duration_min_ms: option(&min, row),
                duration_max_ms: option(&max, row),
                duration_sketch: Sketch::from_parts(zeros.value(row), pairs),
                bytes_sent: sent.value(row),
                bytes_received: received.value(row),
                ts_min: ts_min.value(row),
                ts_max: ts_max.value(row),
            }
        })
        .collect()
}

fn option<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}
