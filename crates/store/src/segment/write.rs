//! Writing a segment, so that a crash at any step leaves either nothing, an orphan, or the whole file.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use arrow::array::{AsArray as _, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use arrow::record_batch::RecordBatch;
use parapet_fs::{Fs, OpenMode};
use parapet_signal::Signal;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use ulid::Ulid;

use super::{Segment, checksum, file, folder};
use crate::error::StoreError;
use crate::schema::{BLOOM_COLUMNS, INGEST_TS, SCHEMA_ID, SEQ, TS, schema};
use crate::time::Hour;

/// Rows of a row group: small enough that a newest-first reader stops early, large enough for its dictionaries to pay.
const ROW_GROUP_ROWS: usize = 128 << 10;
/// Rows of a page: what the page index can skip.
const PAGE_ROWS: usize = 8 << 10;
/// Rows handed to the encoder at once; two pages.
const CHUNK_ROWS: usize = 16 << 10;
/// Numbers that mostly rise or fall from row to row.
const DELTA_COLUMNS: [&str; 7] = [TS, SEQ, INGEST_TS, "observed_ts", "end_ts", "start_ts", "duration_ns"];
/// Texts that do not repeat, or that nobody compares: no dictionary, no page statistics.
const BULK_COLUMNS: [&str; 6] = ["body", "event", "events", "links", "detail", "span_id"];

/// Writes rows of one hour, in any order, as one segment; durable when this returns, visible once the manifest lists it.
pub(crate) fn write_rows(
    fs: &dyn Fs,
    dir: &Path,
    signal: Signal,
    hour: Hour,
    id: Ulid,
    batches: &[RecordBatch],
) -> Result<Segment, StoreError> {
    let rows = concat_batches(&schema(signal), batches)?;
    let ts = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
    let seq = rows.column(1).as_primitive::<UInt64Type>().values();
    let mut order: Vec<u32> = (0u32..).take(rows.num_rows()).collect();
    order.sort_unstable_by_key(|row| std::cmp::Reverse((ts[*row as usize], seq[*row as usize])));

    let mut writer = Writer::create(fs, dir, signal, hour, id)?;
    let written = order
        .chunks(CHUNK_ROWS)
        .try_for_each(|chunk| writer.push(&take_record_batch(&rows, &UInt32Array::from(chunk.to_vec()))?));
    match written {
        Ok(()) => writer.finish(),
        Err(error) => {
            writer.abandon();
            Err(error)
        }
    }
}

/// Writes sorted rows to `<id>.seg.tmp`, which [`Writer::finish`] makes `<id>.seg`.
pub(crate) struct Writer<'a> {
    fs: &'a dyn Fs,
    parquet: ArrowWriter<BufWriter<parapet_fs::Writer>>,
    temporary: PathBuf,
    segment: Segment,
    last: Option<(i64, u64)>,
}

impl<'a> Writer<'a> {
    /// Starts a file.
    pub(crate) fn create(
        fs: &'a dyn Fs,
        dir: &Path,
        signal: Signal,
        hour: Hour,
        id: Ulid,
    ) -> Result<Self, StoreError> {
        let folder = folder(dir, signal, hour);
        ensure_folder(fs, dir, &folder)?;
        let path = file(dir, signal, hour, id);
        let temporary = path.with_extension("seg.tmp");
        let file = fs.open(&temporary, OpenMode::CreateNew).map_err(StoreError::io("create", &temporary))?;
        // Footers and column chunks come in many small writes.
        let output = BufWriter::with_capacity(256 << 10, parapet_fs::Writer::new(file));
        let parquet = ArrowWriter::try_new(output, schema(signal), Some(properties(signal)))
            .map_err(StoreError::parquet(&temporary))?;
        let segment = Segment {
            id,
            path,
            signal,
            hour,
            bytes: 0,
            rows: 0,
            ts_min: i64::MAX,
            ts_max: i64::MIN,
            seq_lo: u64::MAX,
            seq_hi: 0,
            checksum: 0,
        };
        Ok(Self { fs, parquet, temporary, segment, last: None })
    }

