//! One file: where it is read, and the next batch of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use memchr::memchr_iter;
use parapet_signal::{Batch, SourceId, UnixNanos};

use super::checkpoint::Entry;
use super::cut::cut;
use super::identity::{FileId, Fingerprint};
use super::lag::Lag;
use super::pattern::regular_file;
use super::{Decoder, MAX_LINE_BYTES};

/// A file being followed. `offset` is acknowledged; everything above it is unread as far as a restart is concerned.
pub(super) struct Tail {
    pub(super) id: FileId,
    pub(super) path: PathBuf,
    pub(super) input: usize,
    pub(super) source: SourceId,
    pub(super) fingerprint: Fingerprint,
    /// Bytes of the fingerprint that the checkpoint on disk has; `None` if it does not know the source.
    pub(super) persisted: Option<u32>,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) lag: Lag,
    pub(super) in_flight: bool,
    pub(super) failing: bool,
    /// It has no name left anywhere.
    pub(super) deleted: bool,
    /// When it was first not found under any name.
    pub(super) gone_since: Option<Instant>,
    /// When it last grew or was read.
    pub(super) active_at: Instant,
    mtime: (i64, i64),
    file: Option<File>,
    decoder: Box<dyn Decoder>,
    /// The line at `offset` is the rest of one that was truncated.
    skipping: bool,
    /// What the last fruitless attempt to read was made with: the size, and whether unfinished records were flushed.
    tried: Option<(u64, Flush)>,
}

/// What to do with unfinished records at the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flush {
    /// Wait for their next line.
    No,
    /// They have waited long enough.
    Joined,
    /// Nothing more will come, not even a line end.
    Everything,
}

/// The next batch of a file.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) batch: Batch,
    pub(super) bad: Vec<(&'static str, u64)>,
    pub(super) source: SourceId,
    /// The offset after it.
    pub(super) position: u64,
    /// Bytes of the file that it takes.
    pub(super) bytes: u64,
    /// Whether the rest of the line at `position` is to be skipped.
    pub(super) skipping: bool,
}

/// How far the acknowledged offset got on a look at the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing new, or more of the same.
    Same,
    /// It shrank or its first bytes changed: a new generation, read from its start.
    Restarted,
    /// Its name now means another file.
    Left,
}

/// Read at a time: large enough that the system call does not matter.
const CHUNK: usize = 256 << 10;

/// Read at a time at least, however small the batches.
const MIN_CHUNK: usize = 512;

/// No record may need more than this; what is unfinished then is flushed. Two joined records at their bound, and a line.
const MAX_WINDOW: usize = 4 << 20;

/// Bytes of a truncated line skipped before others get their turn.
const SKIP_PER_TURN: u64 = 32 << 20;

