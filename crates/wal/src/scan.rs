//! What is in one file: runs of readable frames, and the unreadable places between and after them.

use std::io;

use bytes::Bytes;

use crate::Frame;
use crate::format::{ALIGN, BadHeader, FRAME_HEAD, HEADER_LEN, Head, Header, Kind, SALT_AT, u64_at};
use crate::source::Source;

/// What [`read_frames`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Frames that are certain to have been synced, or could not be told from such.
    pub frames: Vec<Frame>,
    /// Whether there are unreadable places that a torn write cannot explain.
    pub damaged: bool,
    /// Whether the file was ended by its writer.
    pub ended: bool,
    /// Bytes of what looks like a torn write at the end.
    pub torn_bytes: u64,
}

/// Reads the bytes of one log file as far as they make sense. Never fails and never asks for more memory than the bytes
/// given: this is the door for bytes that nobody vouches for.
pub fn read_frames(bytes: &[u8]) -> Contents {
    let mut source = bytes;
    let scan = match scan(&mut source, None) {
        Ok(Scanned::File(scan)) => scan,
        Ok(Scanned::Newer | Scanned::Nothing) | Err(_) => {
            return Contents { damaged: true, ..Contents::default() };
        }
    };
    let mut frames = Vec::new();
    for run in &scan.runs {
        let mut at = run.start;
        while at < run.end {
            match frame_at(&mut source, at, scan.header.salt) {
                Ok(Some((head, frame))) => {
                    at += head.frame_len();
                    frames.push(frame);
                }
                Ok(None) | Err(_) => break,
            }
        }
    }
    Contents { frames, damaged: scan.damaged(), ended: scan.ended, torn_bytes: scan.torn_bytes() }
}

/// Consecutive frames with consecutive rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Of its first frame.
    pub(crate) start: u64,
    /// Behind its last frame.
    pub(crate) end: u64,
    pub(crate) first_seq: u64,
    pub(crate) next_seq: u64,
    pub(crate) frames: u64,
}

/// What is in one file.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) header: Header,
    /// The header was rebuilt from the first frame.
    pub(crate) header_damaged: bool,
    /// Runs of frames up to the last unreadable place, in order.
    pub(crate) runs: Vec<Run>,
    /// Runs behind it, if no frame in them is the first of a group (see L-3).
    pub(crate) loose: Vec<Run>,
    /// Unreadable places that a group follows.
    pub(crate) holes: u64,
    /// An end frame was found.
    pub(crate) ended: bool,
    /// Behind the last frame of `runs`, where an end frame is or would go.
    pub(crate) end: u64,
    /// Where the last group of rows before `end` starts.
    pub(crate) last_group: u64,
    /// Behind the last byte that shows that more was written.
    torn_end: u64,
    /// The number that follows all rows in `runs`.
    pub(crate) next_seq: u64,
}

impl Scan {
    /// Whether it has unreadable places that no torn write explains.
    pub(crate) fn damaged(&self) -> bool {
        self.header_damaged || self.holes > 0
    }

    pub(crate) fn torn_bytes(&self) -> u64 {
        if self.ended { 0 } else { self.torn_end.saturating_sub(self.end) }
    }

    /// Whether it was ever written to.
    pub(crate) fn has_frames(&self) -> bool {
        !self.runs.is_empty() || !self.loose.is_empty() || self.ended || self.holes > 0
    }
}

/// What a file turned out to be.
#[derive(Debug)]
pub(crate) enum Scanned {
    File(Scan),
    /// Of a later format.
    Newer,
    /// Neither a header nor a frame can be read.
    Nothing,
}

/// Reads a file through. `file_no`: the number it should have.
pub(crate) fn scan(source: &mut impl Source, file_no: Option<u64>) -> io::Result<Scanned> {
    let decoded = Header::decode(source.get(0, HEADER_LEN as usize)?);
    let (header, header_damaged) = match decoded {
        Ok(header) if file_no.is_none_or(|no| no == header.file_no) => (header, false),
        Err(BadHeader::Newer(_)) => return Ok(Scanned::Newer),
        Ok(_) | Err(BadHeader::Unreadable) => match header_from_first_frame(source, file_no)? {
            Some(header) => (header, true),
            None => return Ok(Scanned::Nothing),
        },
    };
    let mut scan = Scan {
        header,
        header_damaged,
        runs: Vec::new(),
        loose: Vec::new(),
        holes: 0,
        ended: false,
        end: HEADER_LEN,
        last_group: HEADER_LEN,
        torn_end: HEADER_LEN,
        next_seq: header.base_seq,
    };
    frames(source, &mut scan)?;
    Ok(Scanned::File(scan))
}

fn header_from_first_frame(source: &mut impl Source, file_no: Option<u64>) -> io::Result<Option<Header>> {
    let bytes = source.get(HEADER_LEN, FRAME_HEAD)?;
    if bytes.len() < FRAME_HEAD {
        return Ok(None);
    }
    let salt = u64_at(bytes, SALT_AT);
    let found = head_at(source, HEADER_LEN, salt)?;
    Ok(found.map(|head| Header { file_no: file_no.unwrap_or_default(), salt, base_seq: head.first_seq }))
}