    /// Appends rows, which must continue the order.
    pub(crate) fn push(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        let ts = rows.column(0).as_primitive::<TimestampMicrosecondType>().values();
        let seq = rows.column(1).as_primitive::<UInt64Type>().values();
        for (ts, seq) in ts.iter().zip(seq) {
            if self.last.is_some_and(|last| last <= (*ts, *seq)) || Hour::of_micros(*ts) != self.segment.hour
            {
                return Err(StoreError::damaged(&self.temporary, "rows are not sorted, or not of this hour"));
            }
            self.last = Some((*ts, *seq));
            self.segment.ts_min = self.segment.ts_min.min(*ts);
            self.segment.ts_max = self.segment.ts_max.max(*ts);
            self.segment.seq_lo = self.segment.seq_lo.min(*seq);
            self.segment.seq_hi = self.segment.seq_hi.max(*seq);
        }
        self.segment.rows += rows.num_rows() as u64;
        self.segment.checksum = self.segment.checksum.wrapping_add(checksum(rows)?);
        self.parquet.write(rows).map_err(StoreError::parquet(&self.temporary))
    }

    /// How many rows were pushed, and their checksum.
    pub(crate) fn sums(&self) -> (u64, u64) {
        (self.segment.rows, self.segment.checksum)
    }

    /// Footer, sync, rename, sync of the folder. After an error or a crash in between, the file is an orphan that the
    /// next start removes.
    pub(crate) fn finish(mut self) -> Result<Segment, StoreError> {
        for pair in footer(&self.segment) {
            self.parquet.append_key_value_metadata(pair);
        }
        let output = self.parquet.into_inner().map_err(StoreError::parquet(&self.temporary))?;
        let output = output
            .into_inner()
            .map_err(|error| StoreError::io("write", &self.temporary)(error.into_error()))?;
        self.segment.bytes = output.position();
        output.finish().sync_data().map_err(StoreError::io("sync", &self.temporary))?;
        let path = &self.segment.path;
        self.fs.rename(&self.temporary, path).map_err(StoreError::io("rename to", path))?;
        let folder = path.parent().expect("segments stand in their hour's folder");
        self.fs.sync_dir(folder).map_err(StoreError::io("sync folder", folder))?;
        Ok(self.segment)
    }

    /// Removes what was written so far.
    pub(crate) fn abandon(self) {
        drop(self.parquet);
        if let Err(error) = self.fs.remove_file(&self.temporary) {
            tracing::warn!(path = %self.temporary.display(), %error, "unfinished segment stays until the next start");
        }
    }
}

/// Creates a folder below `dir`, durably. A folder that exists may be left by an attempt that failed before it was durable,
/// so every name on the way is synced, always.
pub(crate) fn ensure_folder(fs: &dyn Fs, dir: &Path, folder: &Path) -> Result<(), StoreError> {
    fs.create_dir_all(folder).map_err(StoreError::io("create folder", folder))?;
    let parents = folder.ancestors().skip(1).take_while(|parent| parent.starts_with(dir));
    parents
        .into_iter()
        .try_for_each(|parent| fs.sync_dir(parent).map_err(StoreError::io("sync folder", parent)))
}

fn footer(segment: &Segment) -> Vec<KeyValue> {
    let pair = |key: &str, value: String| KeyValue::new(format!("parapet.{key}"), value);
    vec![
        pair("table", segment.signal.name().to_owned()),
        pair("hour", segment.hour.0.to_string()),
        pair("rows", segment.rows.to_string()),
        pair("ts_min", segment.ts_min.to_string()),
        pair("ts_max", segment.ts_max.to_string()),
        pair("seq_lo", segment.seq_lo.to_string()),
        pair("seq_hi", segment.seq_hi.to_string()),
        pair("schema_id", SCHEMA_ID.to_string()),
        pair("sort", "ts-desc,seq-desc".to_owned()),
        pair("writer_version", env!("CARGO_PKG_VERSION").to_owned()),
        pair("row_checksum", format!("{:016x}", segment.checksum)),
    ]
}

fn properties(signal: Signal) -> WriterProperties {
    let descending = |column_idx| SortingColumn { column_idx, descending: true, nulls_first: false };
    let level = ZstdLevel::try_new(1).expect("zstd has a level 1");
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![descending(0), descending(1)]))
        .set_created_by(concat!("parapet ", env!("CARGO_PKG_VERSION")).to_owned());
    for field in schema(signal).fields() {
        let (name, path) = (field.name().as_str(), ColumnPath::from(field.name().as_str()));
        if DELTA_COLUMNS.contains(&name) {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        if BULK_COLUMNS.contains(&name) {
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path.clone(), EnabledStatistics::Chunk);
        }
        if BLOOM_COLUMNS.contains(&name) {
            // Sized for a full row group, then folded to the distinct values there are. 1 %: one group in a hundred is
            // read in vain.
            properties = properties
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path, 0.01);
        }
    }
    properties.build()
}
