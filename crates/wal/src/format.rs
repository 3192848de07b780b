//! The bytes of headers and frames; the layout is in the crate's documentation.

/// Ends in a line break that careless copying would change.
const MAGIC: [u8; 8] = *b"PPTWAL\r\n";
const VERSION: u32 = 1;
/// A block of its own, so that no later write to the file can tear it.
pub(crate) const HEADER_LEN: u64 = 4096;
const HEADER_USED: usize = 44;

pub(crate) const FRAME_HEAD: usize = 48;
/// What is kept free at the end of each file.
pub(crate) const END_LEN: u64 = FRAME_HEAD as u64;
/// Frames start at multiples of it.
pub(crate) const ALIGN: u64 = 8;
/// Offset of the salt in a frame.
pub(crate) const SALT_AT: usize = 8;
/// No reader ever asks for more memory than this for one frame, whatever its length field says.
pub(crate) const MAX_PAYLOAD: usize = 64 << 20;

const KIND_ROWS: u8 = 1;
const KIND_END: u8 = 2;
const FLAG_FIRST_OF_GROUP: u8 = 1;
const FLAG_SOURCE: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) file_no: u64,
    pub(crate) salt: u64,
    pub(crate) base_seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Unreadable,
    Newer(u32),
}

impl Header {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN as usize);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.file_no.to_le_bytes());
        out.extend(self.salt.to_le_bytes());
        out.extend(self.base_seq.to_le_bytes());
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out.resize(HEADER_LEN as usize, 0);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let Some(used) = bytes.get(..HEADER_USED) else { return Err(BadHeader::Unreadable) };
        if used[..8] != MAGIC || crc32c::crc32c(&used[..40]) != u32_at(used, 40) {
            return Err(BadHeader::Unreadable);
        }
        match u32_at(used, 8) {
            VERSION => {
                Ok(Self { file_no: u64_at(used, 16), salt: u64_at(used, 24), base_seq: u64_at(used, 32) })
            }
            newer => Err(BadHeader::Newer(newer)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rows,
    End,
}

/// Everything of a frame but its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) len: usize,
    crc: u32,
    pub(crate) kind: Kind,
    pub(crate) first_of_group: bool,
    pub(crate) table: u16,
    pub(crate) rows: u32,
    pub(crate) source: Option<(u64, u64)>,
    pub(crate) first_seq: u64,
}

impl Head {
    /// Reads the head of a frame of the file with this salt; `None` for anything else. The checksum is not looked at yet.
    pub(crate) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.get(..FRAME_HEAD)?;
        let len = u32_at(bytes, 0) as usize;
        let (kind, flags) = (bytes[16], bytes[17]);
        let rows = u32_at(bytes, 20);
        let kind = match kind {
            KIND_ROWS if rows > 0 => Kind::Rows,
            KIND_END if rows == 0 && len == 0 => Kind::End,
            _ => return None,
        };
        let first_seq = u64_at(bytes, 40);
        let known = flags & !(FLAG_FIRST_OF_GROUP | FLAG_SOURCE) == 0;
        if u64_at(bytes, SALT_AT) != salt || len > MAX_PAYLOAD || !known {
            return None;
        }
        first_seq.checked_add(u64::from(rows))?;
        Some(Self {
            len,
            crc: u32_at(bytes, 4),
            kind,
            first_of_group: flags & FLAG_FIRST_OF_GROUP != 0,
            table: u16::from_le_bytes([bytes[18], bytes[19]]),
            rows,
            source: (flags & FLAG_SOURCE != 0).then(|| (u64_at(bytes, 24), u64_at(bytes, 32))),
            first_seq,
        })
    }

    /// Whether `frame`, which is as long as [`Head::frame_len`], is what was written.
    pub(crate) fn is_intact(&self, frame: &[u8]) -> bool {
        checksum(&frame[..FRAME_HEAD], &frame[FRAME_HEAD..FRAME_HEAD + self.len]) == self.crc
    }

    /// Bytes to the next frame.
    pub(crate) fn frame_len(&self) -> u64 {
        frame_len(self.len)
    }

    /// The number that follows its rows.
    pub(crate) fn next_seq(&self) -> u64 {
        self.first_seq + u64::from(self.rows)
    }
}

/// Bytes that a frame with this payload takes.
pub(crate) fn frame_len(payload: usize) -> u64 {
    ((FRAME_HEAD + payload) as u64).next_multiple_of(ALIGN)
}

/// Writes a frame of rows to the end of `out`, which starts at a frame's start.
pub(crate) fn encode_rows(
    out: &mut Vec<u8>,
    salt: u64,
    first_of_group: bool,
    append: &crate::Append,
    first_seq: u64,
) {
    let flags =
        if first_of_group { FLAG_FIRST_OF_GROUP } else { 0 } | append.source.map_or(0, |_| FLAG_SOURCE);
    let len = u32::try_from(append.payload.len()).expect("payloads are bounded by MAX_PAYLOAD");
    let (source, source_seq) = append.source.unwrap_or_default();
    let start = out.len();
    out.extend(len.to_le_bytes());
    out.extend([0; 4]);
    out.extend(salt.to_le_bytes());
    out.extend([KIND_ROWS, flags]);
    out.extend(append.table.to_le_bytes());
    out.extend(append.rows.to_le_bytes());
    out.extend(source.to_le_bytes());
    out.extend(source_seq.to_le_bytes());
    out.extend(first_seq.to_le_bytes());
    let crc = checksum(&out[start..], &append.payload);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&append.payload);
    out.resize(start + frame_len(append.payload.len()) as usize, 0);
}

/// The frame that says that the file has no more; a group of its own.
pub(crate) fn encode_end(salt: u64, next_seq: u64) -> Vec<u8> {
    let mut out = vec![0; FRAME_HEAD];
    out[SALT_AT..16].copy_from_slice(&salt.to_le_bytes());
    out[16] = KIND_END;
    out[17] = FLAG_FIRST_OF_GROUP;
    out[40..48].copy_from_slice(&next_seq.to_le_bytes());
    let crc = checksum(&out, &[]);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Of all bytes but the checksum's own.
fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&head[..4]);
    let crc = crc32c::crc32c_append(crc, &head[8..FRAME_HEAD]);
    crc32c::crc32c_append(crc, payload)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