fn frames(source: &mut impl Source, scan: &mut Scan) -> io::Result<()> {
    let salt = scan.header.salt;
    let mut at = HEADER_LEN;
    let mut next_seq = scan.header.base_seq;
    // The last unreadable place, while nothing says whether its group had been synced.
    let mut hole = None;
    loop {
        match head_at(source, at, salt)?.filter(|head| head.first_seq >= next_seq) {
            Some(head) => {
                if hole.is_some() && head.first_of_group {
                    scan.holes += 1;
                    scan.runs.append(&mut scan.loose);
                    hole = None;
                }
                let end = at + head.frame_len();
                next_seq = head.next_seq();
                if head.kind == Kind::End && hole.is_none() {
                    (scan.end, scan.torn_end, scan.next_seq, scan.ended) = (at, at, next_seq, true);
                    return Ok(());
                }
                if head.first_of_group {
                    scan.last_group = at;
                }
                let runs = if hole.is_some() { &mut scan.loose } else { &mut scan.runs };
                extend(runs, at, end, &head);
                if hole.is_none() {
                    (scan.end, scan.torn_end, scan.next_seq) = (end, end, next_seq);
                } else {
                    scan.torn_end = scan.torn_end.max(end);
                }
                at = end;
            }
            None => {
                if hole.is_none() {
                    hole = Some(at);
                    scan.torn_end = at + claimed(source, at, salt)?;
                }
                match next_salt(source, at + ALIGN, salt)? {
                    Some(candidate) => at = candidate,
                    None => return Ok(()),
                }
            }
        }
    }
}

fn extend(runs: &mut Vec<Run>, at: u64, end: u64, head: &Head) {
    match runs.last_mut() {
        Some(run) if run.end == at && run.next_seq == head.first_seq => {
            run.end = end;
            run.next_seq = head.next_seq();
            run.frames += 1;
        }
        _ => {
            runs.push(Run {
                start: at,
                end,
                first_seq: head.first_seq,
                next_seq: head.next_seq(),
                frames: 1,
            });
        }
    }
}

/// The head of an intact frame at `at`.
fn head_at(source: &mut impl Source, at: u64, salt: u64) -> io::Result<Option<Head>> {
    let Some(head) = Head::decode(source.get(at, FRAME_HEAD)?, salt) else { return Ok(None) };
    let len = FRAME_HEAD + head.len;
    if at.saturating_add(len as u64) > source.len() {
        return Ok(None);
    }
    let bytes = source.get(at, len)?;
    Ok((bytes.len() == len && head.is_intact(bytes)).then_some(head))
}

/// The intact frame of rows at `at`.
pub(crate) fn frame_at(source: &mut impl Source, at: u64, salt: u64) -> io::Result<Option<(Head, Frame)>> {
    let Some(head) = head_at(source, at, salt)?.filter(|head| head.kind == Kind::Rows) else {
        return Ok(None);
    };
    let bytes = source.get(at, FRAME_HEAD + head.len)?;
    let payload = Bytes::copy_from_slice(&bytes[FRAME_HEAD..]);
    let frame =
        Frame { table: head.table, source: head.source, first_seq: head.first_seq, rows: head.rows, payload };
    Ok(Some((head, frame)))
}

/// How many bytes the beginning of a frame at `at` says it has, as far as the file goes; 0 when no frame begins there.
fn claimed(source: &mut impl Source, at: u64, salt: u64) -> io::Result<u64> {
    let rest = source.len().saturating_sub(at);
    let bytes = source.get(at, FRAME_HEAD)?;
    if bytes.len() < FRAME_HEAD {
        return Ok(if bytes.iter().any(|byte| *byte != 0) { rest } else { 0 });
    }
    Ok(match Head::decode(bytes, salt) {
        Some(head) => head.frame_len().min(rest),
        None if u64_at(bytes, SALT_AT) == salt => FRAME_HEAD as u64,
        None => 0,
    })
}

/// The first place from `at` on where a frame of this file may begin.
fn next_salt(source: &mut impl Source, mut at: u64, salt: u64) -> io::Result<Option<u64>> {
    /// As much as the window over a file holds anyway.
    const STRIDE: usize = 256 << 10;
    let salt = salt.to_le_bytes();
    while at + FRAME_HEAD as u64 <= source.len() {
        let bytes = source.get(at, STRIDE)?;
        if bytes.len() < FRAME_HEAD {
            return Ok(None);
        }
        let words = bytes[SALT_AT..].chunks_exact(ALIGN as usize);
        let looked_at = words.len() as u64 * ALIGN;
        if let Some(index) = words.into_iter().position(|word| word == salt) {
            return Ok(Some(at + index as u64 * ALIGN));
        }
        at += looked_at;
    }
    Ok(None)
}