impl Tail {
    /// Follows the file at `path`, from where `known` and `high_water` say, or from its start.
    pub(super) fn open(
        path: &Path,
        input: usize,
        decoder: Box<dyn Decoder>,
        known: Option<Entry>,
        high_water: impl Fn(SourceId) -> Option<u64>,
        now: UnixNanos,
    ) -> io::Result<Self> {
        let file = open(path)?;
        let metadata = file.metadata()?;
        let size = metadata.len();
        let fingerprint = Fingerprint::read(&file)?;
        let resumed = match known {
            Some(entry) if entry.fingerprint.matches(&file)? => {
                let offset = high_water(entry.source).unwrap_or(0).max(entry.offset);
                (offset <= size).then_some((entry, offset))
            }
            _ => None,
        };
        let mut tail = Self {
            id: FileId::of(&metadata),
            path: path.to_owned(),
            input,
            source: resumed.as_ref().map_or_else(random_source, |(entry, _)| entry.source),
            fingerprint,
            persisted: resumed.as_ref().map(|(entry, _)| entry.fingerprint.len),
            offset: resumed.map_or(0, |(_, offset)| offset),
            size,
            lag: Lag::default(),
            in_flight: false,
            failing: false,
            deleted: false,
            gone_since: None,
            active_at: Instant::now(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            file: None,
            decoder,
            skipping: false,
            tried: None,
        };
        tail.skipping = is_mid_line(&file, tail.offset)?;
        if tail.offset < size {
            // Nobody knows when they were written, but not after the file was last changed.
            let modified =
                metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
            tail.lag.grew(size, UnixNanos(modified).min(now));
        }
        tail.file = Some(file);
        Ok(tail)
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Whether there is something that an attempt to read could deliver.
    pub(super) fn wants(&self, flush: Flush) -> bool {
        !self.in_flight
            && self.offset < self.size
            && self.tried.is_none_or(|(size, flushed)| size < self.size || flushed < flush)
    }

    /// Looks at size and first bytes.
    pub(super) fn look(&mut self, now: UnixNanos) -> io::Result<Change> {
        let metadata = match &self.file {
            Some(file) => file.metadata()?,
            None => match regular_file(&self.path) {
                Some((id, metadata)) if id == self.id => metadata,
                _ => return Ok(Change::Left),
            },
        };
        self.deleted = metadata.nlink() == 0;
        let (size, mtime) = (metadata.len(), (metadata.mtime(), metadata.mtime_nsec()));
        if (size, mtime) == (self.size, self.mtime) {
            return Ok(Change::Same);
        }
        self.mtime = mtime;
        let was_open = self.file.is_some();
        let file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        let same = size >= self.offset && self.fingerprint.matches(&file)?;
        if !same {
            self.fingerprint = Fingerprint::read(&file)?;
            self.source = random_source();
            self.persisted = None;
            (self.offset, self.skipping) = (0, false);
            self.lag.clear();
        } else if self.fingerprint.can_grow(size) {
            self.fingerprint = Fingerprint::read(&file)?;
        }
        self.file = was_open.then_some(file);
        self.size = size;
        self.tried = None;
        self.active_at = Instant::now();
        if self.offset < size {
            self.lag.grew(size, now);
        }
        Ok(if same { Change::Same } else { Change::Restarted })
    }

    /// The next batch, read into `window`. `None` if there is none yet; the offset may have moved over lines that hold
    /// no record.
    pub(super) fn next_batch(
        &mut self,
        window: &mut Vec<u8>,
        batch_bytes: usize,
        now: UnixNanos,
        flush: Flush,
    ) -> io::Result<Option<Ready>> {
        if self.file.is_none() {
            let file = open(&self.path)?;
            if FileId::of(&file.metadata()?) != self.id {
                return Err(io::ErrorKind::NotFound.into());
            }
            self.file = Some(file);
        }
        self.active_at = Instant::now();
        if self.skipping && !self.skip_rest_of_line(window)? {
            return Ok(None);
        }
        let file = self.file.as_ref().expect("opened above");
        let start = self.offset;
        let mut read = Read { window, chunk: batch_bytes.clamp(MIN_CHUNK, CHUNK), filled: 0, line: 0, start };
        let mut skipping = false;
        let mut at_end = false;
        loop {
            let searched = read.filled;
            at_end |= read.more(file)? == 0;
            read.lines(searched, &mut *self.decoder, now);
            if read.filled - read.line > MAX_LINE_BYTES {
                read.rest(&mut *self.decoder, now);
                self.decoder.flush();
                skipping = true;
                break;
            }
            if at_end {
                if flush == Flush::Everything && read.line < read.filled {
                    read.rest(&mut *self.decoder, now);
                }
                if flush >= Flush::Joined {
                    self.decoder.flush();
                }
                break;
            }
            if read.filled >= batch_bytes && self.cut(start, read.end()) > start {
                break;
            }
            if read.filled >= MAX_WINDOW {
                self.decoder.flush();
                break;
            }
        }
        let position = self.cut(start, read.end());
        self.size = self.size.max(start + read.filled as u64);
        let taken = self.decoder.take(position);
        if position == start {
            self.tried = at_end.then_some((self.size, flush));
            return Ok(None);
        }
        let ready = Ready {
            batch: taken.batch,
            bad: taken.bad,
            source: self.source,
            position,
            bytes: position - start,
            skipping,
        };
        Ok(Some(ready))
    }

    /// The sink has everything up to `position`.
    pub(super) fn acknowledge(&mut self, position: u64, skipping: bool) {
        self.offset = position;
        self.skipping = skipping;
        self.tried = None;
        self.lag.acknowledged(position);
    }

    fn cut(&self, start: u64, end: u64) -> u64 {
        cut(start, end, self.decoder.pending(), self.decoder.spans())
    }

    /// Whether the end of the line was found; if not, there is more to skip, or to come.
    fn skip_rest_of_line(&mut self, window: &mut Vec<u8>) -> io::Result<bool> {
        let file = self.file.as_ref().expect("the caller has opened it");
        window.resize(window.len().max(CHUNK), 0);
        let stop = self.offset + SKIP_PER_TURN;
        let (mut offset, mut found, mut at_end) = (self.offset, false, false);
        while offset < stop && !found && !at_end {
            let n = read_at(file, &mut window[..CHUNK], offset)?;
            let end = memchr::memchr(b'\n', &window[..n]);
            offset += end.map_or(n, |end| end + 1) as u64;
            (found, at_end) = (end.is_some(), n == 0);
        }
        self.acknowledge(offset, !found);
        if at_end {
            self.tried = Some((self.size, Flush::Everything));
        }
        Ok(found)
    }
}

/// A part of the file in memory, and how far it was split into lines.
struct Read<'a> {
    window: &'a mut Vec<u8>,
    /// Bytes to read at a time.
    chunk: usize,
    /// Bytes read.
    filled: usize,
    /// Where the line begins whose end was not seen.
    line: usize,
    /// Offset of the window in the file.
    start: u64,
}

impl Read<'_> {
    fn more(&mut self, file: &File) -> io::Result<usize> {
        let wanted = self.filled + self.chunk;
        if self.window.len() < wanted {
            self.window.resize(wanted, 0);
        }
        let n = read_at(file, &mut self.window[self.filled..wanted], self.start + self.filled as u64)?;
        self.filled += n;
        Ok(n)
    }

