//! What a WAL frame holds: the rows of one delivery, compressed, without their numbers.
//!
//! ```text
//! payload = schema id u8 | length u32 LE | LZ4 block of (dictionaries and one record batch, as Arrow IPC messages)
//! ```
//! The IPC schema message is the same for every frame of a table and schema id, so it is left out and put back on
//! reading: a delivery of one row would otherwise be mostly schema. Compression is over the whole rather than over each
//! of some fifty buffers, most of which are a few bytes.

use std::io::{Cursor, Read as _};

use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parapet_signal::Signal;

use crate::schema::{SCHEMA_ID, unnumbered_schema};

/// Most bytes that a payload may decompress to: four times what a delivery's text may be, as every row also has some
/// forty bytes of numbers and offsets, and names.
pub(crate) const MAX_RAW_BYTES: usize = 256 << 20;

const HEADER: usize = 5;

/// Why a payload could not be read back. Its frame's checksum was right, so this is a program's fault, or its version's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadError {
    /// Shorter than its header.
    #[error("payload is too short")]
    Short,
    /// Written with columns that this version does not know.
    #[error("payload has schema {0}, this program knows {SCHEMA_ID}")]
    UnknownSchema(u8),
    /// Says it is larger than any that is written.
    #[error("payload claims {0} bytes, at most {MAX_RAW_BYTES} are written")]
    TooLarge(usize),
    /// Does not decompress.
    #[error("payload does not decompress")]
    Compression(#[from] lz4_flex::block::DecompressError),
    /// Is not what Arrow writes.
    #[error("payload is not an arrow batch")]
    Arrow(#[from] ArrowError),
    /// Holds another number of batches than one.
    #[error("payload holds {0} batches instead of one")]
    Batches(usize),
}

/// Rows without `seq`, as bytes for the WAL.
pub(crate) fn encode(rows: &RecordBatch) -> Result<Bytes, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), rows.schema_ref())?;
    let schema_bytes = writer.get_ref().len();
    writer.write(rows)?;
    let raw = &writer.get_ref()[schema_bytes..];
    let length = u32::try_from(raw.len())
        .ok()
        .filter(|_| raw.len() <= MAX_RAW_BYTES)
        .ok_or_else(|| ArrowError::IpcError(format!("delivery of {} bytes", raw.len())))?;
    let mut payload = vec![0; HEADER + lz4_flex::block::get_maximum_output_size(raw.len())];
    payload[0] = SCHEMA_ID;
    payload[1..HEADER].copy_from_slice(&length.to_le_bytes());
    let compressed = lz4_flex::block::compress_into(raw, &mut payload[HEADER..])
        .map_err(|error| ArrowError::IpcError(error.to_string()))?;
    payload.truncate(HEADER + compressed);
    Ok(payload.into())
}

/// The rows of a payload; allocates at most what its header says, and that is bounded.
pub(crate) fn decode(signal: Signal, payload: &[u8]) -> Result<RecordBatch, PayloadError> {
    let (header, compressed) = payload.split_at_checked(HEADER).ok_or(PayloadError::Short)?;
    if header[0] != SCHEMA_ID {
        return Err(PayloadError::UnknownSchema(header[0]));
    }
    let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if length > MAX_RAW_BYTES {
        return Err(PayloadError::TooLarge(length));
    }
    let raw = lz4_flex::block::decompress(compressed, length)?;
    let schema = StreamWriter::try_new(Vec::new(), &unnumbered_schema(signal))?;
    let stream = Cursor::new(schema.get_ref()).chain(Cursor::new(raw));
    let mut batches = StreamReader::try_new(stream, None)?.collect::<Result<Vec<_>, _>>()?;
    match batches.pop() {
        Some(batch) if batches.is_empty() => {
            // The reader's schema carries IPC's dictionary numbers; ours is the one everything else compares with.
            Ok(RecordBatch::try_new(unnumbered_schema(signal), batch.columns().to_vec())?)
        }
        popped => Err(PayloadError::Batches(batches.len() + usize::from(popped.is_some()))),
    }
}
