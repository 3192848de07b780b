//! Reading a segment through our own files, for whoever needs all of it: rollup, compaction, verification.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parapet_fs::{File, Fs, OpenMode};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::StoreError;

/// The batches of a Parquet file in the file's order, of all columns or of the named ones in the file's order of columns.
pub(crate) fn batches(
    fs: &dyn Fs,
    path: &Path,
    columns: Option<&[&str]>,
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>> + use<>, StoreError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(FileChunks::open(fs, path)?)
        .map_err(StoreError::parquet(path))?
        .with_batch_size(batch_rows);
    let mask = match columns {
        None => ProjectionMask::all(),
        Some(columns) => ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied()),
    };
    builder.with_projection(mask).build().map_err(StoreError::parquet(path))
}

/// A file as Parquet wants to read it.
#[derive(Clone, Debug)]
struct FileChunks {
    file: Arc<dyn File>,
    bytes: u64,
}

impl FileChunks {
    /// Opens for reading.
    fn open(fs: &dyn Fs, path: &Path) -> Result<Self, StoreError> {
        let file = fs.open(path, OpenMode::Read).map_err(StoreError::io("open", path))?;
        let bytes = file.len().map_err(StoreError::io("open", path))?;
        Ok(Self { file: file.into(), bytes })
    }
}

impl Length for FileChunks {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for FileChunks {
    type T = io::BufReader<Sequential>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(io::BufReader::new(Sequential { file: Arc::clone(&self.file), position: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        // The footer of a damaged file may ask for anything; only what exists is allocated.
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of {}", self.bytes)));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Reads on from a position.
#[derive(Debug)]
struct Sequential {
    file: Arc<dyn File>,
    position: u64,
}

impl Read for Sequential {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}