    /// Hands over the lines that end at or after `searched`.
    fn lines(&mut self, searched: usize, decoder: &mut dyn Decoder, now: UnixNanos) {
        for end in memchr_iter(b'\n', &self.window[searched..self.filled]) {
            let end = searched + end;
            let line = &self.window[self.line..end];
            let span = self.start + self.line as u64..self.start + end as u64 + 1;
            let kept = line.len().min(MAX_LINE_BYTES);
            decoder.line(&line[..kept], span, kept < line.len(), now);
            self.line = end + 1;
        }
    }

    /// Hands over the line that has no end yet, as far as the bound.
    fn rest(&mut self, decoder: &mut dyn Decoder, now: UnixNanos) {
        let line = &self.window[self.line..self.filled];
        let kept = line.len().min(MAX_LINE_BYTES);
        let span = self.start + self.line as u64..self.start + self.filled as u64;
        decoder.line(&line[..kept], span, kept < line.len(), now);
        self.line = self.filled;
    }

    /// Offset up to which lines were handed over.
    fn end(&self) -> u64 {
        self.start + self.line as u64
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Not waiting for the writer of a pipe that took the file's place.
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    OpenOptions::new().read(true).custom_flags(flags as i32).open(path)
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Batches end at line ends, unless a line was truncated: then the rest of it is skipped after a restart, too.
fn is_mid_line(file: &File, offset: u64) -> io::Result<bool> {
    let Some(before) = offset.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    Ok(read_at(file, &mut byte, before)? == 1 && byte != *b"\n")
}

fn random_source() -> SourceId {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system's random numbers are there once it has booted");
    SourceId(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests;
